"""What a command did, store by store, and how that is printed."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of a player's data in one store."""

    DONE = "done"
    FOUND = "found"  # a dry run: there would be something to do
    PENDING = "pending"  # something is in use now: repeat the command later
    UNREACHABLE = "unreachable"  # repeat the command


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One store. ``counts``: rows, items, keys or letters, by where they were."""

    store: str
    outcome: Outcome
    counts: dict[str, int]
    detail: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All stores, in the order in which they were visited."""

    player: str
    steps: list[Step]

    @property
    def well(self) -> bool:
        """Whether nothing is left to be done."""
        return all(step.outcome in (Outcome.DONE, Outcome.FOUND) for step in self.steps)


def told(report: Report) -> str:
    """For people."""
    lines = []
    for step in report.steps:
        counts = ", ".join(f"{name} {count}" for name, count in step.counts.items() if count)
        parts = [part for part in (counts or "nothing there", step.detail) if part]
        if step.outcome is Outcome.UNREACHABLE:
            parts = [step.detail]
        lines.append(f"{step.store:14}{step.outcome.value:13}{'; '.join(parts)}")
    if not report.well:
        lines.append("Not complete: repeat the command.")
    return "\n".join(lines)
