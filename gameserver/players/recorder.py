"""Writes down who is connected, behind the players' backs: no handshake waits for a table.

    opened / refreshed / closed ──► what each session's record should be ──► WRITERS tasks ──► store

Only the newest wish for a session waits, so a session that opens and closes in an outage costs
nothing. At most ``records_max`` sessions wait; over it a new session is not recorded, and counted.
What cannot be written waits and is tried again. A record that was not removed ends by its
``expires_at``.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from gameserver.errors import Unavailable
from gameserver.ids import SessionId
from gameserver.metrics import Metrics
from gameserver.players.port import SessionRecord, SessionStore
from gameserver.players.profiles import Profiles
from gameserver.ports import Clock, Entropy, Identity

logger = logging.getLogger(__name__)

WRITERS = 8
RETRY_S = 1.0
FLUSH_S = 2.0
"""How long a node that ends still writes."""


class _Entry:
    """A session, from ``opened`` until its end is written. ``identity``: whose profile is to be
    ensured first."""

    __slots__ = ("busy", "gone", "identity", "record", "wanted", "written")

    def __init__(self, record: SessionRecord, identity: Identity | None) -> None:
        self.record = record
        self.identity = identity
        self.gone = False
        self.wanted = True  # differs from what was written last
        self.written = False  # may be in the store
        self.busy = False


class SessionRecorder:
    """Implements ``ports.SessionRecords``. Without ``sessions`` it only makes profiles, without
    ``profiles`` only records."""

    def __init__(
        self,
        *,
        sessions: SessionStore | None,
        profiles: Profiles | None,
        node: str,
        records_max: int,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
    ) -> None:
        self._sessions = sessions
        self._profiles = profiles
        self._node = node
        self._records_max = records_max
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._entries: dict[SessionId, _Entry] = {}
        self._waiting: dict[SessionId, _Entry] = {}  # in the order in which they came
        self._wake = asyncio.Semaphore(0)
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._busy = 0
        metrics.gauge(
            "session_records_waiting", "Sessions to be recorded", lambda: float(len(self._waiting))
        )

    def start(self) -> None:
        """Begin to write."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._write()) for _ in range(WRITERS)]

    async def stop(self) -> None:
        """Write what waits, for ``FLUSH_S`` at most."""
        try:
            async with asyncio.timeout(FLUSH_S):
                while self._waiting or self._busy:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            logger.warning("sessions not recorded", extra={"sessions": len(self._waiting)})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ── ports.SessionRecords ─────────────────────────────────────────────────────────────────

    def opened(self, session_id: SessionId, identity: Identity) -> None:
        """See ``ports.SessionRecords``."""
        if len(self._waiting) >= self._records_max:
            self._metrics.sessions_unrecorded += 1
            return
        record = SessionRecord(
            player_id=identity.player_id,
            session_id=session_id,
            node=self._node,
            connected_ms=self._clock.wall_ms(),
            expires_at=_seconds(identity.expires_ms),
        )
        entry = _Entry(record, identity if self._profiles is not None else None)
        self._entries[session_id] = entry
        self._want(entry)

    def refreshed(self, session_id: SessionId, identity: Identity) -> None:
        """See ``ports.SessionRecords``. Not recorded over the bound: the record ends too early."""
        entry = self._entries.get(session_id)
        if entry is None or self._sessions is None:
            return
        if len(self._waiting) >= self._records_max and session_id not in self._waiting:
            self._metrics.sessions_unrecorded += 1
            return
        expires_at = _seconds(identity.expires_ms)
        entry.record = msgspec.structs.replace(entry.record, expires_at=expires_at)
        self._want(entry)

    def closed(self, session_id: SessionId) -> None:
        """See ``ports.SessionRecords``. Not recorded over the bound: the record ends by itself."""
        entry = self._entries.pop(session_id, None)
        if entry is None:
            return
        entry.gone = True
        if session_id in self._waiting or entry.busy:
            entry.wanted = True
        elif self._sessions is not None and len(self._waiting) < self._records_max:
            self._want(entry)
        elif self._sessions is not None:
            self._metrics.sessions_unrecorded += 1

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def _want(self, entry: _Entry) -> None:
        entry.wanted = True
        session_id = entry.record.session_id
        if not entry.busy and session_id not in self._waiting:
            self._waiting[session_id] = entry
            self._wake.release()

    async def _write(self) -> None:
        while True:
            await self._wake.acquire()
            session_id = next(iter(self._waiting))
            entry = self._waiting.pop(session_id)
            entry.busy, entry.wanted = True, False
            self._busy += 1
            failed = False
            try:
                await self._apply(entry)
            except Unavailable:
                failed = entry.wanted = True
            except Exception:
                # A record is not worth more than the node.
                logger.exception("a session could not be recorded")
                self._metrics.sessions_unrecorded += 1
            finally:
                entry.busy = False
                self._busy -= 1
            if failed:
                # All of them would fail now: the writer waits, with the entry in line.
                self._want(entry)
                await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))
            elif entry.wanted:
                self._want(entry)
            if not self._waiting and not self._busy:
                self._idle.set()

    async def _apply(self, entry: _Entry) -> None:
        if entry.identity is not None and self._profiles is not None:
            await self._profiles.ensure(entry.identity)
            entry.identity = None
        if self._sessions is None:
            return
        record = entry.record
        if not entry.gone:
            entry.written = True  # Whatever the answer: it may have happened.
            await self._sessions.put(record)
            self._metrics.sessions_recorded += 1
        elif entry.written:
            await self._sessions.remove(record)
            entry.written = False


def _seconds(wall_ms: int) -> int:
    return -(-wall_ms // 1000)
