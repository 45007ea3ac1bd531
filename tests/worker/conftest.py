"""A migrated database, queues by the worker's own adapter, and the worker as a real process."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gameserver.devstack.process import free_port
from gameserver.wire.event_record import EventRecord
from persistence_worker.apply import PostgresSink
from persistence_worker.intake import prepare
from persistence_worker.messages import Outgoing
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database
from persistence_worker.sqs import SqsQueue, open_client
from tests.forked import WORKER, Forked, run_forked

DEADLINE_S = 100.0


async def until(condition: Callable[[], Awaitable[Any]], *, what: str) -> Any:
    """Ask again and again until the answer is true."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        answer = await condition()
        if answer:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"never: {what}")


async def fill(dsn: str, records: Sequence[EventRecord]) -> None:
    """Tables with what the worker makes of ``records``."""
    await migrate(dsn)
    database = await Database.open(
        dsn, connections_max=1, timeout_s=20, connect_s=5, statement_cache=100
    )
    try:
        await PostgresSink(database, jitter=random.random).apply([prepare(one) for one in records])
    finally:
        await database.close()


async def fetch(dsn: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


@pytest.fixture
def migrated_dsn(postgres_dsn: str) -> str:
    """``postgres_dsn``, which then is migrated."""
    return postgres_dsn


@pytest.fixture
async def database(migrated_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(
        migrated_dsn, connections_max=4, timeout_s=20, connect_s=5, statement_cache=100
    )
    yield opened
    await opened.close()


class Queues:
    """A queue and its dead letters, with what tests do to them."""

    def __init__(self, queue: SqsQueue, dead_letters: SqsQueue) -> None:
        self.queue = queue
        self.dead_letters = dead_letters

    async def send(self, *bodies: str) -> None:
        outgoing = [Outgoing(body=body, attributes={}) for body in bodies]
        assert await self.queue.send(outgoing) == []

    async def counts(self) -> tuple[int, int]:
        """Messages that are visible, and those that somebody holds."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self.queue._call(
            self.queue._client.get_queue_attributes, AttributeNames=names
        )
        return tuple(int(answer["Attributes"][name]) for name in names)  # type: ignore[return-value]

    async def empty(self) -> bool:
        return await self.counts() == (0, 0)

    async def letters(self) -> list[Any]:
        """All dead letters, taken from the queue."""
        found = []
        while messages := await self.dead_letters.receive(wait_s=0, visibility_s=30):
            found += messages
            await self.dead_letters.delete(messages)
        return found


@pytest.fixture
async def queues(sqs_queue: Any) -> AsyncIterator[Queues]:
    async with open_client(
        endpoint_url=sqs_queue.endpoint_url,
        region="eu-central-1",
        connections_max=16,
        timeout_s=10,
        wait_s=1,
    ) as client:
        yield Queues(
            SqsQueue(client, sqs_queue.url, timeout_s=10),
            # One look shows all letters that are there.
            SqsQueue(client, sqs_queue.dlq_url, timeout_s=10, wait_s_max=0),
        )


@pytest.fixture
def faults(sqs_service: Any) -> Iterator[Callable[..., None]]:
    """Orders faults of SQS; those left are forgotten after the test."""
    yield sqs_service.order_fault
    sqs_service.forget_faults()


def environment(**settings: Any) -> dict[str, str]:
    """Of a worker's process; ``postgres_dsn="…"`` is WORKER_POSTGRES_DSN."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("WORKER_")}
    return own | {f"WORKER_{name.upper()}": str(value) for name, value in settings.items()}


async def call(
    *words: str, stdin: str = os.devnull, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """``python -m persistence_worker WORDS…``; see ``run_forked``. It does not wait for more dead
    letters than are there: one look at the endpoint of the tests shows all of them."""
    environ = environment(**settings | {"receive_wait_s": 0}) | {"COLUMNS": "300"}
    return await asyncio.to_thread(run_forked, WORKER, words, environ=environ, stdin=stdin)


async def call_anew(*words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """The same with an interpreter of its own: proves that everything is there."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "persistence_worker", *words],
        env=environment(**settings) | {"COLUMNS": "300"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class WorkerProcess:
    """``python -m persistence_worker run``; see ``Forked``."""

    def __init__(self, settings: dict[str, Any], log: Path) -> None:
        self.port = free_port()
        self.log = log
        environ = environment(http_host="127.0.0.1", http_port=self.port, **settings)
        self._child = Forked(WORKER, ["run"], environ=environ, out=log, err=log)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            assert self._child.is_alive(), self.log.read_text()[-4000:]
            return 0, ""
        finally:
            connection.close()

    async def until_status(self, path: str, status: int) -> str:
        async def asked() -> str | None:
            got, body = await asyncio.to_thread(self.get, path)
            return body if got == status else None

        return await until(asked, what=f"{path} answers {status}")

    def metric(self, line: str) -> float:
        """The value of the metric whose line begins with ``line``."""
        for each in self.get("/metrics")[1].splitlines():
            if each.startswith(line + " "):
                return float(each.rpartition(" ")[2])
        return 0.0

    def signal(self, number: int) -> None:
        self._child.signal(number)

    async def exit_code(self) -> int:
        return await asyncio.to_thread(self._child.wait, 60)

    def kill(self) -> None:
        self._child.kill()


@pytest.fixture
def settings(sqs_queue: Any, postgres_dsn: str) -> dict[str, Any]:
    """Of a worker over this test's queue and database; change what the test is about."""
    return {
        "sqs_queue_url": sqs_queue.url,
        "sqs_dlq_url": sqs_queue.dlq_url,
        "sqs_endpoint_url": sqs_queue.endpoint_url,
        "postgres_dsn": postgres_dsn,
        "receive_wait_s": 1,
        "visibility_s": 5,
        "postgres_connect_ms": 1000,
        "sqs_timeout_ms": 2000,
        "redrive_every_s": 0,
    }


@pytest.fixture
def start_worker(
    tmp_path: Path, settings: dict[str, Any]
) -> Iterator[Callable[..., WorkerProcess]]:
    children: list[WorkerProcess] = []

    def start(**changes: Any) -> WorkerProcess:
        log = tmp_path / f"worker-{len(children)}.log"
        children.append(WorkerProcess(settings | changes, log))
        return children[-1]

    yield start
    for child in children:
        child.kill()
