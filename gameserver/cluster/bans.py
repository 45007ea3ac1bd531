"""Keeps a node's idea of who is banned that of the whole cluster, and acts on it at once.

    operator ─► HTTP API of any node ─► BanStore, then a note to all nodes ─► each reads again
                                                                           └► sockets: closed
Reasons are sealed where they are stored, and opened when somebody is to be told.
Notes may be lost, so each node also looks every ``LOOK_S`` whether anything has changed, which is
one small read. A check costs no call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gameserver.ids import PlayerId
from gameserver.matchmaking_ports import NodeCalls
from gameserver.metrics import Metrics
from gameserver.operating import Ban, BanStore, OnBan
from gameserver.ports import Clock
from gameserver.rounds import Rounds, shared

logger = logging.getLogger(__name__)

LOOK_S = 0.5
TOPIC = "bans"
OPENED_WITHIN_S = 0.5
"""For so long a ban that was just made waits for its reason, before sockets are closed without."""
OPENED_AT_ONCE = 32


class BanWatch:
    """Implements ``operating.Bans``. While the store does not answer, what is known stays."""

    def __init__(
        self,
        store: BanStore,
        *,
        calls: NodeCalls,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._calls = calls
        self._clock = clock
        self._bans: dict[PlayerId, Ban] = {}
        self._version = -1
        self._listeners: list[OnBan] = []
        self._lock = asyncio.Lock()
        self._rounds = Rounds(
            self._look, wait_s=shared(LOOK_S), logger=logger, failed="bans not known"
        )
        metrics.gauge("bans", "Players who are kept out", lambda: float(len(self._bans)))
        calls.serve(TOPIC, self._noted)

    def of(self, player_id: PlayerId) -> Ban | None:
        """See ``Bans``."""
        ban = self._bans.get(player_id)
        return ban if ban is not None and ban.holds(self._clock.wall_ms()) else None

    def all(self) -> Sequence[Ban]:
        """See ``Bans``."""
        now_ms = self._clock.wall_ms()
        held = (ban for ban in self._bans.values() if ban.holds(now_ms))
        return sorted(held, key=lambda ban: ban.player)

    async def opened(self, bans: Sequence[Ban]) -> list[Ban]:
        """See ``Bans``. What was opened stays so."""
        found = await asyncio.gather(*(self._store.opened(ban) for ban in bans))
        for ban, before in zip(found, bans, strict=True):
            if self._bans.get(ban.player) == before:
                self._bans[ban.player] = ban
        return found

    async def ban(self, ban: Ban) -> None:
        """See ``Bans``."""
        async with self._lock:
            stored = await self._store.put(ban)
            self._hear({**self._bans, ban.player: stored})
        self._calls.tell_all(TOPIC, b"")

    async def lift(self, player_id: PlayerId) -> bool:
        """See ``Bans``."""
        async with self._lock:
            lifted = await self._store.remove(player_id)
            self._hear({player: ban for player, ban in self._bans.items() if player != player_id})
        self._calls.tell_all(TOPIC, b"")
        return lifted

    def listen(self, listener: OnBan) -> None:
        """See ``Bans``."""
        self._listeners.append(listener)

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Read once, so that nobody is let in by a node that does not know yet, then keep looking.
        Idempotent. Raises ``StoreUnavailable``."""
        await self._look()
        self._rounds.start()

    async def stop(self) -> None:
        """Look no more. Idempotent."""
        await self._rounds.stop()

    async def _noted(self, _: bytes) -> bytes:
        await self._look()
        return b""

    async def _look(self) -> None:
        async with self._lock:  # Of two reads the later answer must not be the older one.
            if await self._store.version() == self._version:
                return
            first = self._version < 0
            version, bans = await self._store.read(now_ms=self._clock.wall_ms())
            self._version = version
            known = {ban.player: self._known(ban) for ban in bans}
            if not first:  # Nobody is here yet who would have to be told.
                await self._open_new(known)
            self._hear(known)

    def _known(self, ban: Ban) -> Ban:
        """The ban, opened if it is the one that was opened before."""
        before = self._bans.get(ban.player)
        if before is None or (before.sealed, before.at_ms) != (ban.sealed, ban.at_ms):
            return ban
        return before if ban.sealed else ban

    async def _open_new(self, bans: dict[PlayerId, Ban]) -> None:
        new = [ban for player, ban in bans.items() if ban != self._bans.get(player)]
        try:
            async with asyncio.timeout(OPENED_WITHIN_S):
                for ban in await self.opened(new[:OPENED_AT_ONCE]):
                    bans[ban.player] = ban
        except TimeoutError:
            logger.warning("the reasons of bans are not known yet")

    def _hear(self, bans: dict[PlayerId, Ban]) -> None:
        before, self._bans = self._bans, bans
        for player, ban in bans.items():
            if before.get(player) != ban:
                for listener in self._listeners:
                    listener(ban)
