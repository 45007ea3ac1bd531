"""What has to be done now and then: partitions ahead, retention, matches nobody has counted.

Every step is a short transaction that holds one advisory lock, so that of several workers one is
at it, and that may be cut short anywhere: the next run goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from persistence_worker.boards import Rules, Span, period
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.metrics import Metrics
from persistence_worker.partitions import DAY_MS, Partition, floor, missing, upper_ms
from persistence_worker.postgres import DATABASE_ERRORS, Database, kind_of, told
from persistence_worker.tally import catch_up

logger = logging.getLogger(__name__)

AHEAD_MS = 45 * DAY_MS
CHUNK_ROWS = 10_000
CHUNK_MATCHES = 200
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
"""Whoever waits for a table's lock makes all others wait behind: rather try again later."""


class Busy(Exception):
    """Somebody else is at it."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long events and daily boards are kept; 0 is for ever. ``every_s``: 0 is never."""

    retention_days: int
    daily_boards_days: int
    every_s: int


class Done(msgspec.Struct, kw_only=True):
    """What one run did. ``busy``: somebody else was at it, so that it may have been cut short."""

    partitions_added: int = 0
    partitions_dropped: int = 0
    events_expired: int = 0
    boards_expired: int = 0
    matches_caught_up: int = 0
    partitions: int = 0
    busy: bool = False


class Maintainer:
    """``now_ms`` is wall time; a clock that is a few minutes off does no harm."""

    def __init__(
        self, database: Database, *, rules: Rules, limits: Limits, now_ms: Callable[[], int]
    ) -> None:
        self._database = database
        self._statements = database.statements
        self._rules = rules
        self._limits = limits
        self._now_ms = now_ms

    async def run_forever(self, metrics: Metrics, *, jitter: Callable[[], float]) -> None:
        """Run every ``every_s``, at random moments so that workers do not meet. A database that
        is away, or refuses, is logged; the worker itself notices and says so."""
        for outcome in ("done", "busy", "failed"):
            metrics.maintenance.labels(outcome)
        while self._limits.every_s:
            await asyncio.sleep(self._limits.every_s * (0.5 + jitter()))
            try:
                done = await self.run()
            except DatabaseUnavailable as error:
                metrics.maintenance.labels("failed").inc()
                logger.warning("maintenance failed", extra={"error": str(error)})
                continue
            metrics.maintenance.labels("busy" if done.busy else "done").inc()
            metrics.partitions.set(done.partitions)
            metrics.caught_up.inc(done.matches_caught_up)
            logger.info("maintained", extra=msgspec.structs.asdict(done))

    async def run(self) -> Done:
        """All that is due. Raises ``DatabaseUnavailable``; what was done until then is done."""
        done = Done()
        try:
            await self._partitions(done)
            await self._expire_other(done)
            await self._expire_boards(done)
            await self._catch_up(done)
        except Busy:
            done.busy = True
        except DATABASE_ERRORS as error:
            raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error
        return done

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[Any]:
        async with self._database.transaction() as connection:
            if not await connection.fetchval(self._statements["try_maintain_lock"]):
                raise Busy
            yield connection

    async def _partitions(self, done: Done) -> None:
        async with self._step() as connection:
            rows = await connection.fetch(self._statements["event_partitions"])
        uppers = {row["name"]: upper_ms(row["bounds"]) for row in rows}
        ends = {name: upper for name, upper in uppers.items() if upper is not None}
        done.partitions = len(ends)
        now_ms = self._now_ms()
        for partition in missing(ends.values(), now_ms=now_ms, ahead_ms=AHEAD_MS):
            if await self._attempt(_adding(partition)):
                done.partitions_added += 1
        if self._limits.retention_days:
            cut_ms = now_ms - self._limits.retention_days * DAY_MS
            for name in [name for name, upper in ends.items() if upper <= cut_ms]:
                if await self._attempt([f'DROP TABLE "{name}"']):
                    done.partitions_dropped += 1
        done.partitions += done.partitions_added - done.partitions_dropped

    async def _attempt(self, commands: list[str]) -> bool:
        """Whether the locks were to be had in time; else the next run tries again."""
        try:
            async with self._step() as connection:
                await connection.execute(LOCK_TIMEOUT)
                for command in commands:
                    await connection.execute(command)
        except asyncpg.LockNotAvailableError:
            logger.warning("partition busy, left for later", extra={"command": commands[-1]})
            return False
        return True

    async def _expire_other(self, done: Done) -> None:
        if not self._limits.retention_days:
            return
        cut_ms = self._now_ms() - self._limits.retention_days * DAY_MS
        while True:
            async with self._step() as connection:
                query = self._statements["expire_other_events"]
                count = _affected(await connection.execute(query, cut_ms, CHUNK_ROWS))
            done.events_expired += count
            if count < CHUNK_ROWS:
                return

    async def _expire_boards(self, done: Done) -> None:
        """A result that comes for such a day at this very moment may leave rows nobody sees."""
        if not self._limits.daily_boards_days:
            return
        cut_ms = self._now_ms() - self._limits.daily_boards_days * DAY_MS
        first_kept = period(Span.DAY, cut_ms)
        while True:
            async with self._step() as connection:
                board = await connection.fetchval(self._statements["expired_board"], first_kept)
                if board is None:
                    return
                query = self._statements["expire_scores"]
                count = _affected(await connection.execute(query, board, CHUNK_ROWS))
                if count < CHUNK_ROWS:
                    await connection.execute(self._statements["expire_board"], board)
                    done.boards_expired += 1

    async def _catch_up(self, done: Done) -> None:
        while True:
            async with self._step() as connection:
                count = await catch_up(connection, self._statements, self._rules, CHUNK_MATCHES)
            done.matches_caught_up += count
            if count < CHUNK_MATCHES:
                return


def _adding(partition: Partition) -> list[str]:
    """Commands that make a partition and move into it what ``events_other`` holds of it. Nothing
    may come in between: PostgreSQL would refuse the partition."""
    name, low, high = f'"{partition.name}"', floor(partition.from_ms), floor(partition.to_ms)
    return [
        f"CREATE TABLE {name} (LIKE events INCLUDING ALL)",
        "LOCK TABLE events_other IN ACCESS EXCLUSIVE MODE",
        f"WITH moved AS (DELETE FROM events_other WHERE match_id >= '{low}' "
        f"AND match_id < '{high}' RETURNING *) INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')",
    ]


def _affected(status: str) -> int:
    return int(status.rpartition(" ")[2])
