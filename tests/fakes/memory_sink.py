"""An event sink without a database, for simulations; held to the contract of the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from persistence_worker import projections
from persistence_worker.apply import EventSink, Outcome, Verdict
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import Event


class MemorySink(EventSink):
    """``down``: every call fails. ``refuses`` names events that are rejected."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], Event] = {}
        self.down = False
        self.refuses: Callable[[Event], bool] = lambda _: False

    async def apply(self, events: Sequence[Event]) -> list[Verdict]:
        if self.down:
            raise DatabaseUnavailable("the sink is down")
        return [self._apply(event) for event in events]

    def _apply(self, event: Event) -> Verdict:
        stored = self.stored.get(event.key)
        if stored is not None:
            same = stored.digest == event.digest
            return Verdict(Outcome.DUPLICATE if same else Outcome.FORK)
        if self.refuses(event):
            return Verdict(Outcome.REJECTED, "refused")
        self.stored[event.key] = event
        return Verdict(Outcome.APPLIED)

    # What is told from the events is a function of all of them, in any order.

    def matches(self) -> dict[str, projections.MatchRow]:
        return projections.matches(list(self.stored.values()))

    def participants(self) -> dict[tuple[str, str], projections.Participation]:
        return projections.participants(list(self.stored.values()))

    def results(self) -> dict[tuple[str, str], tuple[int, float]]:
        return projections.results(list(self.stored.values()))
