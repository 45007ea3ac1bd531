"""Durability: checkpoints, leases, outboxes, sealing, the queue, recordings."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from gameserver.ids import MatchId, PlayerId
from gameserver.ports.player import Identity
from gameserver.wire.event_record import Chunk, EventRecord


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


class Turn(msgspec.Struct, frozen=True):
    """A node's turn to look for matches that nobody owns; each has a higher number than the one
    before. ``place``: where that has stopped; 0: at the beginning."""

    number: int
    place: int


class Page(msgspec.Struct, frozen=True):
    """Some of the open matches, looked at: those on which no lease is running. ``next_place``:
    where the next ones are; 0: these were the last."""

    orphans: list[MatchId]
    next_place: int


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

    async def take_turn(self, *, turn_ms: int, at_once: bool = False) -> Turn | None:
        """The turn to look for matches that nobody owns, for ``turn_ms``. ``None`` while another
        caller has it, or where a walk over all matches began less than ``turn_ms`` ago;
        ``at_once``: never."""

    async def orphans(self, place: int = 0) -> Page:
        """A page of the open matches. A match that is open from the first page to the last one is
        on one of them."""

    async def end_turn(self, turn: Turn, *, place: int, turn_ms: int) -> None:
        """The next turn begins at ``place``; 0: not before ``turn_ms`` after this walk over all
        has begun. No effect if another caller has taken the turn."""


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

    async def send(self, bodies: Sequence[str], traces: Sequence[str] = ()) -> list[bool]:
        """Send up to 10 bodies (1 MiB in all); which of them were taken. ``traces``: for each body
        what its message tells the worker of traces (``spans.ATTRIBUTE``), or nothing. Raises
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
