"""The match store in memory: the same answers as Redis', held to it by the contract suite.

Faults are a wrapper's business (``tests.sim.faults``); this store itself never fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

from gameserver.ids import MatchId
from gameserver.ports import Acquired, Commit, Lease, OutboxEntry, Outcome, Page, Turn

PAGES = 4
"""Over which the open matches are spread."""


@dataclass
class Row:
    """What is stored of one match."""

    fence: int = 0
    owner: str = ""
    version: int = 0
    checkpoint: bytes | None = None
    seq: int = 0
    leased_until_ms: float = 0
    outbox: dict[int, bytes] = field(default_factory=dict)
    forgotten: bool = False


@dataclass(frozen=True)
class Sweeping:
    """Whose turn it is to look for matches that nobody owns."""

    number: int = 0
    place: int = 0
    begun_ms: float = 0
    until_ms: float = 0


class MemoryStore:
    """Implements ``ports.MatchStore``; ``now_ms`` is the store's clock."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self.rows: dict[MatchId, Row] = {}
        self.open: dict[MatchId, None] = {}
        self.sweep = Sweeping()

    async def acquire(
        self, match_id: MatchId, *, owner: str, lease_ttl_ms: int, instead_of: int = 0
    ) -> Acquired | None:
        self.open[match_id] = None
        row = self.rows.get(match_id) or Row()
        if row.forgotten:
            del self.open[match_id]
            return None
        if self._leased(row) and row.fence != instead_of:
            return None
        self.rows[match_id] = row
        row.fence = max(row.fence + 1, int(self._now_ms()))
        row.owner = owner
        row.leased_until_ms = self._now_ms() + lease_ttl_ms
        return Acquired(
            fence=row.fence,
            version=row.version,
            checkpoint=row.checkpoint,
            outbox=[OutboxEntry(seq, record) for seq, record in row.outbox.items()],
        )

    async def holder(self, match_id: MatchId) -> str | None:
        row = self.rows.get(match_id)
        if row is None or row.forgotten:
            return None
        return row.owner if self._leased(row) else ""

    async def renew(self, leases: Sequence[Lease], *, lease_ttl_ms: int) -> list[bool]:
        return [self._renew(lease, lease_ttl_ms) for lease in leases]

    def _renew(self, lease: Lease, lease_ttl_ms: int) -> bool:
        row = self.rows.get(lease.match_id)
        if row is None or row.forgotten or not row.owner or row.fence != lease.fence:
            return False
        row.leased_until_ms = self._now_ms() + lease_ttl_ms
        return True

    async def commit(self, commits: Sequence[Commit], *, lease_ttl_ms: int) -> list[Outcome]:
        return [self._commit(commit, lease_ttl_ms) for commit in commits]

    def _commit(self, commit: Commit, lease_ttl_ms: int) -> Outcome:
        row = self.rows.get(commit.match_id)
        if row is None or row.fence < commit.fence:
            return Outcome.CONFLICT
        if row.fence > commit.fence:
            return Outcome.FENCED
        if row.version + 1 == commit.version and not row.owner:
            return Outcome.FENCED
        if row.version + 1 == commit.version:
            self.write(row, commit)
        elif row.version != commit.version:
            return Outcome.CONFLICT
        if row.owner:
            row.leased_until_ms = self._now_ms() + lease_ttl_ms
        return Outcome.COMMITTED

    def write(self, row: Row, commit: Commit) -> None:
        """Checkpoint and outbox together."""
        row.version = commit.version
        row.checkpoint = commit.checkpoint
        for entry in commit.records:
            if entry.seq > row.seq:
                row.outbox[entry.seq] = entry.record
                row.seq = entry.seq
        self._trim(row, commit.trim_seq)

    async def release(self, lease: Lease) -> None:
        row = self.rows.get(lease.match_id)
        if row is not None and row.fence == lease.fence:
            row.leased_until_ms, row.owner = 0, ""

    async def trim(self, match_id: MatchId, *, up_to_seq: int) -> None:
        row = self.rows.get(match_id)
        if row is not None:
            self._trim(row, up_to_seq)

    def _trim(self, row: Row, up_to_seq: int) -> None:
        row.outbox = {seq: record for seq, record in row.outbox.items() if seq > up_to_seq}

    async def forget(self, lease: Lease) -> bool:
        row = self.rows.get(lease.match_id)
        if row is not None and not row.forgotten:
            if row.fence != lease.fence or row.outbox:
                return False
            self.rows[lease.match_id] = Row(fence=row.fence, forgotten=True)
        elif row is not None and row.fence != lease.fence:
            return False
        self.open.pop(lease.match_id, None)
        return True

    async def take_turn(self, *, turn_ms: int, at_once: bool = False) -> Turn | None:
        sweep, now_ms = self.sweep, self._now_ms()
        if not at_once and 0 < sweep.until_ms - now_ms <= turn_ms:
            return None
        begun_ms = sweep.begun_ms if sweep.place else now_ms
        self.sweep = replace(
            sweep, number=sweep.number + 1, begun_ms=begun_ms, until_ms=now_ms + turn_ms
        )
        return Turn(self.sweep.number, sweep.place)

    async def orphans(self, place: int = 0) -> Page:
        found = [
            match_id
            for match_id in self.open
            if crc32(match_id.encode()) % PAGES == place
            if match_id not in self.rows or not self._leased(self.rows[match_id])
        ]
        return Page(found, (place + 1) % PAGES)

    async def end_turn(self, turn: Turn, *, place: int, turn_ms: int) -> None:
        if self.sweep.number == turn.number:
            until_ms = 0 if place else self.sweep.begun_ms + turn_ms
            self.sweep = replace(self.sweep, place=place, until_ms=until_ms)

    def _leased(self, row: Row) -> bool:
        return self._now_ms() < row.leased_until_ms
