"""Matchmaking as values; ``matchmaking_ports`` has what the layers ask of each other for it.

    player ──Lobby──► MatchmakingStore ◄──claim, under a lease── matchmaker of the queue
                            │                                        │ Venue.open
                            └── changes ──► matchmaker               └─► a match with seats reserved

A **ticket** is one party that waits in one queue; a **proposal** is a set of tickets that fit; a
**booking** is what a match knows of its proposal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NamedTuple, NewType

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


class Rating(msgspec.Struct, frozen=True, array_like=True):
    """What the results of a player say: skill is ``mu``, give or take ``sigma`` (Plackett-Luce, as
    the worker rates)."""

    mu: float
    sigma: float


NEWCOMER = Rating(25.0, 25.0 / 3.0)
"""Who has played no match that was rated; also who could not be asked about in time."""


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
    FIRST = "first"  # now, and the queue was empty: whoever looks at it seldom should be told
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
