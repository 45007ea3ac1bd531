"""Matchmaking as values, and what the layers ask of each other for it.

    player ──Lobby──► MatchmakingStore ◄──claim, under a lease── matchmaker of the queue
                            │                                        │ Venue.open
                            └── changes ──► matchmaker               └─► a match with seats reserved

A **ticket** is one party that waits in one queue; a **proposal** is a set of tickets that fit; a
**booking** is what a match knows of its proposal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, NamedTuple, NewType, Protocol

import msgspec
from msgspec import Meta

from gameserver.game.matchmaking import PARTY_MAX, REGIONS_MAX, ROLES_MAX, Rules
from gameserver.ids import MatchId, PlayerId

TicketId = NewType("TicketId", str)
"""26 characters of a digest of player and client key: the same request is the same ticket."""


class Queue(NamedTuple):
    """Where tickets wait: those of one mode of one game."""

    game: str
    mode: str

    def __str__(self) -> str:
        return f"{self.game}/{self.mode}"


class Applicant(msgspec.Struct, frozen=True, array_like=True):
    """A player of a ticket. ``roles``: which they play; empty: any."""

    player: PlayerId
    skill: float = 0.0
    roles: Annotated[tuple[str, ...], Meta(max_length=ROLES_MAX)] = ()


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a party looks for. ``latency_ms``: the worst of its players' by region; ``accepts``:
    values of required and preferred properties; ``ranges``: from and to."""

    latency_ms: Annotated[dict[str, int], Meta(max_length=REGIONS_MAX)] = {}
    accepts: Annotated[
        dict[str, Annotated[tuple[str, ...], Meta(max_length=32)]], Meta(max_length=16)
    ] = {}
    ranges: Annotated[dict[str, tuple[float, float]], Meta(max_length=8)] = {}


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """``enqueued_ms``: the store's clock when it was taken; 0 before."""

    id: TicketId
    players: Annotated[tuple[Applicant, ...], Meta(min_length=1, max_length=PARTY_MAX)]
    wish: Wish = Wish()
    enqueued_ms: int = 0

    @property
    def size(self) -> int:
        return len(self.players)


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a player of a proposal plays. ``role`` is empty where the rules give none."""

    player: PlayerId
    team: int
    role: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Tickets that fit, with all players' places, in the order of ``tickets``, of which each has
    ``sizes`` players. ``match``: of a running match (backfill), else the id that the new match will
    have; ``spread``: between the best and the worst skill."""

    id: MatchId
    match: MatchId
    tickets: tuple[TicketId, ...]
    sizes: tuple[int, ...]
    places: tuple[Place, ...]
    region: str = ""
    properties: dict[str, str | float] = {}
    skill: float = 0.0
    spread: float = 0.0
    is_backfill: bool = False


class Vacancy(msgspec.Struct, frozen=True, kw_only=True):
    """Free seats of a running match that matchmaking shall fill. ``teams``: who sits in each team,
    by role; what was agreed on for the match holds for those who come."""

    match: MatchId
    node: str
    teams: tuple[tuple[str, ...], ...]
    region: str
    properties: dict[str, str | float]
    skill_low: float
    skill_high: float
    since_ms: int


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """What a match knows of how it was made; kept in its checkpoint. ``until_ms``: match time up to
    which the seats of ``places`` are kept for those who have not come."""

    queue: Queue
    places: tuple[Place, ...]
    region: str = ""
    properties: dict[str, str | float] = {}
    skill_low: float = 0.0
    skill_high: float = 0.0
    until_ms: int = 0


class Stage(StrEnum):
    """Where a ticket is."""

    WAITING = "waiting"
    READY_CHECK = "ready_check"  # proposed: its players are asked
    OPENING = "opening"  # all are ready, the match is on its way
    MATCHED = "matched"  # join the match
    CANCELLED = "cancelled"
    DECLINED = "declined"  # a player of the ticket has declined or not answered
    EXPIRED = "expired"  # waited for as long as the rules allow
    UNKNOWN = "unknown"  # never was, or is long over


ACTIVE = (Stage.WAITING, Stage.READY_CHECK, Stage.OPENING)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of a ticket. ``match``: once it is matched; ``deadline_ms`` and
    ``ready``: while its players are asked, by the store's clock, and who has said yes."""

    stage: Stage
    ticket: Ticket | None = None
    match: MatchId | None = None
    deadline_ms: int = 0
    ready: tuple[PlayerId, ...] = ()
    now_ms: int = 0


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """News of a ticket for its players."""

    ticket: TicketId
    queue: Queue
    players: tuple[PlayerId, ...]
    stage: Stage
    match: str = ""
    deadline_ms: int = 0


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Why a player may not queue: an earlier ticket (``queue``, ``ticket``), or a penalty."""

    queue: Queue | None = None
    ticket: TicketId | None = None
    penalty_ms: int = 0


class Estimate(msgspec.Struct, frozen=True, array_like=True):
    """Waits in s of a band's last tickets."""

    count: int
    p50_s: float
    p90_s: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """``looked_at``: the tickets nearest in skill; ``ruled_out``: how many of them by what, each by
    the first rule that does; ``text``: the same as sentences."""

    waiting: int
    looked_at: int
    fitting: int
    ruled_out: dict[str, int]
    text: str


class Member(msgspec.Struct, frozen=True):
    """A player of a party, as they apply."""

    player: PlayerId
    roles: tuple[str, ...] = ()


class TicketView(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as its players see it."""

    ticket: TicketId
    queue: Queue
    standing: Standing
    estimate: Estimate | None = None
    why: Explanation | None = None


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """A queue as everyone may see it."""

    queue: Queue
    rules: Rules
    waiting: int
    estimate: Estimate | None


class Taken(StrEnum):
    """The answer to an enqueue."""

    TAKEN = "taken"  # now, or by an earlier try
    FULL = "full"
    OVER = "over"  # the ticket has ended already


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that has been claimed. ``deadline_ms``: 0 without a ready check; ``open``: whether
    everyone is ready, so that the match is to be opened."""

    proposal: Proposal
    deadline_ms: int
    open: bool


class Mastery(msgspec.Struct, frozen=True, kw_only=True):
    """The lease of a queue: its fence, and the estimates its last master has left."""

    fence: int
    now_ms: int
    notes: bytes


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened in a queue: exactly one field is set."""

    waiting: Ticket | None = None
    gone: TicketId | None = None
    proposed: MatchId | None = None


class News(msgspec.Struct, frozen=True, kw_only=True):
    """The changes since ``cursor``; ``lost``: some are known no more, so begin anew."""

    now_ms: int
    cursor: str
    changes: list[Change]
    lost: bool = False
    vacancies: list[Vacancy] | None = None


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in a queue; what happens while it is read shows in the changes after ``cursor``
    as well."""

    cursor: str
    waiting: list[Ticket]
    asked: list[Asked]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """A queue from outside. ``owner``: the node that forms its matches, empty if none does."""

    waiting: int
    proposed: int
    owner: str
    notes: bytes


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

    async def skills(self, queue: Queue, players: Sequence[PlayerId]) -> Mapping[PlayerId, float]:
        """Of those who have a rating."""


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
