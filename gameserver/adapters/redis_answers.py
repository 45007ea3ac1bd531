"""Answers to calls with an Idempotency-Key, in Redis.

    <prefix>:answer:<key>    string   Kept as msgpack, with a TTL; sealed once there is an answer,
                                      which may hold names and tickets

An answer has at most ``ANSWER_BYTES_MAX`` bytes, and a player makes at most ``writes_per_minute``
of them a minute on each node.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.http_idempotency import Kept
from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.errors import StoreUnavailable
from gameserver.metrics import Metrics
from gameserver.wire.envelope import BadEnvelope

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


class RedisAnswers:
    """Implements ``AnswerStore``; without ``keys`` nothing is sealed."""

    def __init__(
        self, client: Client, *, prefix: str, metrics: Metrics, keys: DataKeys | None = None
    ) -> None:
        self._client = cast(Any, client)
        self._prefix = f"{prefix}:answer:"
        self._call = RedisCalls(metrics, "answers cannot be stored or read now")
        self._keys = keys

    async def claim(self, key: str, kept: Kept, *, ttl_ms: int) -> Kept | None:
        """See ``AnswerStore``."""
        name = self._prefix + key
        with self._call():
            for _ in range(2):
                if await self._client.set(name, _encode(kept), nx=True, px=ttl_ms):
                    return None
                stored = await self._client.get(name)
                if stored is not None:
                    return await self._opened(name, stored)
        # It went twice in between: somebody is at it right now.
        return kept

    async def keep(self, key: str, kept: Kept, *, ttl_ms: int) -> None:
        """See ``AnswerStore``."""
        name, data = self._prefix + key, _encode(kept)
        if self._keys is not None:
            data = self._keys.seal_blob(data, ("answer", name))
        with self._call():
            await self._client.set(name, data, px=ttl_ms)

    async def give_up(self, key: str) -> None:
        """See ``AnswerStore``."""
        with self._call():
            await self._client.delete(self._prefix + key)

    async def _opened(self, name: str, stored: bytes) -> Kept:
        try:
            if self._keys is not None:
                stored = await self._keys.open_blob(stored, ("answer", name))
            return _decode(stored)
        except (msgspec.DecodeError, BadEnvelope) as error:
            raise StoreUnavailable(f"an answer of another version: {error}") from None
