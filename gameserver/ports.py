"""What the layers ask of each other, as Protocols and the values that cross them.

``match``, ``session`` and ``adapters`` never import one another: they import this file, and
``app`` puts them together. A plain method never blocks; an ``async`` one may.

    ws_server ──Gate, SessionPort──► session ──Matches, SeatHandle──► match ──MatchStore──► redis
        ◄──────Connection──────────         ◄──Subscriber───────────        ──EventQueue──► sqs
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.hot import Line
from gameserver.ids import MatchId, PlayerId, SessionId
from gameserver.maintenance import Maintenance, Notice
from gameserver.matchmaking import Booking, Place, Queue, Vacancy
from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format
from gameserver.wire.event_record import Chunk, EventRecord
from gameserver.wire.frame import Broadcast, Frame

# ── the player's side ────────────────────────────────────────────────────────────────────────────


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a verified token speaks for. ``expires_ms``: wall time at which the token ends;
    ``auth_ms``: when its player logged in, which stays the same when it is refreshed."""

    player_id: PlayerId
    name: str
    groups: tuple[str, ...]
    expires_ms: int
    token_use: str
    origin_jti: str | None = None
    auth_ms: int = 0


class TokenVerifier(Protocol):
    """Checks a Cognito JWT."""

    async def verify(self, token: str) -> Identity:
        """The token's identity. Raises ``TokenRefused``, or ``IdentityUnavailable`` where no key
        set is at hand."""


class Tickets(Protocol):
    """One-time passes for clients that cannot send headers."""

    async def issue(self, identity: Identity) -> str:
        """A ticket that ``redeem`` takes once within its lifetime. Raises ``StoreUnavailable``."""

    async def redeem(self, ticket: str) -> Identity:
        """Raises ``TokenRefused`` for an unknown, used or old ticket, or ``StoreUnavailable``."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a handshake offers; exactly one of the two is set, else the gate refuses."""

    token: str | None = None
    ticket: str | None = None


class Connection(Protocol):
    """A WebSocket after its upgrade, seen from the session."""

    @property
    def format(self) -> Format: ...
    @property
    def remote(self) -> str:
        """The peer's address, for logs and limits."""

    @property
    def writable(self) -> bool:
        """False while the transport's buffer is above its high-water mark."""

    def write(self, frame: bytes) -> None:
        """Hand over one or more complete WebSocket frames. Ignored after ``close``."""

    @property
    def line(self) -> Line:
        """The connection as the loops of ``hot`` see it."""

    def polled(self, polled: bool) -> None:
        """Whether ``hot.collect`` reads the line several times a second from now on, so that
        arriving bytes need not wake the event loop."""

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Start the closing handshake; ``reason`` defaults to the code's name in lower case."""


class SessionPort(Protocol):
    """A session, seen from the connection."""

    def received(self, payload: bytes) -> None:
        """One complete message of the connection's format."""

    def became_writable(self) -> None:
        """The transport's buffer has drained below its low-water mark."""

    def closed(self) -> None:
        """The connection is gone, for whatever reason; nothing can be written any more."""


class Overloaded(Exception):
    """The node takes no more sockets now; answered as 503 with ``Retry-After``."""

    def __init__(self, code: str, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class Gate(Protocol):
    """Decides, before the upgrade, who may connect."""

    async def admit(self, credentials: Credentials) -> Identity:
        """Raises ``TokenRefused``, ``Overloaded`` or ``Unavailable``."""

    def open(self, connection: Connection, identity: Identity) -> SessionPort:
        """Start a session on an upgraded connection."""


class SessionRecords(Protocol):
    """Writes down who is connected, in the background. Every method returns at once."""

    def opened(self, session_id: SessionId, identity: Identity) -> None:
        """A session has begun; it lasts until its token ends, or longer if it is refreshed."""

    def refreshed(self, session_id: SessionId, identity: Identity) -> None:
        """It lasts longer."""

    def closed(self, session_id: SessionId) -> None:
        """It has ended."""


# ── between a session and its match ──────────────────────────────────────────────────────────────


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
        self, request: from_client.Join, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        """Find or create the match and take a seat. A player who already holds a seat gets it
        back, and the earlier subscriber's ``left("replaced")`` is called.

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


# ── durability ───────────────────────────────────────────────────────────────────────────────────


class OutboxEntry(msgspec.Struct, frozen=True):
    """Its number in its match's outbox, which is the event's where nothing is recorded, and an
    encoded record. ``shown``: the record as players are told of it, where that differs because
    fields of ``record`` are sealed."""

    seq: int
    record: bytes
    shown: bytes = b""


class Acquired(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that was won: ``checkpoint`` is ``None`` for a match without a commit yet."""

    fence: int
    version: int
    checkpoint: bytes | None
    outbox: list[OutboxEntry]


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One durable step of one match. ``version`` is the one that this commit makes;
    ``trim_seq``: outbox entries up to it have been relayed and are dropped on this occasion."""

    match_id: MatchId
    fence: int
    version: int
    checkpoint: bytes
    records: Sequence[OutboxEntry] = ()
    trim_seq: int = 0


class Lease(msgspec.Struct, frozen=True):
    """Names a lease held."""

    match_id: MatchId
    fence: int


class Outcome(StrEnum):
    """What became of a commit."""

    COMMITTED = "committed"  # now, or by an earlier try whose answer was lost
    FENCED = "fenced"  # another owner has acquired the match: stop at once
    CONFLICT = "conflict"  # the stored version is not the one before: the store lost or gained


class MatchStore(Protocol):
    """Checkpoints, leases and outboxes of all matches; every method may raise
    ``StoreUnavailable``, after which what was asked may or may not have happened."""

    async def acquire(
        self, match_id: MatchId, *, owner: str, lease_ttl_ms: int, instead_of: int = 0
    ) -> Acquired | None:
        """Take the match if no lease on it is running; ``None`` if one is, be it ``owner``'s own
        (an acquisition that arrives late must not fence the one that followed it), or if the match
        has been forgotten. ``instead_of``: the fence of a lease that does not stand in the way,
        because it is the caller's and is given up for the new one.

        The fence is ``max(stored + 1, store's time in ms)``. Lists the match as open."""

    async def holder(self, match_id: MatchId) -> str | None:
        """The owner whose lease is running, ``""`` if none is; ``None`` for a match that is not
        stored: it never was, or is over."""

    async def renew(self, leases: Sequence[Lease], *, lease_ttl_ms: int) -> list[bool]:
        """Prolong each lease; false where another fence is stored. A lease that ran out but was
        taken by nobody is prolonged too: its fence is still the newest."""

    async def commit(self, commits: Sequence[Commit], *, lease_ttl_ms: int) -> list[Outcome]:
        """Check fence and version, then write checkpoint and outbox together, for each commit by
        itself. The same (fence, version) again answers ``COMMITTED`` and writes nothing. Prolongs
        the lease."""

    async def release(self, lease: Lease) -> None:
        """Give the lease up at once; no effect if the fence is not the newest."""

    async def trim(self, match_id: MatchId, *, up_to_seq: int) -> None:
        """Drop outbox entries that have been relayed."""

    async def forget(self, lease: Lease) -> bool:
        """Delete an ended match whose outbox is empty; false (nothing done) otherwise."""

    async def orphans(self, *, limit: int) -> list[MatchId]:
        """Open matches on which no lease is running."""


class Sealer(Protocol):
    """Encrypts what tells of a person, before it is stored or sent anywhere."""

    async def ready(self) -> None:
        """Return once there is a key that a whole flush may use; at once, mostly."""

    def seal(self, record: EventRecord, fields: Sequence[str]) -> EventRecord:
        """The record with these fields of its data sealed, once and for all: each call gives other
        bytes. To be called right after ``ready``; else it may raise ``KeysUnavailable``."""

    def seal_chunk(self, chunk: Chunk) -> Chunk:
        """The same for the whole body of a piece of a recording."""


class EventQueue(Protocol):
    """The queue to the persistence worker."""

    async def send(self, bodies: Sequence[str]) -> list[bool]:
        """Send up to 10 bodies (1 MiB in all); which of them were taken. Raises
        ``QueueUnavailable`` where none may have been."""


class Recordings(Protocol):
    """Where recordings are stored for good; this process only reads there."""

    async def pieces(self, match_id: str) -> list[Chunk]:
        """All that is stored of a match, in order; empty if there is nothing. Raises
        ``RecordingsUnavailable``, or ``BadRecording`` where it is larger than allowed."""


class ReplayShown(msgspec.Struct, frozen=True, kw_only=True):
    """A match that can be replayed. ``version`` is that of this server's rules, ``versions``
    those that it was played by; ``sections``: where checkpoints lie. ``started_ms`` is wall time,
    ``ended`` the reason."""

    match: str
    game: str
    mode: str
    version: int
    versions: list[int]
    tick_rate: int
    ticks: int
    started_ms: int
    ended: str | None
    sections: list[ReplaySection]


class ReplaySection(msgspec.Struct, frozen=True, kw_only=True):
    """Steps from ``first_tick`` on, under the owner ``epoch``."""

    chunk: int
    first_tick: int
    end_tick: int
    epoch: int


class Replays(Protocol):
    """Plays recorded matches again, for people to watch; one at a time. Both raise
    ``ReplayRefused`` and what ``Recordings.pieces`` raises."""

    async def describe(self, match_id: str, viewer: Identity) -> ReplayShown:
        """What there is to see."""

    def frames(
        self, match_id: str, viewer: Identity, *, seen_by: PlayerId | None
    ) -> AsyncGenerator[bytes, None]:
        """What a socket would have carried, in parts of some KB: whole WebSocket frames of
        msgpack messages, ``Joined`` first. ``seen_by``: through whose eyes an operator looks."""


# ── the other nodes ──────────────────────────────────────────────────────────────────────────────


class NodeBus(Protocol):
    """Messages between nodes, each to the inbox of one node. What arrives from one sender arrives
    in order, at most once; what may have been lost is told as ``interrupted``."""

    def send(self, node: str, message: bytes, *, replaces: str = "") -> None:
        """Send soon. Of waiting messages to a node with the same ``replaces`` only the newest is
        sent. Over the bound of what may wait, everything that waits for that node is dropped, and
        it is told ``interrupted``."""

    def listen(self, receiver: BusReceiver) -> None:
        """Who gets what arrives; called once, before anything can."""


class BusReceiver(Protocol):
    """A node's end of the bus. Every method returns at once."""

    def received(self, node: str, message: bytes) -> None:
        """``node`` has sent ``message``."""

    def interrupted(self, node: str) -> None:
        """Messages of ``node`` were lost, or it is another process by now."""


class OpenMatch(msgspec.Struct, frozen=True, array_like=True):
    """A match with a free seat, as other nodes hear of it."""

    id: str
    game: str
    mode: str
    players: int


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself with every heartbeat. ``load``: the share of one core that its
    process uses; ``state``: ``ready`` or ``draining``; ``region``: where it stands; empty: nobody
    has said."""

    name: str
    state: str
    load: float
    sessions: int
    matches: int
    players: int
    open: list[OpenMatch]
    region: str = ""


class Directory(Protocol):
    """Who else is there, where players sit, and whether the cluster is in maintenance; every method
    may raise ``StoreUnavailable``."""

    async def beat(self, info: NodeInfo, *, ttl_ms: int) -> list[NodeInfo]:
        """Say that this node is there, and hear of all nodes whose word is younger than its TTL."""

    async def leave(self, node: str) -> None:
        """This node is gone."""

    async def seat(self, player_id: PlayerId) -> MatchId | None:
        """The match in which the player was last seated; it may be over."""

    async def seats(self, changes: Mapping[PlayerId, MatchId | None], *, ttl_ms: int) -> None:
        """Note where players sit now; ``None``: nowhere."""

    async def maintenance(self) -> Maintenance | None:
        """The cluster's maintenance mode; ``None`` while it is off."""

    async def set_maintenance(self, wanted: Maintenance | None) -> None:
        """Turn it on, change it, or (``None``) turn it off."""


class MaintenanceControl(Protocol):
    """The maintenance mode of the cluster, as this node knows it."""

    @property
    def current(self) -> Maintenance | None: ...
    async def turn_on(self, notice: Notice, *, by: str) -> Maintenance:
        """On, or on with other words; this node knows at once, the others within a second. Raises
        ``ValueError`` where its end lies in the past, or ``StoreUnavailable``."""

    async def turn_off(self) -> None:
        """Off; no effect if it is. Raises ``StoreUnavailable``."""


# ── the world ────────────────────────────────────────────────────────────────────────────────────


class Clock(Protocol):
    """Wall time. Durations use the event loop's monotonic time, which simulation replaces."""

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch."""


class Entropy(Protocol):
    """Everything that must differ between processes."""

    def match_id(self) -> MatchId: ...
    def session_id(self) -> SessionId: ...
    def seed(self) -> int:
        """63 random bits for a match."""

    def jitter(self) -> float:
        """From 0 up to, but not including, 1: spreads timers."""
