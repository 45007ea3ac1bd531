"""Who is banned, in Redis.

    <prefix>:{bans}:all        hash     player ──► Ban as msgpack, its reason sealed
    <prefix>:{bans}:version    string   counts the changes

The hash is read as a whole, and only when the version is another one; a ban that has run out is
taken out by whoever reads it then. At most ``BANS_MAX`` fit. A ban holds whether or not its reason
can be opened: KMS may be away, and nobody comes in for that.
"""

from __future__ import annotations

import logging
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from gameserver.adapters.ban_words import ban_told
from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_script import Script
from gameserver.adapters.redis_together import Argument, Together
from gameserver.errors import KeysUnavailable, StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.operating import Ban
from gameserver.wire.envelope import BadEnvelope, Place

logger = logging.getLogger(__name__)

BANS_MAX = 100_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ban).decode


class RedisBans:
    """Implements ``operating.BanStore``; without ``keys`` nothing is sealed."""

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        metrics: Metrics,
        keys: DataKeys | None = None,
        together: Together | None = None,
    ) -> None:
        """``together``: what is asked every so often goes by it."""
        self._client = client
        self._together = together or Together(client)
        self._all = f"{prefix}:{{bans}}:all"
        self._version = f"{prefix}:{{bans}}:version"
        self._call = RedisCalls(metrics, "bans cannot be read or written")
        self._keys = keys
        self._change = Script("ban")

    async def put(self, ban: Ban) -> Ban:
        """See ``BanStore``. Raises ``KeysUnavailable`` as well."""
        if self._keys is not None:
            sealed = self._keys.seal_blob(ban.reason.encode(), self._place(ban.player))
            ban = replace(ban, sealed=sealed)
        if await self._changed(ban.player, self._stored(ban)) < 0:
            raise StoreUnavailable(f"there are {BANS_MAX} bans already")
        return ban

    async def remove(self, player_id: PlayerId) -> bool:
        """See ``BanStore``."""
        return await self._changed(player_id, b"") == 1

    async def version(self) -> int:
        """See ``BanStore``."""
        with self._call():
            return int(await self._together.call("GET", self._version) or 0)

    async def read(self, *, now_ms: int) -> tuple[int, list[Ban]]:
        """See ``BanStore``. One that cannot be read counts as none, and stays where it is."""
        version = await self.version()
        with self._call():
            stored = await cast(Any, self._client.hgetall(self._all))
        bans, over = [], []
        for player, data in stored.items():
            ban = _read(data)
            if ban is not None and ban.holds(now_ms):
                bans.append(ban)
            elif ban is not None:
                over.append(player)
        if over:
            with self._call():
                await cast(Any, self._client.hdel(self._all, *over))
        return version, bans

    async def opened(self, ban: Ban) -> Ban:
        """See ``BanStore``."""
        if ban.reason or not ban.sealed or self._keys is None:
            return ban
        try:
            reason = (await self._keys.open_blob(ban.sealed, self._place(ban.player))).decode()
        except (KeysUnavailable, BadEnvelope) as error:
            logger.warning("the reason of a ban is not known", extra={"error": str(error)})
            return ban
        return replace(ban, reason=reason, told=ban_told(reason, ban.until_ms))

    # ── of one player ────────────────────────────────────────────────────────────────────────

    async def find(self, player_id: PlayerId) -> Ban | None:
        """The player's ban, also if it has run out."""
        with self._call():
            data = await cast(Any, self._client.hget(self._all, player_id))
        return None if data is None else _read(data)

    async def strip(self, player_id: PlayerId, *, now_ms: int) -> bool:
        """Leave of the player's ban whom it keeps out, since when and until when; nothing of one
        that has run out. False if there was nothing to take away."""
        while True:
            with self._call():
                data = await cast(Any, self._client.hget(self._all, player_id))
            ban = None if data is None else _read(data)
            if ban is None:
                return False
            bare = b""
            if ban.holds(now_ms):
                told = ban_told("", ban.until_ms)
                bare = _encode(replace(ban, reason="", told=told, by="", sealed=b""))
            if bare == data:
                return False
            # Unless somebody has banned the player anew in between.
            if await self._changed(player_id, bare, expected=data) == 1:
                return True

    def _stored(self, ban: Ban) -> bytes:
        if ban.sealed:
            ban = replace(ban, reason="", told=ban_told("", ban.until_ms))
        return _encode(ban)

    def _place(self, player_id: PlayerId) -> Place:
        return "ban", self._all, player_id

    async def _changed(self, player_id: PlayerId, data: bytes, *, expected: bytes = b"") -> int:
        with self._call():
            keys = [self._all, self._version]
            arguments: list[Argument] = [player_id, data, BANS_MAX, expected]
            return int(await self._change.call(self._client, keys, arguments))


def _read(data: bytes) -> Ban | None:
    try:
        return _decode(data)
    except msgspec.DecodeError as error:
        logger.warning("a ban of another version", extra={"error": str(error)})
        return None
