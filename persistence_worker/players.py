"""What is told of a player beyond a single match: name, when seen, matches played. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from gameserver.wire import event_record as wire
from persistence_worker.boards import Result
from persistence_worker.erasure import is_pseudonym
from persistence_worker.intake import Event


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A player came (then there is a ``name``, sealed mostly, and the id of the ``event`` that
    said it) or left. ``at_ms``: Unix time."""

    player: str
    at_ms: int
    name: str | None
    event: str | None = None


class Player(msgspec.Struct, kw_only=True):
    """A row of ``players`` in the making, in the order of its columns."""

    name: str | None = None
    named_at_ms: int | None = None
    first_seen_ms: int
    last_seen_ms: int
    matches: int = 0
    named_by: str | None = None

    def see(self, at_ms: int) -> None:
        """The player was there at ``at_ms``."""
        self.first_seen_ms = min(self.first_seen_ms, at_ms)
        self.last_seen_ms = max(self.last_seen_ms, at_ms)

    def call(self, name: str, at_ms: int, event: str) -> None:
        """The latest name stays; of two at the same time the one whose event's id sorts last."""
        if self.name is None or (at_ms, event) > (self.named_at_ms or 0, self.named_by or ""):
            self.name, self.named_at_ms, self.named_by = name, at_ms, event


def sightings(events: Iterable[Event]) -> list[Sighting]:
    """The comings and goings among ``events``."""
    return [
        Sighting(
            player=event.record.player,
            at_ms=event.record.at_ms,
            name=event.fact.name if isinstance(event.fact, wire.PlayerJoined) else None,
            event=event.record.id,
        )
        for event in events
        if event.record.player is not None
        and isinstance(event.fact, wire.PlayerJoined | wire.PlayerLeft)
    ]


def players(seen: Iterable[Sighting], results: Sequence[Result]) -> dict[str, Player]:
    """One row for each player; a result counts as a match played, and as seen at its end. Erased
    ones have none."""
    rows: dict[str, Player] = {}
    for sighting in seen:
        if is_pseudonym(sighting.player):
            continue
        row = _row(rows, sighting.player, sighting.at_ms)
        if sighting.name is not None and sighting.event is not None:
            row.call(sighting.name, sighting.at_ms, sighting.event)
    for result in results:
        if is_pseudonym(result.player):
            continue
        _row(rows, result.player, result.ended_at_ms).matches += 1
    return rows


def _row(rows: dict[str, Player], player: str, at_ms: int) -> Player:
    row = rows.get(player)
    if row is None:
        row = rows[player] = Player(first_seen_ms=at_ms, last_seen_ms=at_ms)
    row.see(at_ms)
    return row
