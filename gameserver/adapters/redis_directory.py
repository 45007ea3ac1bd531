"""Who is there and where players sit, in Redis.

    <prefix>:nodes              hash     name ──► NodeInfo, with the time until which it counts
    <prefix>:seat:<player>      string   match id, with a TTL
    <prefix>:list:<node>        string   its matches as Listed, sealed for the titles, with a TTL
    <prefix>:maintenance        string   Maintenance as JSON, while it is on; without a TTL

The hash is read as a whole with every heartbeat: it has an entry a node, of a few kilobytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import msgspec
from redis.asyncio import RedisCluster

from gameserver.adapters import redis_client
from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_calls import OwnClient, RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_together import Together
from gameserver.config import Config
from gameserver.errors import KeysUnavailable, StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Listed
from gameserver.maintenance import Maintenance
from gameserver.metrics import Metrics
from gameserver.ports import Clock, NodeInfo
from gameserver.wire.envelope import BadEnvelope

logger = logging.getLogger(__name__)

SEATS_AT_ONCE = 500
CONNECTIONS_MAX = 16
CALLS_AT_ONCE = 16
"""In a Redis Cluster, where each player's seat has a slot of its own."""


class _Entry(msgspec.Struct, array_like=True):
    until_ms: int
    info: NodeInfo


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Entry).decode
_decode_listed = msgspec.msgpack.Decoder(list[Listed]).decode
_decode_maintenance = msgspec.json.Decoder(Maintenance).decode


class RedisDirectory(OwnClient):
    """Implements ``ports.Directory``. Clocks of nodes may differ by less than a heartbeat's TTL."""

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        clock: Clock,
        metrics: Metrics,
        keys: DataKeys | None = None,
        together: Together | None = None,
    ) -> None:
        """``together``: what is asked every so often goes by it."""
        super().__init__(client, RedisCalls(metrics, "the directory did not answer"))
        self._together = together or Together(client)
        self._nodes = f"{prefix}:nodes"
        self._seat = f"{prefix}:seat:"
        self._list = f"{prefix}:list:"
        self._maintenance = f"{prefix}:maintenance"
        self._clock = clock
        self._keys = keys

    @classmethod
    def connect(
        cls,
        config: Config,
        *,
        clock: Clock,
        metrics: Metrics,
        keys: DataKeys | None = None,
        together: Together | None = None,
    ) -> Self:
        """A directory with a connection of its own, to be used as ``async with``."""
        client = redis_client.connect(
            config, name="gameserver-directory", connections_max=CONNECTIONS_MAX
        )
        return cls(
            client,
            prefix=config.redis_prefix,
            clock=clock,
            metrics=metrics,
            keys=keys,
            together=together,
        )

    async def beat(self, info: NodeInfo, *, ttl_ms: int) -> list[NodeInfo]:
        """See ``ports.Directory``. Nodes long gone are taken out by whoever sees them."""
        now_ms = self._clock.wall_ms()
        with self._call():
            entry = _encode(_Entry(now_ms + ttl_ms, info))
            _, stored = await self._together.in_order(
                ("HSET", self._nodes, info.name, entry), ("HGETALL", self._nodes)
            )
        infos: list[NodeInfo] = []
        stale: list[bytes] = []
        for name, data in stored.items():
            try:
                found = _decode(data)
            except msgspec.DecodeError:  # Of another version of this server.
                continue
            if found.until_ms > now_ms:
                infos.append(found.info)
            elif found.until_ms < now_ms - 10 * ttl_ms:
                stale.append(name)
        if stale:
            with self._call():
                await cast(Any, self._client.hdel(self._nodes, *stale))
        return infos

    async def leave(self, node: str) -> None:
        """See ``ports.Directory``."""
        with self._call():
            await cast(Any, self._client.hdel(self._nodes, node))
            await cast(Any, self._client.delete(self._list + node))

    async def show(self, node: str, matches: Sequence[Listed], *, ttl_ms: int) -> None:
        """See ``ports.Directory``. Raises ``KeysUnavailable`` as well."""
        data = _encode(matches)
        if self._keys is not None:
            data = self._keys.seal_blob(data, ("list", node))
        with self._call():
            await cast(Any, self._client.set(self._list + node, data, px=ttl_ms))

    async def shown(self, nodes: Sequence[str]) -> list[Listed]:
        """See ``ports.Directory``. A list of another version, or one that cannot be opened
        now, counts as empty."""
        names = [self._list + node for node in nodes]
        stored: list[bytes | None] = []
        with self._call():
            if isinstance(self._client, RedisCluster):
                client = cast(Any, self._client)
                for start in range(0, len(names), CALLS_AT_ONCE):
                    some = names[start : start + CALLS_AT_ONCE]
                    stored += await asyncio.gather(*map(client.get, some))
            elif names:
                stored = await cast(Any, self._client.mget(names))
        lists = [
            self._listed(node, data)
            for node, data in zip(nodes, stored, strict=True)
            if data is not None
        ]
        return [match for matches in await asyncio.gather(*lists) for match in matches]

    async def _listed(self, node: str, data: bytes) -> list[Listed]:
        try:
            if self._keys is not None:
                data = await self._keys.open_blob(data, ("list", node))
            return _decode_listed(data)
        except (msgspec.DecodeError, BadEnvelope):
            return []
        except KeysUnavailable as error:
            logger.warning("matches of a node not known", extra={"error": str(error)})
            return []

    async def seat(self, player_id: PlayerId) -> MatchId | None:
        """See ``ports.Directory``."""
        with self._call():
            stored = cast(bytes | None, await self._client.get(self._seat + player_id))
        return None if stored is None else MatchId(stored.decode())

    async def seats(self, changes: Mapping[PlayerId, MatchId | None], *, ttl_ms: int) -> None:
        """See ``ports.Directory``."""
        items = list(changes.items())
        if isinstance(self._client, RedisCluster):
            for start in range(0, len(items), CALLS_AT_ONCE):
                some = items[start : start + CALLS_AT_ONCE]
                with self._call():
                    await asyncio.gather(*(self._note(self._client, *one, ttl_ms) for one in some))
            return
        for start in range(0, len(items), SEATS_AT_ONCE):
            with self._call():
                pipeline = self._client.pipeline(transaction=False)
                for player_id, match_id in items[start : start + SEATS_AT_ONCE]:
                    self._note(pipeline, player_id, match_id, ttl_ms)
                await pipeline.execute()

    async def maintenance(self) -> Maintenance | None:
        """See ``ports.Directory``. What cannot be read counts as no answer."""
        with self._call():
            stored = cast(bytes | None, await self._together.call("GET", self._maintenance))
        if stored is None:
            return None
        try:
            return _decode_maintenance(stored)
        except msgspec.DecodeError as error:
            raise StoreUnavailable(f"{self._maintenance} cannot be read: {error}") from None

    async def set_maintenance(self, wanted: Maintenance | None) -> None:
        """See ``ports.Directory``."""
        with self._call():
            if wanted is None:
                await cast(Any, self._client.delete(self._maintenance))
            else:
                data = msgspec.json.encode(wanted)
                await cast(Any, self._client.set(self._maintenance, data))

    def _note(self, client: Any, player_id: PlayerId, match_id: MatchId | None, ttl_ms: int) -> Any:
        if match_id is None:
            return client.delete(self._seat + player_id)
        return client.set(self._seat + player_id, match_id, px=ttl_ms)
