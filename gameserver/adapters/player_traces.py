"""What Redis and DynamoDB hold of one player, for a process that is no server: looked for, erased,
exported.

In Redis names are besides in sealed checkpoints of matches that run; they go when the match ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast

from gameserver.adapters import redis_client
from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_player import count_player, erase_player, export_player
from gameserver.adapters.identity_sealer import IdentitySealer
from gameserver.adapters.kms import Kms
from gameserver.adapters.redis_client import FAILURES
from gameserver.adapters.redis_operated import Operated
from gameserver.adapters.redis_player_data import (
    erase_redis_player,
    export_redis_player,
    redis_player_data,
    seat_key,
)
from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.adapters.sealing import ProfileSealer
from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.config import Config
from gameserver.errors import StoreUnavailable, TableUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.metrics import Metrics

Counts = dict[str, int]


class RedisTraces:
    """Use it as ``async with``. Every method raises ``StoreUnavailable``."""

    def __init__(self, config: Config, *, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._prefix = config.redis_prefix
        self._client = redis_client.connect(config, name="gameserver-traces", connections_max=4)
        self._matches = RedisMatchStore.connect(config, metrics=metrics)

    async def __aenter__(self) -> Self:
        try:
            await redis_client.begin(self._client)
        except FAILURES as error:
            raise _redis_failed(error) from error
        await self._matches.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._matches.__aexit__(None, None, None)
        await self._client.aclose()

    async def running(self, player: str, heard: Sequence[str]) -> list[str]:
        """The matches, of those ``heard`` of and the one where a cluster has noted the player's
        seat, that run: their checkpoints hold the player's name, sealed."""
        key = seat_key(self._prefix, PlayerId(player))
        try:
            seat = cast(bytes | None, await self._client.get(key))
        except FAILURES as error:
            raise _redis_failed(error) from error
        matches = {*heard} if seat is None else {*heard, seat.decode()}
        return [
            match_id
            for match_id in sorted(matches)
            if await self._matches.holder(MatchId(match_id)) is not None
        ]

    async def look(self, player: str) -> Counts:
        """How many keys there are, and how much of what operators did."""
        found = await redis_player_data(self._client, self._prefix, PlayerId(player))
        return {"keys": len(found)} | await self._operated().look(PlayerId(player))

    async def erase(self, player: str) -> Counts:
        """Delete the keys, and what operators' records say; how many there were. A seat in a
        running match is not taken away, nor is a ban lifted."""
        seated = bool(await self.running(player, ()))
        erased = await erase_redis_player(
            self._client, self._prefix, PlayerId(player), seated=seated
        )
        now_ms = WallClock().wall_ms()
        return {"keys": erased} | await self._operated().erase(PlayerId(player), now_ms=now_ms)

    async def export(self, player: str) -> dict[str, Any]:
        """The keys with their values, what is no text as base64; what operators did, opened. Raises
        ``KeysUnavailable`` as well."""
        player_id = PlayerId(player)
        keys = await export_redis_player(self._client, self._prefix, player_id)
        if self._config.plaintext_at_rest:
            return {"keys": keys} | await self._operated().export(player_id)
        async with _data_keys(self._config, self._metrics) as opening:
            return {"keys": keys} | await self._operated(opening).export(player_id)

    def _operated(self, keys: DataKeys | None = None) -> Operated:
        return Operated(self._client, prefix=self._prefix, metrics=self._metrics, keys=keys)


@asynccontextmanager
async def _data_keys(config: Config, metrics: Metrics) -> AsyncIterator[DataKeys]:
    """To open with."""
    async with Kms(config, metrics=metrics) as kms:
        yield DataKeys.of(kms, config, entropy=SystemEntropy(), metrics=metrics)


def _redis_failed(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"Redis: {type(error).__name__}: {error}")


class DynamoTraces:
    """Use it as ``async with``. Every method raises ``TableUnavailable``. A table that the settings
    do not name holds nothing."""

    def __init__(self, config: Config, *, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._stack = AsyncExitStack()
        self._db = DynamoDb(config, metrics=metrics)

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._db)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def look(self, player: str) -> Counts:
        """Items by kind."""
        return await count_player(self._db, self._config, PlayerId(player))

    async def erase(self, player: str) -> Counts:
        """Delete the items; how many there were, by kind."""
        return await erase_player(self._db, self._config, PlayerId(player))

    async def export(self, player: str) -> dict[str, Any]:
        """Items by kind, opened. Raises ``KeysUnavailable`` as well."""
        config = self._config
        async with _data_keys(config, self._metrics) as keys:
            sealer = IdentitySealer() if config.plaintext_at_rest else ProfileSealer(keys)
            try:
                return await export_player(self._db, config, PlayerId(player), sealer=sealer)
            except ValueError as error:
                raise TableUnavailable(f"DynamoDB: a field cannot be opened: {error}") from error
