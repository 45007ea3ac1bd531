"""Who is banned, in Redis.

    <prefix>:{bans}:all        hash     player ──► Ban as msgpack
    <prefix>:{bans}:version    string   counts the changes

The hash is read as a whole, and only when the version is another one; a ban that has run out is
taken out by whoever reads it then. At most ``BANS_MAX`` fit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from gameserver.adapters.redis_client import FAILURES, Client
from gameserver.adapters.redis_script import Script
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.operating import Ban

logger = logging.getLogger(__name__)

BANS_MAX = 100_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ban).decode


class RedisBans:
    """Implements ``operating.BanStore``."""

    def __init__(self, client: Client, *, prefix: str, metrics: Metrics) -> None:
        self._client = client
        self._all = f"{prefix}:{{bans}}:all"
        self._version = f"{prefix}:{{bans}}:version"
        self._metrics = metrics
        self._change = Script("ban")

    async def put(self, ban: Ban) -> None:
        """See ``BanStore``."""
        if await self._changed(ban.player, _encode(ban)) < 0:
            raise StoreUnavailable(f"there are {BANS_MAX} bans already")

    async def remove(self, player_id: PlayerId) -> bool:
        """See ``BanStore``."""
        return await self._changed(player_id, b"") == 1

    async def version(self) -> int:
        """See ``BanStore``."""
        with self._call():
            return int(await cast(Any, self._client.get(self._version)) or 0)

    async def read(self, *, now_ms: int) -> tuple[int, list[Ban]]:
        """See ``BanStore``. One that cannot be read counts as none, and stays where it is."""
        version = await self.version()
        with self._call():
            stored = await cast(Any, self._client.hgetall(self._all))
        bans, over = [], []
        for player, data in stored.items():
            try:
                ban = _decode(data)
            except msgspec.DecodeError as error:
                logger.warning("a ban of another version", extra={"error": str(error)})
                continue
            if ban.holds(now_ms):
                bans.append(ban)
            else:
                over.append(player)
        if over:
            with self._call():
                await cast(Any, self._client.hdel(self._all, *over))
        return version, bans

    async def _changed(self, player_id: PlayerId, data: bytes) -> int:
        with self._call():
            keys = [self._all, self._version]
            return int(await self._change.call(self._client, keys, [player_id, data, BANS_MAX]))

    @contextmanager
    def _call(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            self._metrics.store_errors += 1
            raise StoreUnavailable(f"bans cannot be read or written: {error}") from error
