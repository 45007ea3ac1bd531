"""A primary that dies and a standby that is promoted: both of them real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import free_port
from persistence_worker.migrate import migrate
from tests.postgres_standby import Standby
from tests.worker.builders import bundle, match_id, raw
from tests.worker.conftest import Queues, WorkerProcess, fetch, until


@pytest.fixture
def pair(tmp_path: Path, devstack_dir: Path) -> Iterator[tuple[Postgres, Standby]]:
    """A primary and its synchronous standby: what one has confirmed, the other has as well."""
    name = match_id()
    primary = Postgres(
        port=free_port(), data=devstack_dir / f"pg-{name}", log=tmp_path / "pg.log", fsync=False
    )
    standby = Standby(
        primary=primary,
        port=free_port(),
        data=devstack_dir / f"standby-{name}",
        log=tmp_path / "standby.log",
    )
    try:
        primary.start()
        standby.start()
        # Not before the copy was made: promoted, it would wait for a standby of its own.
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        yield primary, standby
    finally:
        standby.stop()
        primary.kill()


@pytest.mark.parametrize("attributes", ["any", "read-write"])
async def test_the_standby_takes_over(
    start_worker: Callable[..., WorkerProcess],
    queues: Queues,
    pair: tuple[Postgres, Standby],
    attributes: str,
) -> None:
    """With ``any`` the worker gets to the standby and is refused; so it is behind a name in DNS."""
    primary, standby = pair
    await migrate(primary.dsn())
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    worker = start_worker(
        postgres_dsn=f"postgresql://postgres@{hosts}/postgres?target_session_attrs={attributes}",
        batch_records_max=10,
        pool_connections_max=2,
    )
    match = match_id()
    bodies = [bundle(raw(match, 1 + 2 * n), raw(match, 2 + 2 * n)) for n in range(300)]
    await queues.send(*bodies[:200])

    async def some() -> bool:
        return bool(await fetch(primary.dsn(), "SELECT 1 FROM events LIMIT 1"))

    await until(some, what="something is stored")
    await asyncio.to_thread(primary.kill)
    await worker.until_status("/readyz", 503)
    await queues.send(*bodies[200:])

    async def tried() -> bool:
        _, body = await asyncio.to_thread(worker.get, "/readyz")
        return attributes != "any" or "read-only" in body

    await until(tried, what="it has asked the standby")
    stored = len(await fetch(standby.dsn(), "SELECT 1 FROM events"))
    assert 0 < stored < 600
    standby.execute("SELECT pg_promote()")
    await until(queues.empty, what="queue is empty")
    await worker.until_status("/readyz", 200)
    seqs = await fetch(standby.dsn(), "SELECT seq FROM events ORDER BY seq")
    assert [row[0] for row in seqs] == list(range(1, 601))
    assert await queues.letters() == []
