"""The stack as tests use it: parts of it lost and brought back, more servers added."""

from __future__ import annotations

import time
import urllib.request

import asyncpg
import pytest

from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Extra, Stack


@pytest.fixture(scope="module")
def stack(devstack_dir):
    settings = on_free_ports(devstack_dir / "stack")
    extra = Extra(
        gameserver={"GAMESERVER_LOG_LEVEL": "warning"},
        # SQS is there again for a worker when a receive of it has ended.
        worker={"WORKER_RECEIVE_WAIT_S": "1"},
    )
    with Stack(settings, extra=extra, fsync=False) as running:
        running.start()
        yield running


def wait_ready(service) -> None:
    deadline = time.monotonic() + 60
    while not service.ready():
        assert time.monotonic() < deadline, service.obituary()
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["valkey", "postgres", "sqs", "moto", "worker", "gameserver"])
def test_each_part_is_lost_and_comes_back(stack, name):
    before = stack.service(name).pid
    stack.kill(name)
    assert not stack.service(name).is_running()
    assert stack.fallen() is None, "what was killed on purpose is not reported"
    stack.start(name)
    assert stack.service(name).pid != before
    for other in ("valkey", "postgres", "sqs", "moto", "worker", "gameserver"):
        wait_ready(stack.service(other))


def test_a_part_that_falls_is_noticed(stack):
    import psutil

    psutil.Process(stack.service("sqs").pid).kill()
    deadline = time.monotonic() + 10
    while (fallen := stack.fallen()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert fallen.name == "sqs"
    assert "sqs ended (signal 9)" in fallen.obituary()
    stack.start()
    assert stack.fallen() is None


def test_another_server_over_the_same_stores(stack):
    node = stack.add_node()
    stack.start(node.name)
    with urllib.request.urlopen(f"{node.api_url}/readyz", timeout=10) as answer:
        assert answer.status == 200
    stack.stop(node.name)
    assert not stack.service(node.name).is_running()


async def test_migrations_are_applied_and_can_be_repeated(stack):
    stack.migrate()
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(query) > 1
    finally:
        await connection.close()
