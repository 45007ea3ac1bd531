"""Keeps a node's idea of who was signed out that of the whole cluster, and tells the node at once.

    sign-out on any node ─► RevocationLog ─► the watch of every node ─► sessions: closed
                                                └─► every check of a token: refused

A check costs no call, so it is made at every request, connect and refresh. While the log does not
answer, what is known stays; what was signed out meanwhile is learnt when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TypeVar

from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.ports import Clock, Entropy, Identity, TokenVerifier
from gameserver.revocation import OnRevoked, Revocation, RevocationLog, Revocations, revoked
from gameserver.rounds import shared

logger = logging.getLogger(__name__)

KeyT = TypeVar("KeyT")

WAIT_S = 0.5
RETRY_S = 0.2
SESSION_KEPT_MS = 86_400_000
"""The longest life of an access or ID token (AWS: "Using tokens with user pools"): the refresh
token of a session that signed out is revoked by Amazon Cognito itself."""


class RevocationWatch:
    """Implements ``revocation.Revocations``. ``player_kept_ms``: how long all sessions of a player
    stay refused, the longest life of a refresh token."""

    def __init__(
        self,
        log: RevocationLog,
        *,
        player_kept_ms: int,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
    ) -> None:
        self._log = log
        self._player_kept_ms = player_kept_ms
        self._clock = clock
        self._entropy = entropy
        # In the order of their time, so that what is too old stands in front.
        self._sessions: dict[str, Revocation] = {}
        self._players: dict[PlayerId, Revocation] = {}
        self._listeners: list[OnRevoked] = []
        self._position = ""
        self._silent = False
        self._task: asyncio.Task[None] | None = None
        metrics.gauge(
            "revocations",
            "Sessions and players whose tokens are refused",
            lambda: float(len(self._sessions) + len(self._players)),
        )

    # ── Revocations ──────────────────────────────────────────────────────────────────────────

    def check(self, identity: Identity) -> None:
        """See ``Revocations``."""
        of_player = self._players.get(identity.player_id)
        of_session = self._sessions.get(identity.origin_jti) if identity.origin_jti else None
        for found in (of_player, of_session):
            if found is not None and found.ends(identity):
                raise revoked()

    async def end_session(self, identity: Identity, *, reason: str) -> None:
        """See ``Revocations``. A token that names no session ends all of its player's."""
        await self._add(identity.player_id, identity.origin_jti or "", reason)

    async def end_all(self, player_id: PlayerId, *, reason: str) -> None:
        """See ``Revocations``."""
        await self._add(player_id, "", reason)

    def listen(self, listener: OnRevoked) -> None:
        """Tell ``listener`` of every revocation from now on."""
        self._listeners.append(listener)

    async def _add(self, player_id: PlayerId, origin_jti: str, reason: str) -> None:
        added = Revocation(player_id, origin_jti, self._clock.wall_ms(), reason)
        await self._log.add(added)
        self._hear(added)

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Read all that is written down, so that nobody is let in by a node that does not know yet,
        then keep reading. Idempotent. Raises ``StoreUnavailable``."""
        if self._task is not None:
            return
        while await self._read(wait_ms=0):
            pass
        self._task = asyncio.get_running_loop().create_task(self._keep_reading())

    async def stop(self) -> None:
        """Read no more. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _keep_reading(self) -> None:
        wait_s = shared(WAIT_S)
        while True:
            try:
                await self._read(wait_ms=max(1, int(wait_s() * 1000)))
            except StoreUnavailable as error:
                if not self._silent:
                    logger.warning("revocations not known", extra={"error": str(error)})
                self._silent = True
                await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))
            except Exception:
                # Without this task nobody would be signed out any more, and nobody would notice.
                logger.exception("revocations could not be read")
                await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))
            else:
                self._silent = False

    async def _read(self, *, wait_ms: int) -> bool:
        found, self._position = await self._log.since(self._position, wait_ms=wait_ms)
        for each in found:
            self._hear(each)
        return bool(found)

    def _hear(self, heard: Revocation) -> None:
        """Note it and tell; what was heard before is told of again, which harms nobody."""
        now_ms = self._clock.wall_ms()
        if heard.origin_jti:
            self._sessions.pop(heard.origin_jti, None)
            self._sessions[heard.origin_jti] = heard
        else:
            known = self._players.pop(heard.player_id, None)
            newest = heard if known is None or known.at_ms <= heard.at_ms else known
            self._players[heard.player_id] = newest
        _forget(self._sessions, before_ms=now_ms - SESSION_KEPT_MS)
        _forget(self._players, before_ms=now_ms - self._player_kept_ms)
        for listener in self._listeners:
            listener(heard)


def _forget(known: dict[KeyT, Revocation], *, before_ms: int) -> None:
    while known:
        key, oldest = next(iter(known.items()))
        if oldest.at_ms >= before_ms:
            return
        del known[key]


class GuardedVerifier:
    """A ``TokenVerifier`` that refuses revoked tokens as well."""

    def __init__(self, verifier: TokenVerifier, revocations: Revocations) -> None:
        self._verifier = verifier
        self._revocations = revocations

    async def verify(self, token: str) -> Identity:
        """See ``TokenVerifier``."""
        identity = await self._verifier.verify(token)
        self._revocations.check(identity)
        return identity
