"""Who was signed out, in two streams of Redis that every node follows.

    <prefix>:{revoked}:sessions    one session each; kept for a day
    <prefix>:{revoked}:players     all sessions of a player; kept for ``player_kept_ms``

An entry has one field ``r``, a ``Revocation`` as msgpack. Its id holds the server's time, by which
``XADD … MINID`` drops what is too old. A reader's position is the last id of both; it waits inside
Redis, so that it hears of an entry as soon as it is there.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, Self, cast

import msgspec
from redis.asyncio import RedisCluster

from gameserver.adapters import redis_client
from gameserver.adapters.redis_calls import OwnClient, RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_together import Together
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.revocation import Revocation

logger = logging.getLogger(__name__)

READ_MAX = 1_000
CONNECTIONS_MAX = 4
SESSION_KEPT_MS = 86_400_000
DAY_MS = 86_400_000
_START = "0-0"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Revocation).decode


class RedisRevocations(OwnClient):
    """Implements ``revocation.RevocationLog``, to be used as ``async with``."""

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        player_kept_ms: int,
        wait_max_ms: int,
        metrics: Metrics,
    ) -> None:
        super().__init__(client, RedisCalls(metrics, "revocations cannot be read or written"))
        self._together = Together(client)
        self._sessions = f"{prefix}:{{revoked}}:sessions"
        self._players = f"{prefix}:{{revoked}}:players"
        self._player_kept_ms = player_kept_ms
        self._wait_max_ms = wait_max_ms

    @classmethod
    def connect(cls, config: Config, *, metrics: Metrics) -> Self:
        """A log with connections of its own: one of them waits all the time."""
        return cls(
            redis_client.connect(
                config, name="gameserver-revocations", connections_max=CONNECTIONS_MAX
            ),
            prefix=config.redis_prefix,
            player_kept_ms=config.revocation_days * DAY_MS,
            wait_max_ms=max(1, int(config.redis_timeout_ms * _wait_share(config))),
            metrics=metrics,
        )

    async def add(self, revocation: Revocation) -> None:
        """See ``RevocationLog``."""
        stream, kept_ms = self._sessions, SESSION_KEPT_MS
        if not revocation.origin_jti:
            stream, kept_ms = self._players, self._player_kept_ms
        with self._call():
            await cast(Any, self._client).xadd(
                stream, {"r": _encode(revocation)}, minid=max(0, revocation.at_ms - kept_ms)
            )

    def _read(self, places: dict[str, str], wait_ms: int) -> Awaitable[Any]:
        if isinstance(self._client, RedisCluster):
            client = cast(Any, self._client)
            return cast(Awaitable[Any], client.xread(places, count=READ_MAX, block=wait_ms or None))
        block = ("BLOCK", wait_ms) if wait_ms else ()
        streams = ("STREAMS", *places, *places.values())
        return self._together.call("XREAD", *block, "COUNT", READ_MAX, *streams)

    async def since(self, position: str, *, wait_ms: int) -> tuple[list[Revocation], str]:
        """See ``RevocationLog``."""
        of_sessions, _, of_players = (position or f"{_START} {_START}").partition(" ")
        places = {self._sessions: of_sessions, self._players: of_players}
        with self._call():
            answer = await self._read(places, min(wait_ms, self._wait_max_ms))
        found = []
        for stream, entries in answer or ():
            for entry_id, fields in entries:
                places[stream.decode()] = entry_id.decode()
                found += _decoded(fields.get(b"r", b""))
        return found, f"{places[self._sessions]} {places[self._players]}"


def _wait_share(config: Config) -> float:
    """Half of the time after which a connection is taken for dead."""
    return (redis_client.CLUSTER_PATIENCE if config.redis_cluster else 1) / 2


def _decoded(data: bytes) -> list[Revocation]:
    try:
        return [_decode(data)]
    except msgspec.DecodeError as error:
        logger.warning("a revocation of another version", extra={"error": str(error)})
        return []
