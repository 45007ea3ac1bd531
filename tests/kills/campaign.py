"""Workers drain a backlog and are killed at random points, many times; then all is judged.

    feed ──► SQS ──► worker ✗ worker ✗ … (a few at a time) ──► PostgreSQL ──► judge

A kill falls while the process starts, connects, holds messages, is within a transaction, deletes,
or parks. The backlog is sent in portions, one when each worker runs, so that each finds work
however quick the others are. How long a worker goes on after its first message is drawn from a
window which is adapted so that what is stored keeps up with the kills. A worker that finds nothing
after all is killed idle; that may not happen often.
"""

from __future__ import annotations

import asyncio
import http.client
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import free_port
from gameserver.devstack.sqs import SqsEndpoint
from persistence_worker.messages import Outgoing
from persistence_worker.migrate import migrate
from persistence_worker.sqs import SqsQueue, open_client
from tests.forked import Forked
from tests.kills.feed import REFUSED, make
from tests.kills.judge import judge
from tests.kills.nursery import Nursery
from tests.worker.conftest import environment

AHEAD_MAX = 0.03
WINDOW_S_MAX = 0.4
STARTING_SHARE = 0.15
"""So many are killed before they have received anything, within so long:"""
START_S = 1.0
LEAD_SHARE = 0.1
"""Of the messages, sent before the first worker starts."""
VISIBILITY_S = 4
IDLE_S = 1.5 * VISIBILITY_S
"""By then what a killed worker held has come again: who has received nothing is idle."""
IDLE_SHARE_MAX = 0.25
AT_WORK_S = 60.0
DRAINED_S = 180.0
WORKERS_MAX = 3


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """``poison_share``: of the events."""

    events: int
    kills: int
    seed: int
    poison_share: float = 0.01


class Outcome(msgspec.Struct, kw_only=True):
    """What was done. ``kills_starting``: mostly before the worker had received anything;
    ``kills_idle``: there was nothing to receive."""

    events: int = 0
    poison: int = 0
    kills: int = 0
    kills_starting: int = 0
    kills_idle: int = 0
    kills_s: float = 0.0
    stored_during_kills: float = 0.0
    drained_s: float = 0.0


class Campaign:
    """Services of its own in ``directory``; ``say`` is told how it goes."""

    def __init__(self, directory: Path, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._chance = random.Random(plan.seed)
        self._directory = directory
        self._postgres = Postgres(
            port=free_port(),
            data=directory / "postgres",
            log=directory / "postgres.log",
            fsync=False,  # processes die here, not the machine
        )
        self._sqs = SqsEndpoint(port=free_port(), data=directory / "sqs", log=directory / "sqs.log")
        self._dsn = self._postgres.dsn("kills")
        self._nursery = Nursery(directory / "workers.log")
        self._window_s = 0.05
        self._done = Outcome()
        self._asking = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._unsent: list[str] = []

    async def run(self) -> Outcome:
        """Raises ``AssertionError`` with what is not as it has to be."""
        self._postgres.start()
        self._sqs.start()
        try:
            return await self._run()
        finally:
            self._nursery.close()
            self._sqs.stop()
            self._postgres.stop()

    async def _run(self) -> Outcome:
        plan, done = self._plan, self._done
        feed = make(plan.events, poison_share=plan.poison_share, seed=plan.seed)
        done.events, done.poison = len(feed.good), len(feed.poison) + len(feed.forks)
        for name in ("kills", "reference"):
            self._postgres.ensure_database(name)
        await migrate(self._dsn)
        self._dlq_url = self._sqs.create_queue("dead")
        # A message is received again after each kill: that is no reason to give it up.
        self._url = self._sqs.create_queue("events", dead_letters_to="dead", receives_max=1_000)
        connection = await asyncpg.connect(self._dsn)
        await connection.execute(f"ALTER TABLE events ADD CHECK (kind <> '{REFUSED}')")
        async with open_client(
            endpoint_url=self._sqs.endpoint_url,
            region=self._sqs.region,
            connections_max=1,
            timeout_s=30,
            wait_s=1,
        ) as client:
            self._queue = SqsQueue(client, self._url, timeout_s=30)
            self._unsent, self._messages = feed.bodies[::-1], len(feed.bodies)
            await self._send_for(0)
            began = time.monotonic()
            workers = [self._kill_again_and_again(connection) for _ in range(WORKERS_MAX)]
            await asyncio.gather(*workers)
            await self._send_for(plan.kills)
        idle_max = IDLE_SHARE_MAX * plan.kills
        assert done.kills_idle <= idle_max, f"{done.kills_idle} were killed idle"
        done.kills_s = time.monotonic() - began
        done.stored_during_kills = await self._stored(connection) / done.events
        await _until_all_are_gone(connection)
        # Else the redrive waits for a minute, until the duty of a killed worker has run out.
        await connection.execute("UPDATE duties SET until = now()")
        await self._drain(connection)
        done.drained_s = time.monotonic() - began - done.kills_s
        await connection.close()
        await judge(self._dsn, self._postgres.dsn("reference"), feed)
        return done

    async def _send_for(self, kills: int) -> None:
        """The messages for the first so many workers that are not sent yet."""
        share = LEAD_SHARE + (1 - LEAD_SHARE) * kills / self._plan.kills
        async with self._sending:
            count = round(share * self._messages) - (self._messages - len(self._unsent))
            bodies = [self._unsent.pop() for _ in range(count)]
            outgoing = [Outgoing(body=body, attributes={}) for body in bodies]
            assert await self._queue.send(outgoing) == []

    def _environ(self, port: int) -> dict[str, str]:
        return environment(
            sqs_queue_url=self._url,
            sqs_dlq_url=self._dlq_url,
            sqs_endpoint_url=self._sqs.endpoint_url,
            postgres_dsn=self._dsn,
            http_host="127.0.0.1",
            http_port=port,
            # What a killed worker held comes again soon, and it does not hold much.
            visibility_s=VISIBILITY_S,
            buffer_messages_max=40,
            batch_records_max=400,
            watch_s=1,
            redrive_every_s=1,
            redrive_per_s=1_000,
            redrives_max=1,
            redrive_first_s=1,
            maintain_every_s=5,
        )

    async def _kill_again_and_again(self, connection: asyncpg.Connection[Any]) -> None:
        while self._done.kills < self._plan.kills:
            # Counted before, so that together they do not kill once too often.
            self._done.kills += 1
            number = self._done.kills
            port = free_port()
            child = self._nursery.start(self._environ(port))
            if self._chance.random() < STARTING_SHARE:
                self._done.kills_starting += 1
                await asyncio.sleep(self._chance.random() * START_S)
            elif await self._at_work(child, port, number):
                await asyncio.sleep(self._chance.random() * self._window_s)
            else:
                self._done.kills_idle += 1
            assert child.kill(), "a worker ended by itself; see workers.log"
            if self._done.kills % 20 == 0:
                await self._adapt(connection)

    async def _at_work(self, child: Forked, port: int, number: int) -> bool:
        """Until it has received something: it may well be killed at that very moment. False if
        there is nothing to receive. Its portion is sent when it runs."""
        deadline, idle_from = time.monotonic() + AT_WORK_S, math.inf
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                if await asyncio.to_thread(_received, port):
                    return True
                await self._send_for(number)
                idle_from = min(idle_from, time.monotonic() + IDLE_S)
            assert child.is_alive(), "a worker ended by itself; see workers.log"
            if time.monotonic() > idle_from and not self._left(visible_only=True):
                return False
            await asyncio.sleep(0.01)
        raise AssertionError("a worker receives nothing of what is there")

    async def _adapt(self, connection: asyncpg.Connection[Any]) -> None:
        stored = await self._stored(connection) / self._done.events
        ahead = stored - self._done.kills / self._plan.kills
        # Kept short: once all is stored there is nobody at work any more who could be killed.
        change = 1.4 if ahead <= 0 else 0.7 if ahead < AHEAD_MAX else 0.3
        self._window_s = min(WINDOW_S_MAX, max(0.01, self._window_s * change))
        self._say(
            f"{self._done.kills} kills, {stored:.0%} stored, window {self._window_s * 1000:.0f} ms"
        )

    async def _stored(self, connection: asyncpg.Connection[Any]) -> int:
        async with self._asking:
            return int(await connection.fetchval("SELECT count(*) FROM events"))

    async def _drain(self, connection: asyncpg.Connection[Any]) -> None:
        """A worker that is left alone finishes the rest, the dead letters among it."""
        child = self._nursery.start(self._environ(free_port()))
        deadline = time.monotonic() + DRAINED_S
        try:
            while self._left():
                assert time.monotonic() < deadline, f"{self._left()} messages are left"
                await asyncio.sleep(0.2)
        finally:
            child.kill()
        query = "SELECT count(*) FROM matches WHERE NOT tallied"
        uncounted = await connection.fetchval(query)
        assert uncounted == 0, f"{uncounted} matches are not counted"

    def _left(self, *, visible_only: bool = False) -> int:
        states = ("",) if visible_only else ("", "NotVisible", "Delayed")
        names = [f"ApproximateNumberOfMessages{state}" for state in states]
        left = 0
        for url in (self._url, self._dlq_url):
            answer = self._sqs.call("GetQueueAttributes", QueueUrl=url, AttributeNames=names)
            left += sum(int(answer["Attributes"][name]) for name in names)
        return left


async def _until_all_are_gone(connection: asyncpg.Connection[Any]) -> None:
    """PostgreSQL finishes what a killed worker asked it last."""
    query = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
    deadline = time.monotonic() + AT_WORK_S
    while await connection.fetchval(query):
        assert time.monotonic() < deadline, "a killed worker is still connected"
        await asyncio.sleep(0.01)


def _received(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().splitlines()
        name = b"worker_messages_received_total "
        return any(line.startswith(name) and not line.endswith(b" 0.0") for line in lines)
    finally:
        connection.close()
