"""Matches as lists of the whole cluster show them, and what such a list can be asked. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from gameserver.game.contract import AnyGame
from gameserver.ids import MatchId


class Visibility(StrEnum):
    """Who finds a match."""

    PUBLIC = "public"  # everybody: lists show it, quick join fills it
    UNLISTED = "unlisted"  # who is told its id
    PRIVATE = "private"  # its guests, and who knows its code


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """A match, as its node says it is. ``seats_open``: for anybody, those that are kept for
    somebody not counted. ``state``: ``running``, ``paused`` or ``ended``. ``created_ms``: wall
    time."""

    id: MatchId
    game: str
    mode: str
    players: int
    players_max: int
    seats_open: int
    tick: int
    state: str
    node: str
    created_ms: int
    title: str
    visibility: Visibility


class Order(StrEnum):
    """What stands first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    FULLEST = "fullest"  # of those that still take players, the ones that begin soonest
    EMPTIEST = "emptiest"


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Empty: any. ``text``: in the title, in any case. ``visible``: leave out what is not for
    everybody; else the id may also begin with ``text``."""

    game: str = ""
    mode: str = ""
    node: str = ""
    text: str = ""
    seats_min: int = 0
    order: Order = Order.NEWEST
    visible: bool = True


Place = tuple[int, str]
"""Where a match stands in an order: a number, and its id among equals."""

_NUMBERS: Mapping[Order, Callable[[Listed], int]] = {
    Order.NEWEST: lambda one: -one.created_ms,
    Order.OLDEST: lambda one: one.created_ms,
    Order.FULLEST: lambda one: -one.players,
    Order.EMPTIEST: lambda one: one.players,
}
QUERIES_KEPT = 64


class Found(NamedTuple):
    """All matches of a query in its order, and where each of them stands."""

    matches: Sequence[Listed]
    places: Sequence[Place]

    def after(self, place: Place | None, limit: int) -> tuple[Sequence[Listed], Place | None]:
        """A page, and the place of its last match if there is more behind it."""
        start = 0 if place is None else bisect_right(self.places, place)
        end = start + limit
        more = self.places[end - 1] if end < len(self.matches) else None
        return self.matches[start:end], more


class Catalogue:
    """All matches at one moment. What is asked of it is worked out once: a lobby of many players
    asks the same few questions again and again."""

    def __init__(self, matches: Sequence[Listed]) -> None:
        self.matches = matches
        self._found: dict[Query, Found] = {}
        self._by_id: dict[str, Listed] | None = None

    def find(self, query: Query) -> Found:
        """What ``query`` asks for."""
        found = self._found.get(query)
        if found is None:
            if len(self._found) >= QUERIES_KEPT:
                self._found.clear()
            found = self._found[query] = self._search(query)
        return found

    def get(self, match_id: str) -> Listed | None:
        """The match with this id."""
        if self._by_id is None:
            self._by_id = {one.id: one for one in self.matches}
        return self._by_id.get(match_id)

    def _search(self, query: Query) -> Found:
        text, number = query.text.casefold(), _NUMBERS[query.order]
        matching = [
            one
            for one in self.matches
            if (not query.game or one.game == query.game)
            and (not query.mode or one.mode == query.mode)
            and (not query.node or one.node == query.node)
            and one.seats_open >= query.seats_min
            and (not query.visible or one.visibility is Visibility.PUBLIC)
            and (
                not text
                or text in one.title.casefold()
                or (not query.visible and one.id.startswith(text))
            )
        ]
        matching.sort(key=lambda one: (number(one), one.id))
        return Found(matching, [(number(one), one.id) for one in matching])


class Bulletin(Protocol):
    """What can be played, and what is being played on all nodes."""

    @property
    def games(self) -> Mapping[str, AnyGame]: ...

    async def current(self) -> Catalogue:
        """The matches of all nodes, as they were at most ``FRESH_S`` ago. Raises
        ``StoreUnavailable``."""


FRESH_S = 2.0
