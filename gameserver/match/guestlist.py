"""Who may take a seat of one match, and for whom seats are kept."""

from __future__ import annotations

from collections.abc import Container

import msgspec

from gameserver.hosting import GUESTS_MAX, Terms
from gameserver.ids import PlayerId
from gameserver.listing import Visibility

NOBODY = PlayerId("")
"""By whom a match was created that the server has opened by itself."""


class Guestlist:
    """``terms`` is ``None`` for a match that nobody has created, until somebody brings a party:
    anybody may join it.

    Times are match time in ms: while the match stands still, nobody is late."""

    __slots__ = ("terms",)

    def __init__(self, terms: Terms | None) -> None:
        self.terms = terms

    @property
    def visibility(self) -> Visibility:
        return Visibility.PUBLIC if self.terms is None else self.terms.visibility

    @property
    def is_public(self) -> bool:
        """Whether quick join and lists may lead here."""
        return self.visibility is Visibility.PUBLIC

    def admits(self, player: PlayerId) -> bool:
        """Whether the player may take a seat at all."""
        terms = self.terms
        return terms is None or terms.visibility is not Visibility.PRIVATE or player in terms.guests

    def keeps(self, player: PlayerId, now_ms: int) -> bool:
        """Whether a seat is kept for this player."""
        return self.terms is not None and now_ms < self.terms.guests.get(player, 0)

    def kept(
        self, seated: Container[PlayerId], now_ms: int, *, beside: PlayerId | None = None
    ) -> int:
        """How many seats are kept for guests who have not come, ``beside`` not counted."""
        if self.terms is None:
            return 0
        return sum(
            now_ms < until_ms and guest not in seated and guest != beside
            for guest, until_ms in self.terms.guests.items()
        )

    def expected_ms(self, seated: Container[PlayerId], now_ms: int) -> int:
        """For how long some guest may still come."""
        if self.terms is None:
            return 0
        waits = (until for guest, until in self.terms.guests.items() if guest not in seated)
        return max(0, max(waits, default=0) - now_ms)

    def invite(self, player: PlayerId, until_ms: int) -> None:
        """Make the player a guest, and keep a seat. Over ``GUESTS_MAX`` those are forgotten for
        whom none is kept any more, the oldest first."""
        terms = self.terms or Terms(by=NOBODY)
        guests = dict(terms.guests)
        until_ms = max(until_ms, guests.pop(player, 0))
        while len(guests) >= GUESTS_MAX:
            del guests[min(guests, key=lambda guest: guests[guest])]
        guests[player] = until_ms
        self.terms = msgspec.structs.replace(terms, guests=guests)

    def strike(self, player: PlayerId) -> None:
        """The player is no guest any more."""
        if self.terms is not None and player in self.terms.guests:
            guests = {one: until for one, until in self.terms.guests.items() if one != player}
            self.terms = msgspec.structs.replace(self.terms, guests=guests)
