"""Seats of one match that matchmaking keeps for its players, for a while."""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from gameserver.game.contract import Mode
from gameserver.game.matchmaking import FreeSeats
from gameserver.ids import PlayerId
from gameserver.matchmaking import Booking, Place


class Reserved:
    """``booking`` is ``None`` for a match that matchmaking has not made: anybody may join it.

    Times are match time in ms: while the match stands still, nobody is late."""

    __slots__ = ("_free_seats", "_join_until_ms", "_places", "booking")

    def __init__(self, booking: Booking | None, mode: Mode) -> None:
        rules = mode.matchmaking
        self.booking = booking
        self._join_until_ms = mode.join_until_ms
        self._free_seats = rules.free_seats if rules is not None else FreeSeats.CLOSED
        self._places = _by_player(booking)

    def place(self, player: PlayerId) -> Place | None:
        """Where matchmaking has put the player."""
        return self._places.get(player)

    def kept(self, seated: Container[PlayerId], now_ms: int) -> int:
        """How many seats are kept for players who have not come."""
        if self.booking is None or now_ms >= self.booking.until_ms:
            return 0
        return sum(player not in seated for player in self._places)

    def pending_s(self, seated: Container[PlayerId], now_ms: int) -> float:
        """For how long somebody is still expected."""
        if self.booking is None or not self.kept(seated, now_ms):
            return 0.0
        return (self.booking.until_ms - now_ms) / 1000

    def is_late(self, now_ms: int) -> bool:
        """Whether the game takes nobody any more for whom no seat is kept."""
        return self._join_until_ms is not None and now_ms > self._join_until_ms

    def takes(self, player: PlayerId, now_ms: int) -> bool:
        """Whether the player may take a free seat."""
        if self.booking is None:
            return not self.is_late(now_ms)
        if player in self._places and now_ms < self.booking.until_ms:
            return True
        return self.is_open(now_ms)

    def is_open(self, now_ms: int) -> bool:
        """Whether quick join may send players."""
        if self.is_late(now_ms):
            return False
        if self.booking is None:
            return True
        return self._free_seats is FreeSeats.OPEN and now_ms >= self.booking.until_ms

    def backfills(self, now_ms: int) -> bool:
        """Whether matchmaking shall fill what is free."""
        return (
            self.booking is not None
            and not self.is_late(now_ms)
            and self._free_seats is FreeSeats.BACKFILL
            and now_ms >= self.booking.until_ms
        )

    def add(self, places: Sequence[Place], *, seated: Container[PlayerId], until_ms: int) -> None:
        """Keep seats for these, in place of those who have not come in time or have left."""
        if self.booking is None:
            raise RuntimeError("matchmaking has not made this match")
        new = {place.player for place in places}
        stay = [
            one for one in self.booking.places if one.player in seated and one.player not in new
        ]
        self.booking = msgspec.structs.replace(
            self.booking, places=(*stay, *places), until_ms=until_ms
        )
        self._places = _by_player(self.booking)


def _by_player(booking: Booking | None) -> dict[PlayerId, Place]:
    return {} if booking is None else {place.player: place for place in booking.places}
