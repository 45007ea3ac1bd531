"""The drill of docs/backup.md: a backup, a mistake, a restore to the moment before it, and the
same rows in the end as if nothing had happened."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gameserver.devstack.process import free_port
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.boards import Rules
from persistence_worker.carry import carry
from persistence_worker.intake import prepare
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database
from persistence_worker.rebuild import rebuild
from tests.postgres_archive import Archiving, Restored
from tests.worker.builders import bundle, match_id, raw, story
from tests.worker.conftest import Queues, WorkerProcess, call, fetch, until

Start = Callable[..., WorkerProcess]


@pytest.fixture
def primary(tmp_path: Path, devstack_dir: Path) -> Iterator[Archiving]:
    server = Archiving(
        port=free_port(), data=devstack_dir / f"pg-{match_id()}", log=tmp_path / "pg.log"
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def restore(
    tmp_path: Path, devstack_dir: Path, primary: Archiving
) -> Iterator[Callable[..., Restored]]:
    servers: list[Restored] = []

    def restore(*, backup: Path, target_time: str = "") -> Restored:
        servers.append(
            Restored(
                port=free_port(),
                data=devstack_dir / f"restored-{match_id()}",
                log=tmp_path / "restored.log",
                backup=backup,
                archive=primary.archive,
                target_time=target_time,
            )
        )
        servers[-1].start()
        return servers[-1]

    yield restore
    for server in servers:
        server.kill()


class Told:
    """Matches that are sent to the queue, and what the tables say if each is stored once."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self.events: list[bytes] = []

    async def play(self, matches: int) -> None:
        for _ in range(matches):
            events = story(match_id())
            self.events += events
            await self._queues.send(bundle(*events[:6]), bundle(*events[6:]))

    async def into(self, dsn: str) -> None:
        """Store everything in an empty database."""
        await migrate(dsn)
        async with opened(dsn) as database:
            await PostgresSink(database, jitter=random.random).apply(
                [prepare(event) for event in self.events]
            )
            await rebuild(database, Rules())


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(
        dsn, connections_max=2, timeout_s=60, connect_s=5, statement_cache=100
    )
    try:
        yield database
    finally:
        await database.close()


def stored(dsn: str, events: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(await fetch(dsn, "SELECT 1 FROM events")) == events

    return check


async def archived(primary: Archiving) -> None:
    """Everything committed so far is in the archive."""
    segment = (await fetch(primary.dsn(), "SELECT pg_walfile_name(pg_switch_wal())"))[0][0]

    async def there() -> bool:
        return (primary.archive / segment).exists()

    await until(there, what="the log is archived")


async def settled(restored: Restored) -> None:
    async def promoted() -> bool:
        return not (await fetch(restored.dsn(), "SELECT pg_is_in_recovery()"))[0][0]

    await until(promoted, what="the restored server takes writes")


async def compare(here: str, there: str) -> tuple[int, dict[str, bool]]:
    """The exit code, and which tables are equal."""
    done = await call("compare", "--json", postgres_dsn=here, other_postgres_dsn=there)
    return done.returncode, {each["table"]: each["equal"] for each in json.loads(done.stdout)}


async def test_a_mistake_is_undone(
    start_worker: Start,
    queues: Queues,
    primary: Archiving,
    restore: Callable[..., Restored],
    postgres_dsn: str,
) -> None:
    told = Told(queues)
    await migrate(primary.dsn())
    worker = start_worker(postgres_dsn=primary.dsn())
    await told.play(20)
    await until(stored(primary.dsn(), len(told.events)), what="some are stored")
    backup = await asyncio.to_thread(primary.back_up)
    await told.play(20)
    kept = len(told.events)
    await until(stored(primary.dsn(), kept), what="more are stored")
    before = (await fetch(primary.dsn(), "SELECT clock_timestamp()"))[0][0]

    await fetch(primary.dsn(), "TRUNCATE results, matches")
    await fetch(primary.dsn(), "DELETE FROM events WHERE seq > 3")
    await told.play(15)
    late = len(told.events) - kept
    await until(queues.empty, what="the worker goes on, and the queue forgets")
    worker.signal(15)
    assert await worker.exit_code() == 0
    await told.play(15)
    await archived(primary)

    restored = restore(backup=backup, target_time=before.isoformat())
    await settled(restored)
    assert len(await fetch(restored.dsn(), "SELECT 1 FROM events")) == kept
    code, equal = await compare(restored.dsn(), primary.dsn())
    assert (code, equal["events"], equal["results"]) == (1, False, False)
    words = ("carry", "--since", (before - timedelta(hours=1)).isoformat())
    both = {"postgres_dsn": restored.dsn(), "other_postgres_dsn": primary.dsn()}
    done = await call(*words, **both)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{late} stored now" in done.stdout
    again = json.loads((await call(*words, "--json", **both)).stdout)
    assert (again["stored"], again["refused"]) == (0, 0)
    assert again["present"] == again["read"] > late
    start_worker(postgres_dsn=restored.dsn())
    await until(queues.empty, what="what the queue held is stored as well")
    assert (
        await call("rebuild", postgres_dsn=restored.dsn())
    ).stdout == "70 matches counted anew\n"

    await told.into(postgres_dsn)
    code, equal = await compare(restored.dsn(), postgres_dsn)
    assert (code, set(equal.values())) == (0, {True}), equal


async def test_a_loss_of_everything(
    start_worker: Start,
    queues: Queues,
    primary: Archiving,
    restore: Callable[..., Restored],
    postgres_dsn: str,
) -> None:
    """What was stored after the last archived segment is gone, and nothing else is."""
    told, gone = Told(queues), Told(queues)
    await migrate(primary.dsn())
    worker = start_worker(postgres_dsn=primary.dsn())
    await told.play(10)
    await until(stored(primary.dsn(), len(told.events)), what="some are stored")
    backup = await asyncio.to_thread(primary.back_up)
    await told.play(10)
    await until(stored(primary.dsn(), len(told.events)), what="more are stored")
    await archived(primary)
    await gone.play(3)
    await until(queues.empty, what="the last ones before the loss are stored")
    worker.kill()
    await asyncio.to_thread(primary.kill)
    await told.play(10)

    restored = restore(backup=backup)
    await settled(restored)
    start_worker(postgres_dsn=restored.dsn())
    await until(queues.empty, what="what the queue held is stored")
    await call("rebuild", postgres_dsn=restored.dsn())
    await told.into(postgres_dsn)
    code, equal = await compare(restored.dsn(), postgres_dsn)
    assert (code, set(equal.values())) == (0, {True}), equal


async def test_carry_refuses_another_content_under_an_id(
    migrated_dsn: str, primary: Archiving
) -> None:
    await migrate(primary.dsn())
    for dsn, points in ((migrated_dsn, 1), (primary.dsn(), 2)):
        async with opened(dsn) as database:
            sink = PostgresSink(database, jitter=random.random)
            await sink.apply([prepare(raw("m1", 1, data={"points": points}))])
    done = await call("carry", postgres_dsn=migrated_dsn, other_postgres_dsn=primary.dsn())
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "1 events read: 0 stored now, 0 were there, 1 refused"
    assert lines[1].startswith("  m1/1: fork: ")


@pytest.mark.parametrize("data", [{"x": 1e20}, {"x": -0.0}, {"x": 1.0}, {"x": 2**63, "y": "ä"}])
async def test_carried_is_what_came_in_the_queue(
    migrated_dsn: str, primary: Archiving, data: dict[str, Any]
) -> None:
    """However PostgreSQL writes a number: a redelivery is known as a repetition."""
    await migrate(primary.dsn())
    event = prepare(raw("m1", 1, data=data))
    async with opened(primary.dsn()) as source, opened(migrated_dsn) as database:
        await PostgresSink(source, jitter=random.random).apply([event])
        sink = PostgresSink(database, jitter=random.random)
        assert (await carry(source, sink)).stored == 1
        assert [each.outcome for each in await sink.apply([event])] == [Outcome.DUPLICATE]


async def test_neither_database_answers(postgres_dsn: str) -> None:
    nobody = f"postgresql://postgres@127.0.0.1:{free_port()}/x"
    done = await call("compare", postgres_dsn=postgres_dsn, other_postgres_dsn=nobody)
    assert (done.returncode, done.stderr.startswith("persistence_worker: error: Postg")) == (
        1,
        True,
    )
    done = await call("carry", "--since", "yesterday", postgres_dsn=nobody)
    assert (done.returncode, "not of the form" in done.stderr) == (2, True)
    done = await call("carry", "--since", "2026-01-01", postgres_dsn=nobody)
    assert (done.returncode, "names no time zone" in done.stderr) == (2, True)
    done = await call("carry", postgres_dsn=nobody)
    assert (done.returncode, "WORKER_OTHER_POSTGRES_DSN is required" in done.stderr) == (2, True)
