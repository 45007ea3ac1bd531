"""Codes of private matches, and wrong guesses of them, in Redis.

<prefix>:code:<CODE>     string   CodeEntry as msgpack, with a TTL that the match's node renews
<prefix>:guess:<who>     string   a count, with the TTL of the window that it began
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.hosting import CodeEntry
from gameserver.ids import MatchId
from gameserver.metrics import Metrics

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CodeEntry).decode


class RedisCodes:
    """Implements ``hosting.CodeStore``."""

    def __init__(self, client: Client, *, prefix: str, metrics: Metrics) -> None:
        self._client = cast(Any, client)
        self._code = f"{prefix}:code:"
        self._guess = f"{prefix}:guess:"
        self._call = RedisCalls(metrics, "codes cannot be read or written")

    async def claim(self, code: str, entry: CodeEntry, *, ttl_ms: int) -> bool:
        """See ``CodeStore``."""
        with self._call():
            return bool(
                await self._client.set(self._code + code, _encode(entry), nx=True, px=ttl_ms)
            )

    async def find(self, code: str) -> CodeEntry | None:
        """See ``CodeStore``. One of another version counts as none."""
        with self._call():
            stored = await self._client.get(self._code + code)
        try:
            return None if stored is None else _decode(stored)
        except msgspec.DecodeError:
            return None

    async def keep(self, code: str, entry: CodeEntry, *, ttl_ms: int) -> None:
        """See ``CodeStore``. Between the two calls the code may run out and become another's; both
        nodes then write their own in turn, until one of the matches is over. A code is one of
        244 million, and lives three times as long as it is renewed."""
        found = await self.find(code)
        if found is None:
            await self.claim(code, entry, ttl_ms=ttl_ms)
        elif found.match == entry.match:
            with self._call():
                await self._client.set(self._code + code, _encode(entry), px=ttl_ms)

    async def release(self, code: str, match_id: MatchId) -> None:
        """See ``CodeStore``."""
        found = await self.find(code)
        if found is not None and found.match == match_id:
            with self._call():
                await self._client.delete(self._code + code)

    async def spend(self, key: str, *, window_ms: int) -> int:
        """See ``CodeStore``."""
        name = self._guess + key
        with self._call():
            await self._client.set(name, 0, nx=True, px=window_ms)
            spent = int(await self._client.incr(name))
            if spent == 1:  # It ran out in between, and would have no end.
                await self._client.pexpire(name, window_ms)
            return spent

    async def refund(self, key: str) -> None:
        """See ``CodeStore``."""
        name = self._guess + key
        with self._call():
            if await self._client.exists(name):
                await self._client.decr(name)
