"""The stores that hold something of a player, and the same questions to each of them.

postgresql     events, matches, players, ratings, boards, parked letters
dead-letters   the dead-letter queue
dynamodb       profiles, sessions, friends
redis          where the player sits and is connected, notifications that wait
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from gameserver.adapters.player_traces import DynamoTraces, RedisTraces
from gameserver.config import Config as ServerConfig
from gameserver.metrics import Metrics
from persistence_worker.config import Config as WorkerConfig
from persistence_worker.databases import open_database
from persistence_worker.erase import Counts, Eraser, erase_letters, unended
from persistence_worker.erasure import Pseudonymizer
from persistence_worker.export import export_database, export_letters
from persistence_worker.kms import open_kms
from persistence_worker.opener import Opener
from persistence_worker.queues import open_queues

STATEMENT_S = 3_600.0
"""Of one statement: a player may have been in very many matches."""


class Store(Protocol):
    """One store. Every method raises the ``Unavailable`` of its own program."""

    name: str

    async def look(self, player: str) -> Counts:
        """What ``erase`` would find; changes nothing."""

    async def erase(self, player: str) -> Counts:
        """Erase; what was erased."""

    async def export(self, player: str) -> Any:
        """All that is there, opened."""


class PostgresStore:
    """See ``persistence_worker.erase``."""

    name = "postgresql"

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config

    async def look(self, player: str) -> Counts:
        async with open_database(self._config, connections_max=1) as database:
            return await Eraser(database, player=player, pseudonym="").look()

    async def erase(self, player: str) -> Counts:
        pseudonym = Pseudonymizer(self._config.erasure_key).of(player)
        async with open_database(
            self._config, connections_max=1, timeout_s=STATEMENT_S
        ) as database:
            return await Eraser(database, player=player, pseudonym=pseudonym).run()

    async def export(self, player: str) -> Any:
        async with (
            open_database(self._config, connections_max=2, timeout_s=STATEMENT_S) as database,
            open_kms(self._config) as kms,
        ):
            return await export_database(database, Opener(kms, database), player=player)

    async def unended(self, player: str) -> list[str]:
        """Matches in which the player sits, as far as the worker has heard; some may be over."""
        pseudonym = Pseudonymizer(self._config.erasure_key).of(player)
        async with open_database(self._config, connections_max=1) as database:
            return await unended(database, [player, pseudonym])


class LetterStore:
    """The dead-letter queue. What waits in the main queue is stripped when it is stored."""

    name = "dead-letters"

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config

    async def look(self, player: str) -> Counts:
        return await self._erase(player, dry_run=True)

    async def erase(self, player: str) -> Counts:
        return await self._erase(player, dry_run=False)

    async def _erase(self, player: str, *, dry_run: bool) -> Counts:
        started_ms = time.time_ns() // 1_000_000
        pseudonym = Pseudonymizer(self._config.erasure_key).of(player)
        async with open_queues(self._config) as (_, dead_letters):
            count = await erase_letters(
                dead_letters,
                player=player,
                pseudonym=pseudonym,
                started_ms=started_ms,
                dry_run=dry_run,
            )
        return {"letters": count}

    async def export(self, player: str) -> Any:
        async with open_queues(self._config) as (_, dead_letters), open_kms(self._config) as kms:
            return await export_letters(dead_letters, Opener(kms, None), player=player)


class ServerStore:
    """Redis or DynamoDB, by the game server's adapters."""

    def __init__(self, name: str, config: ServerConfig) -> None:
        self.name = name
        self._config = config

    async def look(self, player: str) -> Counts:
        async with self._opened() as traces:
            return await traces.look(player)

    async def erase(self, player: str) -> Counts:
        async with self._opened() as traces:
            return await traces.erase(player)

    async def export(self, player: str) -> Any:
        async with self._opened() as traces:
            return await traces.export(player)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[RedisTraces | DynamoTraces]:
        made = RedisTraces if self.name == "redis" else DynamoTraces
        async with AsyncExitStack() as stack:
            yield await stack.enter_async_context(made(self._config, metrics=Metrics()))


async def running(server: ServerConfig, worker: WorkerConfig, player: str) -> list[str]:
    """Matches that run with the player in them: in Redis their checkpoints hold the name, sealed,
    until they end. Raises the ``Unavailable`` of either program."""
    heard = await PostgresStore(worker).unended(player)
    async with RedisTraces(server, metrics=Metrics()) as traces:
        return await traces.running(player, heard)


def stores(server: ServerConfig, worker: WorkerConfig) -> list[Store]:
    """In the order in which a player is erased: PostgreSQL first, for its tombstone keeps away
    what is still under way."""
    return [
        PostgresStore(worker),
        LetterStore(worker),
        ServerStore("dynamodb", server),
        ServerStore("redis", server),
    ]
