"""Which session is a player's, and what waits for them, in Redis.

    <prefix>:{c<n>}:s:<player>    string   ``Connected`` as msgpack, with the session's lease as TTL
    <prefix>:{c<n>}:l:<player>    string   letters that wait, sealed; until the last one's end

``n`` is a digest of the player below ``SLOTS``: a node prolongs the leases of all its sessions
again and again, which in a Redis Cluster would otherwise be a call for each player.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self, TypeVar, cast

import msgspec
from redis.asyncio import RedisCluster

from gameserver.adapters import redis_client
from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_calls import OwnClient, RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_script import Script
from gameserver.adapters.redis_together import Argument
from gameserver.config import Config
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId, SessionId
from gameserver.metrics import Metrics
from gameserver.notification import Letter
from gameserver.whereabouts import LETTERS_MAX, Claim, Claimed, Connected
from gameserver.wire.envelope import BadEnvelope

logger = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")

SLOTS = 64
AT_ONCE = 200
"""Of one call: Redis does nothing else meanwhile."""
CALLS_AT_ONCE = 16
CONNECTIONS_MAX = 16

_encode = msgspec.msgpack.Encoder().encode
_connected = msgspec.msgpack.Decoder(Connected).decode
_letter = msgspec.msgpack.Decoder(Letter).decode


def connected_key(prefix: str, player_id: PlayerId) -> str:
    """Under which it is noted which session is the player's."""
    return f"{prefix}:{{c{_slot(player_id)}}}:s:{player_id}"


def letters_key(prefix: str, player_id: PlayerId) -> str:
    """Under which the notifications are that wait for the player."""
    return f"{prefix}:{{c{_slot(player_id)}}}:l:{player_id}"


def _slot(player_id: PlayerId) -> int:
    return zlib.crc32(player_id.encode()) % SLOTS


class RedisConnected(OwnClient):
    """Implements ``whereabouts.ConnectedStore``; without ``keys`` letters are not sealed."""

    def __init__(
        self, client: Client, *, prefix: str, metrics: Metrics, keys: DataKeys | None = None
    ) -> None:
        super().__init__(client, RedisCalls(metrics, "connections cannot be noted or read"))
        self._prefix = prefix
        self._keys = keys
        self._in_cluster = isinstance(client, RedisCluster)
        self._scripts = {
            name: Script(f"connected_{name}") for name in ("claim", "release", "post", "collect")
        }

    @classmethod
    def connect(cls, config: Config, *, metrics: Metrics, keys: DataKeys | None = None) -> Self:
        """A store with connections of its own, to be used as ``async with``."""
        client = redis_client.connect(
            config, name="gameserver-connected", connections_max=CONNECTIONS_MAX
        )
        return cls(client, prefix=config.redis_prefix, metrics=metrics, keys=keys)

    # ── sessions ─────────────────────────────────────────────────────────────────────────────

    async def claim(self, claims: Sequence[Claim], *, ttl_ms: int) -> list[Claimed]:
        """See ``ConnectedStore``."""

        async def some(claims: Sequence[Claim]) -> list[Claimed]:
            keys: list[str] = []
            arguments: list[Argument] = [ttl_ms]
            for one in claims:
                keys += (self._entry(one.player_id), self._letters(one.player_id))
                arguments += (_encode(one.connected), str(one.how), one.instead_of)
            answers = await self._run("claim", keys, arguments)
            return [
                Claimed(won=bool(won), other=_decoded(other), letters=bool(letters))
                for won, other, letters in answers
            ]

        return await self._split(claims, lambda one: one.player_id, some)

    async def release(self, sessions: Sequence[tuple[PlayerId, SessionId]]) -> None:
        """See ``ConnectedStore``."""

        async def some(sessions: Sequence[tuple[PlayerId, SessionId]]) -> list[None]:
            keys = [self._entry(player) for player, _ in sessions]
            await self._run("release", keys, [session for _, session in sessions])
            return [None for _ in sessions]

        await self._split(sessions, lambda one: one[0], some)

    async def find(self, players: Sequence[PlayerId]) -> list[Connected | None]:
        """See ``ConnectedStore``."""

        async def some(players: Sequence[PlayerId]) -> list[Connected | None]:
            stored = await cast(Any, self._client).mget([self._entry(one) for one in players])
            return [_decoded(each) for each in stored]

        return await self._split(players, lambda one: one, some)

    # ── letters ──────────────────────────────────────────────────────────────────────────────

    async def post(
        self, player_id: PlayerId, letter: Letter, *, gone: str = ""
    ) -> Connected | None:
        """See ``ConnectedStore``."""
        keys = [self._entry(player_id), self._letters(player_id)]
        written = self._sealed(letter, keys[1]) if letter.keep_ms else ""
        with self._call():
            stored = await self._run("post", keys, [gone, written, letter.keep_ms, LETTERS_MAX])
        return None if stored is None else _decoded(stored)

    async def collect(self, players: Sequence[PlayerId]) -> list[list[Letter]]:
        """See ``ConnectedStore``. What cannot be opened is passed over."""

        async def some(players: Sequence[PlayerId]) -> list[list[bytes]]:
            keys = [self._letters(one) for one in players]
            return cast(list[list[bytes]], await self._run("collect", keys, []))

        found = await self._split(players, lambda one: one, some)
        return [
            [
                letter
                for each in written
                if (letter := await self._opened(each, self._letters(player))) is not None
            ]
            for player, written in zip(players, found, strict=True)
        ]

    def _sealed(self, letter: Letter, key: str) -> str:
        data = _encode(letter)
        if self._keys is not None:
            data = self._keys.seal_blob(data, ("letter", key))
        return base64.b64encode(data).decode()  # Lua's msgpack knows texts only.

    async def _opened(self, written: bytes, key: str) -> Letter | None:
        try:
            data = base64.b64decode(written)
            if self._keys is not None:
                data = await self._keys.open_blob(data, ("letter", key))
            return _letter(data)
        except (ValueError, msgspec.DecodeError, BadEnvelope) as error:
            logger.warning("a letter of another version", extra={"error": str(error)})
            return None

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    def _entry(self, player_id: PlayerId) -> str:
        return connected_key(self._prefix, player_id)

    def _letters(self, player_id: PlayerId) -> str:
        return letters_key(self._prefix, player_id)

    async def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await self._scripts[name].call(self._client, keys, arguments)

    async def _split(
        self,
        items: Sequence[ItemT],
        player_of: Callable[[ItemT], PlayerId],
        call: Callable[[Sequence[ItemT]], Awaitable[list[AnswerT]]],
    ) -> list[AnswerT]:
        """The answers to ``items``, ``AT_ONCE`` in a call, in a cluster slot by slot."""
        groups: dict[int, list[int]] = {}
        for place, item in enumerate(items):
            slot = _slot(player_of(item)) if self._in_cluster else 0
            groups.setdefault(slot, []).append(place)
        batches = [
            places[start : start + AT_ONCE]
            for places in groups.values()
            for start in range(0, len(places), AT_ONCE)
        ]
        answers: dict[int, AnswerT] = {}
        with self._call():
            for start in range(0, len(batches), CALLS_AT_ONCE):
                some = batches[start : start + CALLS_AT_ONCE]
                found = await asyncio.gather(*(call([items[one] for one in each]) for each in some))
                for places, each in zip(some, found, strict=True):
                    answers.update(zip(places, each, strict=True))
        return [answers[place] for place in range(len(items))]


def _decoded(stored: bytes | None) -> Connected | None:
    if not stored:
        return None
    try:
        return _connected(stored)
    except msgspec.DecodeError as error:
        raise StoreUnavailable(f"a connection of another version: {error}") from None
