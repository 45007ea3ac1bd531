"""Spans that are kept in memory, each by a number."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class MemorySpan:
    """Implements ``spans.Span``."""

    name: str
    parent: str
    number: int
    at: float | None
    attributes: dict[str, str | int]
    ended: bool = False
    error: str = ""

    @property
    def traceparent(self) -> str:
        return f"00-{1:032x}-{self.number:016x}-01"

    def end(self, *, error: str = "", **attributes: str | int) -> None:
        assert not self.ended, f"{self.name} ends twice"
        self.ended, self.error = True, error
        self.attributes |= attributes


@dataclass
class MemorySpans:
    """Implements ``spans.Spans``; ``made`` are all of them."""

    made: list[MemorySpan] = field(default_factory=list)

    def start(
        self, name: str, *, parent: str = "", at: float | None = None, **attributes: str | int
    ) -> MemorySpan:
        self.made.append(MemorySpan(name, parent, len(self.made) + 1, at, dict(attributes)))
        return self.made[-1]

    def named(self, name: str) -> list[MemorySpan]:
        return [span for span in self.made if span.name == name]
