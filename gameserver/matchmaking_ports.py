"""What the layers ask of each other for matchmaking, as Protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import (
    Asked,
    Contents,
    Held,
    Mastery,
    Member,
    News,
    Overview,
    Proposal,
    Queue,
    QueueView,
    Rating,
    Stage,
    Standing,
    Taken,
    Ticket,
    TicketId,
    TicketView,
    Update,
    Vacancy,
    Wish,
)


class MatchmakingStore(Protocol):
    """All queues of a cluster; every method may raise ``StoreUnavailable``, after which what was
    asked may or may not have happened, or may happen later."""

    # Players: one active ticket each, over all queues.

    async def hold(self, player: PlayerId, queue: Queue, ticket: TicketId) -> Held | None:
        """Note that the player's ticket is this one; ``None``: done, also where it was so before,
        else who is in the way."""

    async def unhold(self, player: PlayerId, queue: Queue, ticket: TicketId) -> None:
        """The ticket is over; no effect where the player has another one."""

    async def ticket_of(self, player: PlayerId) -> Held | None:
        """The ticket that is noted for the player; it may be over."""

    async def punish(self, player: PlayerId, *, for_ms: int) -> None:
        """The player may not queue for so long."""

    # Tickets.

    async def enqueue(self, queue: Queue, ticket: Ticket, *, tickets_max: int) -> Taken:
        """Let the ticket wait. The same id again changes nothing."""

    async def standing(self, queue: Queue, ticket: TicketId) -> Standing:
        """Where the ticket is."""

    async def cancel(self, queue: Queue, ticket: TicketId) -> Stage:
        """End a ticket that waits or is unknown (so that an enqueue under way comes to nothing);
        the stage it has now. One in a proposal is not touched."""

    async def answer(
        self, queue: Queue, ticket: TicketId, player: PlayerId, *, ready: bool
    ) -> Standing:
        """A player's answer in a ready check. With the last yes the match is to be opened. A no
        ends the ticket, and the others wait again with the time they had."""

    # The matchmaker, under its fence; a stale one changes nothing and gets ``None`` or false.

    async def lead(self, queue: Queue, *, owner: str, lease_ttl_ms: int) -> Mastery | None:
        """Become the queue's master if it has none."""

    async def renew(self, queue: Queue, fence: int, *, lease_ttl_ms: int, notes: bytes) -> bool:
        """Stay it, and leave notes."""

    async def release(self, queue: Queue, fence: int) -> None:
        """Be it no more."""

    async def contents(self, queue: Queue) -> Contents:
        """Everything; read in pages."""

    async def asked(self, queue: Queue, proposal: MatchId) -> Asked | None:
        """A proposal that is under way."""

    async def news(self, queue: Queue, fence: int, cursor: str, *, vacancies: bool) -> News | None:
        """What has happened since; forgets what was before, and old ends of tickets. With
        ``vacancies`` also those that are offered now."""

    async def claim(
        self, queue: Queue, fence: int, proposals: Sequence[Proposal], *, ready_ms: int
    ) -> list[bool] | None:
        """For each proposal by itself: all of its tickets wait, and leave the waiting for it, or
        nothing happens. ``ready_ms``: how long players are asked; 0: not at all."""

    async def lapse(self, queue: Queue, fence: int, proposal: Proposal) -> list[TicketId] | None:
        """A ready check whose time is up: tickets without all answers end as declined (they are
        the answer), the others wait again. Nothing happens to one that everyone has agreed to."""

    async def assign(self, queue: Queue, fence: int, proposals: Sequence[Proposal]) -> bool:
        """The matches are open: their tickets are matched."""

    async def put_back(self, queue: Queue, fence: int, proposal: Proposal) -> bool:
        """The match could not be opened: its tickets wait again with the time they had."""

    async def expire(self, queue: Queue, fence: int, tickets: Sequence[TicketId]) -> bool:
        """These have waited for too long."""

    # From outside.

    async def offer(self, queue: Queue, vacancy: Vacancy, *, ttl_ms: int) -> None:
        """A running match has seats for matchmaking; repeated while it has."""

    async def overview(self, queue: Queue) -> Overview:
        """For lists and estimates."""


Handler = Callable[[bytes], Awaitable[bytes]]


class NodeCalls(Protocol):
    """Questions between nodes, and news for all of them. A topic has one handler a node."""

    def serve(self, topic: str, handler: Handler) -> None:
        """Who answers here."""

    async def call(self, node: str, topic: str, body: bytes) -> bytes:
        """The answer of ``node``, which may be this one. Raises ``Unavailable`` where there is none
        in time: the question may have been heard."""

    def tell_all(self, topic: str, body: bytes) -> None:
        """To every node, this one as well; at most once, and no answer."""


class TicketUpdates(Protocol):
    """Tells players what becomes of their tickets, on whatever node they are; at most once."""

    def tell(self, updates: Sequence[Update]) -> None: ...


class Venue(Protocol):
    """Where proposals become matches."""

    async def open(self, queue: Queue, proposal: Proposal, *, arrive_ms: int) -> bool:
        """Open the match, or reserve seats in the running one; true once it is durable, also where
        an earlier call has done it. False: it will not be. Raises ``Unavailable`` where that is
        not known."""

    def vacancies(self) -> Mapping[Queue, Sequence[Vacancy]]:
        """Seats of this node's matches that matchmaking shall fill."""


class Ratings(Protocol):
    """How good players are."""

    async def ratings(self, queue: Queue, players: Sequence[PlayerId]) -> Mapping[PlayerId, Rating]:
        """Of those who have one that is known; who is missing counts as ``NEWCOMER``. Raises
        nothing, and is back within a bounded time: no queue waits for what it asks."""


class Matchmaking(Protocol):
    """The players' side, on any node; every method may raise ``StoreUnavailable``."""

    async def enter(
        self, queue: Queue, members: Sequence[Member], wish: Wish, *, key: str
    ) -> TicketView:
        """A ticket for the party, whose first member asks. The same ``key`` of the same player is
        the same ticket, however often it is asked for, also after it has ended. Raises
        ``TicketRefused``."""

    async def look(self, player: PlayerId, *, why: bool) -> TicketView:
        """The player's latest ticket; ``why``: with what keeps it waiting. Raises
        ``TicketRefused`` (``no_ticket``)."""

    async def cancel(self, player: PlayerId) -> TicketView:
        """Give the ticket up, for the whole party. Raises ``TicketRefused``: ``no_ticket``, or
        ``too_late`` where a match is on its way or the players are being asked."""

    async def answer(self, player: PlayerId, *, ready: bool) -> TicketView:
        """The answer to a ready check. Raises ``TicketRefused``: ``no_ticket``, ``not_asked``."""

    async def queues(self) -> list[QueueView]:
        """All of them."""
