"""Between a session and its match, and what a node's matches offer to the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.hot import Line
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Listed
from gameserver.maintenance import Maintenance
from gameserver.matchmaking import Booking, Place, Queue, Vacancy
from gameserver.ports.nodes import OpenMatch
from gameserver.ports.player import Identity
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast, Frame


class Subscriber(Protocol):
    """A session, seen from the match it sits in. Every method returns at once."""

    @property
    def line(self) -> Line | None:
        """Its connection, if that is one of this node: ``hot.collect`` reads it before each step
        while it is ``polled``, and ``hot.spread`` writes frames to it."""

    def frame(self, frame: Frame) -> None:
        """The match's newest frame; an older one not yet written is replaced."""

    def announce(self, message: Broadcast) -> None:
        """A reliable message (a committed ``Event``, ``Paused``, ``Resumed``), in order."""

    def tell_alone(self, message: Broadcast) -> None:
        """A reliable message for this one and not for the others: chat, an ``Error``."""

    def polled(self, polled: bool) -> None:
        """Whether the line is read before every step from now on. False again before the match
        stands still and when the seat is gone."""

    def plays(self, game: AnyGame) -> None:
        """The match plays by other rules of the same game from now on (in development only): the
        next frame has to be whole, and inputs are of ``game.Input``."""

    def left(self, reason: str) -> None:
        """The seat is gone; ``reason`` is that of ``to_client.Left``."""


class SeatHandle(Protocol):
    """A seat in a match, held by one session."""

    @property
    def match_id(self) -> MatchId: ...

    def input(self, seq: int, data: Any) -> to_client.ErrorCode | None:
        """Queue one decoded input for the next tick, or say why not."""

    def say(self, message: from_client.Word) -> None:
        """Chat, or vote; what comes of it is told as any other message."""

    def leave(self, reason: LeaveReason) -> None:
        """Give the seat up for good."""

    def detach(self) -> None:
        """The connection is gone: the seat is kept for the grace period."""


class Seated(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a join: to be sent in the order ``joined``, ``missed``, ``frame``."""

    handle: SeatHandle
    game: AnyGame
    joined: to_client.Joined
    missed: list[Broadcast]
    frame: Frame | None


class Matches(Protocol):
    """The matches that players can reach through this node."""

    @property
    def games(self) -> Mapping[str, AnyGame]: ...

    async def join(
        self, request: from_client.Entry, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        """Find or create the match and take a seat. A player who already holds a seat gets it
        back, and the earlier subscriber's ``left("replaced")`` is called. ``Watch`` takes none:
        its handle takes no inputs, and the same player may hold a seat elsewhere.

        Raises ``JoinRefused``; ``StoreUnavailable`` where a new match cannot be stored."""


class LocalMatches(Matches, Protocol):
    """The matches of this node alone, seen from the cluster."""

    on_seat: Callable[[PlayerId, MatchId | None], None]
    """Called when a player takes a seat, or (``None``) has none any more."""
    on_released: Callable[[MatchId, list[Subscriber]], None]
    """Called in a drain when a match has been given up, with those who were present."""
    maintenance: Maintenance | None
    """While it is set, no match is opened and no new seat is given: ``Error maintenance``."""

    @property
    def draining(self) -> bool: ...
    def runs(self, match_id: MatchId) -> bool:
        """Whether the match is played here."""

    def holds(self, player_id: PlayerId) -> bool:
        """Whether the player has a seat here."""

    def has_room(self, game: AnyGame, mode: str) -> bool:
        """Whether an open match here takes one more player."""

    def open_matches(self, limit: int) -> list[OpenMatch]:
        """The fullest matches with a free seat."""

    def listing(self) -> list[Listed]:
        """All matches here, those that are not for everybody as well."""

    @property
    def matches_open(self) -> int: ...
    @property
    def players(self) -> int: ...
    async def adopt(self, match_id: MatchId) -> bool:
        """Continue a match that nobody owns, now. Raises ``StoreUnavailable``."""

    async def open_booked(self, match_id: MatchId, booking: Booking) -> bool:
        """Open a match for the players of ``booking`` alone; true once it is durable, also if an
        earlier call has opened it. Raises ``StoreUnavailable`` where that is not known."""

    async def reserve(self, match_id: MatchId, places: Sequence[Place], *, arrive_ms: int) -> bool:
        """Keep seats of a booked match that is played here; true once that is durable. Raises
        ``StoreUnavailable`` where that is not known."""

    def vacancies(self) -> Mapping[Queue, Sequence[Vacancy]]:
        """Free seats that matchmaking shall fill."""

    def fail(self, error: BaseException) -> None:
        """A side task has ended without which the node must not go on."""
