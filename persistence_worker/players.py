"""What is told of a player beyond a single match: name, when seen, matches played. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from gameserver.wire import event_record as wire
from persistence_worker.boards import Result
from persistence_worker.intake import Event


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A player came (then there is a ``name``) or left. ``at_ms``: Unix time."""

    player: str
    at_ms: int
    name: str | None


class Player(msgspec.Struct, kw_only=True):
    """A row of ``players`` in the making, in the order of its columns."""

    name: str | None = None
    named_at_ms: int | None = None
    first_seen_ms: int
    last_seen_ms: int
    matches: int = 0

    def see(self, at_ms: int) -> None:
        """The player was there at ``at_ms``."""
        self.first_seen_ms = min(self.first_seen_ms, at_ms)
        self.last_seen_ms = max(self.last_seen_ms, at_ms)

    def call(self, name: str, at_ms: int) -> None:
        """The latest name stays; of two at the same time the one that sorts last."""
        if self.name is None or (at_ms, name) > (self.named_at_ms or 0, self.name):
            self.name, self.named_at_ms = name, at_ms


def sightings(events: Iterable[Event]) -> list[Sighting]:
    """The comings and goings among ``events``."""
    return [
        Sighting(
            player=event.record.player,
            at_ms=event.record.at_ms,
            name=event.fact.name if isinstance(event.fact, wire.PlayerJoined) else None,
        )
        for event in events
        if event.record.player is not None
        and isinstance(event.fact, wire.PlayerJoined | wire.PlayerLeft)
    ]


def players(seen: Iterable[Sighting], results: Sequence[Result]) -> dict[str, Player]:
    """One row for each player; a result counts as a match played, and as seen at its end."""
    rows: dict[str, Player] = {}
    for sighting in seen:
        row = _row(rows, sighting.player, sighting.at_ms)
        if sighting.name is not None:
            row.call(sighting.name, sighting.at_ms)
    for result in results:
        _row(rows, result.player, result.ended_at_ms).matches += 1
    return rows


def _row(rows: dict[str, Player], player: str, at_ms: int) -> Player:
    row = rows.get(player)
    if row is None:
        row = rows[player] = Player(first_seen_ms=at_ms, last_seen_ms=at_ms)
    row.see(at_ms)
    return row
