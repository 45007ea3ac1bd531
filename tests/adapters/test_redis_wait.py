"""Commits that wait for replicas: with a real primary and real replicas that are stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.config import Config
from gameserver.devstack.process import LOOPBACK, free_port
from gameserver.devstack.valkey import Valkey
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from gameserver.ports import Commit, Outcome
from tests.adapters.test_redis_failover import comes_back
from tests.contract.test_match_store import M, acquire, commit, stored
from tests.redis_cluster import MASTERS, RedisCluster, until

TTL_MS = 600_000
MATCHES = [MatchId(f"m{number}") for number in range(12)]


class Replica(Valkey):
    def __init__(self, primary: Valkey, directory: Path) -> None:
        super().__init__(
            port=free_port(), data=directory / "replica", log=directory / "replica.log"
        )
        self._primary = primary

    def argv(self) -> list[str]:
        return [*super().argv(), "--replicaof", LOOPBACK, str(self._primary.port)]


def ask(port: int, *command: str) -> Any:
    with redis.Redis(port=port) as client:
        return client.execute_command(*command)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Valkey, Replica]]:
    """A primary and its replica."""
    primary = Valkey(port=free_port(), data=tmp_path / "primary", log=tmp_path / "primary.log")
    replica = Replica(primary, tmp_path)
    primary.start()
    ask(primary.port, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
    try:
        replica.start()
        until(lambda: ask(primary.port, "WAIT", "1", "100") == 1)
        yield primary, replica
    finally:
        replica.kill()
        primary.kill()


def config(url: str, **settings: Any) -> Config:
    return Config(redis_url=url, redis_wait_replicas=1, redis_wait_ms=150, **settings)


async def acknowledged(store: RedisMatchStore, commits: Sequence[Commit]) -> bool:
    """In the end, by the very same commits."""

    async def works() -> bool:
        outcomes = await store.commit(commits, lease_ttl_ms=TTL_MS)
        return set(outcomes) == {Outcome.COMMITTED}

    await comes_back(works)
    return True


async def test_a_commit_counts_when_the_replica_has_it(pair: tuple[Valkey, Replica]) -> None:
    primary, replica = pair
    metrics = Metrics()
    async with RedisMatchStore.connect(config(primary.url), metrics=metrics) as store:
        fence = (await acquire(store)).fence
        # The first may find the replica still busy with its copy of everything.
        assert await acknowledged(store, [commit(fence, 1, 1)])
        replica.pause()
        errors = metrics.store_errors
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
                await store.commit([commit(fence, 2, 2, 3)], lease_ttl_ms=TTL_MS)
        assert metrics.store_errors == errors + 3
        # What wrote nothing is known without them.
        for fence_of, outcome in ((fence - 1, Outcome.FENCED), (fence + 1, Outcome.CONFLICT)):
            assert await store.commit([commit(fence_of, 2, 2)], lease_ttl_ms=TTL_MS) == [outcome]
        replica.resume()
        assert await acknowledged(store, [commit(fence, 2, 2, 3)])
        seen = ask(replica.port, "HGET", f"gs:{{m:{M}}}:s", "version")
        assert seen == b"2", "the replica has what was acknowledged"
        after = await stored(store, fence)
        assert (after.version, [entry.seq for entry in after.outbox]) == (2, [1, 2, 3])


async def test_a_server_that_forgot_the_script_gets_it_again(pair: tuple[Valkey, Replica]) -> None:
    primary, _ = pair
    async with RedisMatchStore.connect(config(primary.url), metrics=Metrics()) as store:
        fence = (await acquire(store)).fence
        for version in (1, 2):
            ask(primary.port, "SCRIPT", "FLUSH")
            assert await acknowledged(store, [commit(fence, version, version)])
        assert (await stored(store, fence)).version == 2


async def test_without_the_setting_nobody_waits(pair: tuple[Valkey, Replica]) -> None:
    primary, replica = pair
    replica.pause()
    async with RedisMatchStore.connect(Config(redis_url=primary.url), metrics=Metrics()) as store:
        fence = (await acquire(store)).fence
        assert await store.commit([commit(fence, 1, 1)], lease_ttl_ms=TTL_MS) == [Outcome.COMMITTED]
    assert b"cmdstat_wait:calls" not in str(ask(primary.port, "INFO", "commandstats")).encode()


@pytest.fixture
async def cluster(devstack_dir: Path, redis_prefix: str) -> AsyncIterator[RedisCluster]:
    directory = devstack_dir / redis_prefix
    with RedisCluster(directory, prefix=redis_prefix, replicas=True, wait=True) as made:
        yield made


@pytest.mark.timeout(180)
async def test_in_a_cluster_each_primary_waits_for_its_own(
    cluster: RedisCluster, redis_prefix: str
) -> None:
    given = config(cluster.url, redis_cluster=True, redis_prefix=redis_prefix)
    replica = cluster.members[MASTERS]
    async with RedisMatchStore.connect(given, metrics=Metrics()) as store:
        fences = {one: (await acquire(store, one, ttl_ms=TTL_MS)).fence for one in MATCHES}

        def commits(version: int) -> list[Commit]:
            return [commit(fences[one], version, version, match_id=one) for one in MATCHES]

        assert await acknowledged(store, commits(1))
        replica.pause()
        held = []
        for one in commits(2):
            try:
                await store.commit([one], lease_ttl_ms=TTL_MS)
            except StoreUnavailable as error:
                assert "0 of 1 replicas" in str(error)
                held.append(one)
        assert 0 < len(held) < len(MATCHES), "matches of one primary, and not the others"
        replica.resume()
        assert await acknowledged(store, commits(2))

        # The primary goes: its replica has all, but nobody follows it until the old one is back.
        await asyncio.to_thread(cluster.members[0].kill)
        with pytest.raises(StoreUnavailable):
            await store.commit(commits(3), lease_ttl_ms=TTL_MS)
        await asyncio.to_thread(until, lambda: "master" in str(replica.ask("ROLE")[0]).lower())
        await asyncio.to_thread(cluster.members[0].start)
        assert await acknowledged(store, commits(3))
        for one in MATCHES:
            after = await stored(store, fences[one], one)
            assert (after.version, [entry.seq for entry in after.outbox]) == (3, [1, 2, 3])
