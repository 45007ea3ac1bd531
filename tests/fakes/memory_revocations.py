"""Revocations of one process: the log, and what a node makes of it without a watch."""

from __future__ import annotations

import asyncio

from gameserver.ids import PlayerId
from gameserver.ports import Identity
from gameserver.revocation import Revocation, revoked


class MemoryRevocationLog:
    """Implements ``revocation.RevocationLog``; ``failure`` is raised by every call."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self._added: list[Revocation] = []
        self._more = asyncio.Condition()

    async def add(self, revocation: Revocation) -> None:
        self._fail()
        async with self._more:
            self._added.append(revocation)
            self._more.notify_all()

    async def since(self, position: str, *, wait_ms: int) -> tuple[list[Revocation], str]:
        self._fail()
        read = int(position or 0)
        if wait_ms and read == len(self._added):
            try:
                async with asyncio.timeout(wait_ms / 1000), self._more:
                    await self._more.wait()
            except TimeoutError:
                pass
        self._fail()
        return self._added[read:], str(len(self._added))

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class MemoryRevocations:
    """Implements ``revocation.Revocations``."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.added: list[Revocation] = []
        self.now_ms = 2_000_000_000_000

    def check(self, identity: Identity) -> None:
        if any(each.ends(identity) for each in self.added):
            raise revoked()

    async def end_session(self, identity: Identity, *, reason: str) -> None:
        self._add(identity.player_id, identity.origin_jti or "", reason)

    async def end_all(self, player_id: PlayerId, *, reason: str) -> None:
        self._add(player_id, "", reason)

    def _add(self, player_id: PlayerId, origin_jti: str, reason: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.added.append(Revocation(player_id, origin_jti, self.now_ms, reason))
