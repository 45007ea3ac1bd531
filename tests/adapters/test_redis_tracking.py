"""Near copies are true: over two processes, and when the words about changes are lost."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gameserver.adapters.redis_cache import RedisCacheStore
from gameserver.adapters.redis_tracking import _primaries
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.devstack.valkey import Valkey
from gameserver.metrics import Metrics
from tests.adapters.ws_peer import until
from tests.fakes.clock import SeededEntropy
from tests.redis_cluster import RedisCluster

TTL_MS = 60_000
BACK_S = 90.0
ROOT = Path(__file__).parents[2]


class Node:
    """A cache over Redis, and whether it makes copies."""

    def __init__(self, store: RedisCacheStore, cache: SharedCache, metrics: Metrics) -> None:
        self.store = store
        self.cache = cache
        self.metrics = metrics

    def watches(self) -> bool:
        return self.store.current_until() > asyncio.get_running_loop().time()

    async def reads(self, key: str, value: bytes | None, *, near: bool) -> bool:
        hits = self.metrics.cache_hits_near
        got = await self.cache.get(key)
        return got == value and (self.metrics.cache_hits_near > hits) == near


@asynccontextmanager
async def node(config: Config, number: int = 1) -> AsyncIterator[Node]:
    metrics = Metrics()
    store = RedisCacheStore(config, entropy=SeededEntropy(number), metrics=metrics)
    cache = SharedCache(store, config, entropy=SeededEntropy(number, 1), metrics=metrics)
    async with store:
        yield Node(store, cache, metrics)
        await cache.close()


async def eventually(works: Callable[[], Awaitable[bool]], seconds: float = 90) -> None:
    async with asyncio.timeout(seconds):
        while not await works():  # noqa: ASYNC110 (another process changes it)
            await asyncio.sleep(0.005)


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """To be stopped and asked for rights."""
    service = Valkey(port=free_port(), data=tmp_path / "data", log=tmp_path / "log")
    service.start()
    yield service
    service.kill()


async def test_another_process_hears_of_an_invalidation(valkey_url: str, redis_prefix: str) -> None:
    command = [sys.executable, "-m", "tests.adapters.cache_process", valkey_url, redis_prefix]
    pipe = asyncio.subprocess.PIPE
    a, b = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
        for _ in range(2)
    ]

    async def ask(process: asyncio.subprocess.Process, *words: str) -> dict[str, Any]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(" ".join(words).encode() + b"\n")
        async with asyncio.timeout(60):
            return dict(json.loads(await process.stdout.readline()))

    async def has_near(process: asyncio.subprocess.Process, value: str) -> bool:
        got = await ask(process, "load", "k", value)
        return bool(got == {"value": value, "near": True})

    try:
        for version in ("one", "two", "three"):
            # Both load what is true now, so a copy of an older value would show itself.
            for process in (a, b):
                await eventually(lambda process=process: has_near(process, version))  # noqa: B023
            assert await ask(a, "invalidate", "k") == {"heard": True}
        got = await ask(a, "load", "k", "four")
        assert got == {"value": "four", "near": False}
        await eventually(lambda: has_near(b, "four"))
    finally:
        for process in (a, b):
            assert process.stdin is not None
            process.stdin.close()
            assert await process.wait() == 0


async def test_a_lost_connection_empties_the_copies_at_once(
    own_valkey: Valkey, redis_prefix: str
) -> None:
    client: Redis = Redis.from_url(own_valkey.url, decode_responses=True)
    config = Config(redis_url=own_valkey.url, redis_prefix=redis_prefix)
    async with node(config) as one:
        await one.cache.set("k", b"old", ttl_ms=TTL_MS)
        await eventually(lambda: one.reads("k", b"old", near=True))
        resets = one.metrics.cache_near_resets
        [tracking] = [
            each for each in await client.client_list() if each["name"] == "gameserver-tracking"
        ]
        await client.client_kill_filter(_id=tracking["id"])
        await until(lambda: one.metrics.cache_near_resets > resets)
        assert not one.watches()
        assert len(one.cache._near) == 0
        await client.set(f"{redis_prefix}:cache:k", b"Vnew", px=TTL_MS)
        assert await one.reads("k", b"new", near=False)
        await eventually(lambda: one.reads("k", b"new", near=True))
    await client.aclose()


async def test_copies_are_not_used_while_the_server_says_nothing(
    own_valkey: Valkey, redis_prefix: str
) -> None:
    """Stopped, not ended: nothing tells the node but time."""
    config = Config(redis_url=own_valkey.url, redis_prefix=redis_prefix, redis_timeout_ms=300)
    async with node(config) as one:
        await one.cache.set("k", b"old", ttl_ms=TTL_MS)
        await eventually(lambda: one.reads("k", b"old", near=True))
        own_valkey.pause()
        await until(lambda: not one.watches())

        async def load() -> bytes:
            return b"true"

        assert await one.cache.get_or_load("k", load, ttl_ms=TTL_MS) == b"true"
        assert await one.cache.invalidate("k") is False
        own_valkey.resume()

        async def is_near() -> bool:
            assert await one.cache.get_or_load("k", load, ttl_ms=TTL_MS) == b"true"
            return await one.reads("k", b"true", near=True)

        await eventually(is_near)


async def test_a_user_without_the_right_has_no_copies_but_a_cache(
    own_valkey: Valkey, redis_prefix: str
) -> None:
    client: Redis = Redis.from_url(own_valkey.url)
    await client.execute_command(
        "ACL", "SETUSER", "few", "on", ">secret", "~*", "&*", "+@all", "-client|tracking"
    )
    url = own_valkey.url.replace("redis://", "redis://few:secret@")
    async with node(Config(redis_url=url, redis_prefix=redis_prefix)) as one:
        await until(lambda: one.metrics.cache_errors)
        await one.cache.set("k", b"x", ttl_ms=TTL_MS)
        for _ in range(3):
            assert await one.reads("k", b"x", near=False)
    await client.aclose()


async def test_a_question_without_an_answer_is_a_lost_connection(redis_prefix: str) -> None:
    """A server that takes the order to track, and says nothing: who knows whether it does."""
    asked: list[bytes] = []

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while (line := await reader.readline()).startswith(b"*"):
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2])
            asked.append(b" ".join(words[:2]))
            if words[0] == b"HELLO":
                writer.write(b"%1\r\n$5\r\nproto\r\n:3\r\n")
            elif words[:2] != [b"CLIENT", b"TRACKING"]:
                writer.write(b"+OK\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    config = Config(redis_url=url, redis_prefix=redis_prefix, redis_timeout_ms=50)
    async with server, node(config) as one:
        await until(lambda: asked.count(b"CLIENT TRACKING") >= 2)
        assert not one.watches()
        assert one.metrics.cache_errors >= 1
        assert b"PING" not in asked
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", ["kill", "pause"])
async def test_a_cluster_is_heard_again_after_a_failover(
    devstack_dir: Path, redis_prefix: str, end: str
) -> None:
    keys = [f"k{number}" for number in range(24)]  # In all slots' ranges.
    with RedisCluster(devstack_dir / redis_prefix, prefix=redis_prefix, replicas=True) as cluster:
        config = Config(
            redis_url=cluster.url,
            redis_cluster=True,
            redis_cluster_seeds=(cluster.members[1].address, cluster.members[2].address),
            redis_prefix=redis_prefix,
        )
        async with node(config, 1) as a, node(config, 2) as b:

            async def coherent(version: bytes) -> bool:
                for key in keys:
                    if not await a.cache.set(key, version, ttl_ms=TTL_MS):
                        return False
                for key in keys:
                    async with asyncio.timeout(5):
                        while not await b.reads(key, version, near=True):  # noqa: ASYNC110
                            await asyncio.sleep(0.005)
                return True

            async def comes_back(version: bytes) -> bool:
                try:
                    return await coherent(version)
                except TimeoutError:
                    return False

            await eventually(lambda: comes_back(b"one"))
            await eventually(lambda: comes_back(b"two"))
            await asyncio.to_thread(getattr(cluster.members[0], end))
            await until(lambda: not b.watches())
            await eventually(lambda: comes_back(b"three"), BACK_S)
            await eventually(lambda: comes_back(b"four"))


def test_the_primaries_of_a_cluster() -> None:
    slots = [
        [0, 5460, [b"10.0.0.1", 7000, b"id", []], [b"10.0.0.9", 7000, b"id", []]],
        [5461, 10922, [b"", 7001, b"id"]],
        [10923, 16383, [b"10.0.0.1", 7000, b"id"]],
    ]
    expected = {("10.0.0.1", 7000), ("own", 7001)}
    assert _primaries(slots, ("own", 7009)) == expected
