"""An event sink without a database, for simulations; held to the contract of the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gameserver.wire.event_record import Chunk
from persistence_worker import projections
from persistence_worker.apply import EventSink, Outcome, Verdict
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import Event, Item, Piece


class MemorySink(EventSink):
    """``down``: every call fails. ``refuses`` names events that are rejected."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], Item] = {}
        self.down = False
        self.refuses: Callable[[Item], bool] = lambda _: False

    async def apply(self, events: Sequence[Item]) -> list[Verdict]:
        if self.down:
            raise DatabaseUnavailable("the sink is down")
        return [self._apply(event) for event in events]

    def _apply(self, event: Item) -> Verdict:
        stored = self.stored.get(event.key)
        if stored is not None:
            same = stored.digest == event.digest
            return Verdict(Outcome.DUPLICATE if same else Outcome.FORK)
        if self.refuses(event):
            return Verdict(Outcome.REJECTED, "refused")
        self.stored[event.key] = event
        return Verdict(Outcome.APPLIED)

    def events(self) -> list[Event]:
        return [one for one in self.stored.values() if isinstance(one, Event)]

    def recording(self, match: str) -> list[Chunk]:
        """The pieces of a match."""
        pieces = [one.record for one in self.stored.values() if isinstance(one, Piece)]
        return [one for one in pieces if one.match == match]

    # What is told from the events is a function of all of them, in any order.

    def matches(self) -> dict[str, projections.MatchRow]:
        return projections.matches(self.events())

    def participants(self) -> dict[tuple[str, str], projections.Participation]:
        return projections.participants(self.events())

    def results(self) -> dict[tuple[str, str], tuple[int, float]]:
        return projections.results(self.events())
