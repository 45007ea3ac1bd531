"""Brings notifications to players, wherever they are connected.

notify ──► store.post ─┬─ connected: asked of that node ─► its sockets, or "not here any more"
                       │                                        └─► post again, without it
                       └─ nowhere: kept for ``keep_ms``, and collected at the next connect
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from gameserver.errors import StoreUnavailable, Unavailable
from gameserver.ids import PlayerId
from gameserver.matchmaking_ports import NodeCalls
from gameserver.metrics import Metrics
from gameserver.notification import Letter, Notification
from gameserver.ports import Clock, Entropy
from gameserver.whereabouts import ConnectedStore, SessionPolicy, SessionsHere

logger = logging.getLogger(__name__)

NOTIFICATIONS = "notifications"
UNDER_WAY_MAX = 1_000
"""Of this node; further ones are dropped."""
TRIES = 3
MINUTE_S = 60.0


class _Brought(msgspec.Struct, frozen=True, array_like=True):
    player_id: PlayerId
    letter: Letter


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Brought).decode


class PlayerNotifier:
    """Implements ``notification.Notifier``. ``per_minute``: what a player is told here in a minute;
    over it notifications are dropped, so that nobody's connection is closed as a slow one."""

    def __init__(
        self,
        store: ConnectedStore,
        calls: NodeCalls,
        *,
        policy: SessionPolicy,
        per_minute: int,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._calls = calls
        self._here: SessionsHere
        self._policy = policy
        self._per_minute = per_minute
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: dict[PlayerId, int] = {}
        self._minute_ends = 0.0

    def start(self, here: SessionsHere) -> None:
        """Hear what other nodes bring. ``here``: the sockets of this node."""
        self._here = here
        self._calls.serve(NOTIFICATIONS, self._heard)

    def notify(self, player: PlayerId, notification: Notification) -> None:
        """See ``notification.Notifier``."""
        if len(self._tasks) >= UNDER_WAY_MAX:
            self._metrics.notifications_dropped += 1
            return
        letter = Letter(
            id=f"{self._entropy.seed():016x}",
            at_ms=self._clock.wall_ms(),
            kind=notification.kind,
            sender=notification.sender,
            data=dict(notification.data),
            keep_ms=notification.keep_ms,
        )
        task = self._loop.create_task(self._bring(player, letter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def deliver(self, player: PlayerId, letter: Letter) -> bool:
        """Tell the player on this node, within the bound; false where they are not here."""
        now = self._loop.time()
        if now >= self._minute_ends:
            self._told.clear()
            self._minute_ends = now + MINUTE_S
        if self._told.get(player, 0) >= self._per_minute:
            self._metrics.notifications_dropped += 1
            return True  # It was here, and is not to be kept.
        if not self._here.deliver(player, letter):
            return False
        self._told[player] = self._told.get(player, 0) + 1
        return True

    async def stop(self) -> None:
        """Bring what is under way no further."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring(self, player: PlayerId, letter: Letter) -> None:
        try:
            done = await self._brought(player, letter)
        except StoreUnavailable as error:
            done = False
            logger.warning("a notification is lost", extra={"error": str(error)})
        if not done:
            self._metrics.notifications_dropped += 1

    async def _brought(self, player: PlayerId, letter: Letter) -> bool:
        """Whether it was told, or is kept."""
        body, gone = _encode(_Brought(player, letter)), ""
        for _ in range(TRIES):
            there = await self._store.post(player, letter, gone=gone)
            if there is None:
                return letter.keep_ms > 0
            if self._policy is SessionPolicy.MANY:
                self._calls.tell_all(NOTIFICATIONS, body)  # The others are not known.
                return True
            try:
                if await self._calls.call(there.node, NOTIFICATIONS, body):
                    return True
            except Unavailable as error:
                logger.info("a notification not brought", extra={"error": str(error)})
            gone = there.session
        return False

    async def _heard(self, body: bytes) -> bytes:
        brought = _decode(body)
        return b"yes" if self.deliver(brought.player_id, brought.letter) else b""
