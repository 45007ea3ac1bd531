"""What every bus and every directory of nodes does: Redis' and those in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gameserver.adapters import redis_bus
from gameserver.adapters.redis_bus import RedisBus
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.devstack.valkey import Valkey
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Listed, Visibility
from gameserver.maintenance import Maintenance
from gameserver.metrics import Metrics
from gameserver.ports import Directory, NodeBus, NodeInfo, OpenMatch
from tests.adapters.ws_peer import until
from tests.contract.test_match_store import PATIENT_MS, STORES, redis_url
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_bus import MemoryDirectory, MemoryHub

Make = Callable[[str], Any]


class Ear:
    """Notes what arrives."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.interruptions: list[str] = []

    def received(self, node: str, message: bytes) -> None:
        self.heard.append((node, message))

    def interrupted(self, node: str) -> None:
        self.interruptions.append(node)


async def redis_node(config: Config, name: str, seed: int = 1) -> tuple[RedisBus, Ear]:
    bus = RedisBus(config, node=name, entropy=SeededEntropy(seed, 1), metrics=Metrics())
    ear = Ear()
    bus.listen(ear)
    await bus.__aenter__()
    async with asyncio.timeout(60):
        await bus.subscribed()
    return bus, ear


@pytest_asyncio.fixture(params=STORES)
async def nodes(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, tuple[NodeBus, Ear]]]:
    """``a`` and ``b``, both listening."""
    made: dict[str, tuple[NodeBus, Ear]] = {}
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            hub = MemoryHub()
            for name in ("a", "b"):
                bus, ear = hub.bus(name), Ear()
                bus.listen(ear)
                made[name] = bus, ear
        else:
            config = Config(
                redis_url=redis_url(request),
                redis_timeout_ms=PATIENT_MS,
                redis_cluster=request.param.startswith("redis_cluster"),
                redis_prefix=request.getfixturevalue("redis_prefix"),
            )
            for name in ("a", "b"):
                redis, ear = await redis_node(config, name)
                stack.push_async_exit(redis.__aexit__)
                made[name] = redis, ear
        yield made


async def test_messages_arrive_in_order_and_only_where_they_are_sent(
    nodes: dict[str, tuple[NodeBus, Ear]],
) -> None:
    (a, at_a), (b, at_b) = nodes["a"], nodes["b"]
    for number in range(300):
        a.send("b", b"%d" % number)
        if number % 50 == 0:
            await asyncio.sleep(0.003)
    b.send("a", b"back")
    b.send("nobody", b"lost")
    await until(lambda: len(at_b.heard) == 300 and at_a.heard)
    assert at_b.heard == [("a", b"%d" % number) for number in range(300)]
    assert at_a.heard == [("b", b"back")]
    assert at_a.interruptions == at_b.interruptions == []


async def test_the_newest_of_what_replaces_each_other_always_arrives(
    nodes: dict[str, tuple[NodeBus, Ear]],
) -> None:
    (a, _), (_, at_b) = nodes["a"], nodes["b"]
    for number in range(100):
        a.send("b", b"frame %d" % number, replaces="m1")
        a.send("b", b"other %d" % number, replaces="m2")
        a.send("b", b"word %d" % number)
    await until(lambda: (("a", b"word 99")) in at_b.heard)
    assert [m for _, m in at_b.heard if m.startswith(b"frame")][-1] == b"frame 99"
    assert [m for _, m in at_b.heard if m.startswith(b"other")][-1] == b"other 99"
    words = [m for _, m in at_b.heard if m.startswith(b"word")]
    assert words == [b"word %d" % number for number in range(100)]


async def test_redis_replaces_what_waits(valkey_url: str, redis_prefix: str) -> None:
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix)
    a, _ = await redis_node(config, "a")
    b, at_b = await redis_node(config, "b")
    async with AsyncExitStack() as stack:
        stack.push_async_exit(a.__aexit__)
        stack.push_async_exit(b.__aexit__)
        for number in range(5):
            a.send("b", b"%d" % number, replaces="m")
        await until(lambda: at_b.heard)
        assert at_b.heard == [("a", b"4")]


async def test_redis_drops_all_that_waits_over_the_bound_and_says_so(
    valkey_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "WAITING_BYTES_MAX", 100)
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix)
    a, _ = await redis_node(config, "a")
    b, at_b = await redis_node(config, "b")
    async with AsyncExitStack() as stack:
        stack.push_async_exit(a.__aexit__)
        stack.push_async_exit(b.__aexit__)
        a.send("b", b"first")
        await until(lambda: at_b.heard)
        for _ in range(3):
            a.send("b", b"x" * 60)
        await until(lambda: len(at_b.heard) == 2)
        assert at_b.interruptions == ["a"]


async def test_another_life_and_a_lost_connection_are_interruptions(
    tmp_path: Any, redis_prefix: str
) -> None:
    valkey = Valkey(port=free_port(), data=tmp_path / "data", log=tmp_path / "log")
    valkey.start()
    config = Config(redis_url=valkey.url, redis_prefix=redis_prefix)
    a, at_a = await redis_node(config, "a")
    b, at_b = await redis_node(config, "b")
    async with AsyncExitStack() as stack:
        stack.push_async_exit(b.__aexit__)
        stack.push_async_callback(asyncio.to_thread, valkey.stop)
        a.send("b", b"one")
        await until(lambda: at_b.heard)
        await a.__aexit__()
        again, _ = await redis_node(config, "a", seed=2)
        stack.push_async_exit(again.__aexit__)
        again.send("b", b"two")
        await until(lambda: len(at_b.heard) == 2)
        assert at_b.interruptions == ["a"]
        await asyncio.to_thread(valkey.stop)
        again.send("b", b"lost")
        await until(lambda: len(at_b.interruptions) == 2)
        await asyncio.to_thread(valkey.start)
        await until(lambda: again._subscribed.is_set() and b._subscribed.is_set())

        def arrives() -> bool:
            again.send("b", b"three")  # The first one may find the old connection.
            return ("a", b"three") in at_b.heard

        await until(arrives)
        assert at_a.interruptions == []


# ── the directory ────────────────────────────────────────────────────────────────────────────────


class Wall:
    now_ms = 1_700_000_000_000

    def wall_ms(self) -> int:
        return self.now_ms


@pytest_asyncio.fixture(params=STORES)
async def directory(request: pytest.FixtureRequest) -> AsyncIterator[Directory]:
    if request.param == "memory":
        yield MemoryDirectory()
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param.startswith("redis_cluster"),
        redis_prefix=request.getfixturevalue("redis_prefix"),
    )
    async with RedisDirectory.connect(config, clock=Wall(), metrics=Metrics()) as connected:
        yield connected


def info(name: str, players: int = 0) -> NodeInfo:
    return NodeInfo(
        name=name,
        state="ready",
        load=0.25,
        sessions=3,
        matches=1,
        players=players,
        open=[OpenMatch("m1", "arena", "quick", players)],
    )


async def test_nodes_hear_of_each_other_until_they_leave(directory: Directory) -> None:
    assert await directory.beat(info("a"), ttl_ms=60_000) == [info("a")]
    heard = await directory.beat(info("b", 2), ttl_ms=60_000)
    assert sorted(heard, key=lambda each: each.name) == [info("a"), info("b", 2)]
    await directory.leave("a")
    assert await directory.beat(info("b", 3), ttl_ms=60_000) == [info("b", 3)]


async def test_seats_are_noted_and_forgotten(directory: Directory) -> None:
    a, b = PlayerId("a"), PlayerId("b")
    assert await directory.seat(a) is None
    await directory.seats({a: MatchId("m1"), b: MatchId("m2")}, ttl_ms=60_000)
    assert await directory.seat(a) == "m1"
    await directory.seats({a: None, b: MatchId("m3")}, ttl_ms=60_000)
    assert (await directory.seat(a), await directory.seat(b)) == (None, "m3")
    await directory.seats({}, ttl_ms=60_000)
    await directory.seats({b: MatchId("m4")}, ttl_ms=1)
    await asyncio.sleep(0.02)
    assert await directory.seat(b) is None


async def test_matches_are_shown_by_the_node_that_has_them(directory: Directory) -> None:
    def one(match_id: str, node: str) -> Listed:
        return Listed(
            MatchId(match_id),
            "arena",
            "quick",
            3,
            8,
            5,
            40,
            "running",
            node,
            1_000,
            "Ünicode ⏰",
            Visibility.UNLISTED,
        )

    assert await directory.shown([]) == await directory.shown(["a", "b"]) == []
    await directory.show("a", [one("m1", "a"), one("m2", "a")], ttl_ms=60_000)
    await directory.show("b", [one("m3", "b")], ttl_ms=60_000)
    assert await directory.shown(["a", "b", "c"]) == [
        one("m1", "a"),
        one("m2", "a"),
        one("m3", "b"),
    ]
    assert await directory.shown(["b"]) == [one("m3", "b")], "others are not asked for"
    await directory.show("a", [], ttl_ms=60_000)
    await directory.leave("b")
    assert await directory.shown(["a", "b"]) == []
    await directory.show("a", [one("m1", "a")], ttl_ms=1)
    await asyncio.sleep(0.02)
    assert await directory.shown(["a"]) == []


async def test_a_list_of_another_version_counts_as_empty(
    valkey_url: str, redis_prefix: str
) -> None:
    client: Redis = Redis.from_url(valkey_url)
    directory = RedisDirectory(client, prefix=redis_prefix, clock=Wall(), metrics=Metrics())
    await client.set(f"{redis_prefix}:list:a", b"\x91\x01")
    assert await directory.shown(["a"]) == []
    await client.aclose()


async def test_maintenance_is_on_until_it_is_turned_off(directory: Directory) -> None:
    assert await directory.maintenance() is None
    first = Maintenance(message="Zurück um 12 ⏰", since_ms=1, until_ms=None, by="ann")
    await directory.set_maintenance(first)
    assert await directory.maintenance() == first
    second = Maintenance(message="Later.", since_ms=1, until_ms=4_000_000_000_000, by="bob@host")
    await directory.set_maintenance(second)
    assert await directory.maintenance() == second
    for _ in range(2):
        await directory.set_maintenance(None)
        assert await directory.maintenance() is None


async def test_maintenance_is_one_key_that_people_can_read(
    valkey_url: str, redis_prefix: str
) -> None:
    client: Redis = Redis.from_url(valkey_url)
    directory = RedisDirectory(client, prefix=redis_prefix, clock=Wall(), metrics=Metrics())
    on = Maintenance(message="Back soon.", since_ms=1, until_ms=2, by="ann")
    await directory.set_maintenance(on)
    key = f"{redis_prefix}:maintenance"
    stored = b'{"message":"Back soon.","since_ms":1,"until_ms":2,"by":"ann"}'
    assert await client.get(key) == stored
    assert await client.ttl(key) == -1
    newer = stored.replace(b"}", b',"reason":"of a newer version"}')
    await client.set(key, newer)
    assert await directory.maintenance() == on
    await client.set(key, b"{}")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        await directory.maintenance()
    await client.aclose()


async def test_old_words_of_nodes_do_not_count(valkey_url: str, redis_prefix: str) -> None:
    client: Redis = Redis.from_url(valkey_url)
    wall = Wall()
    directory = RedisDirectory(client, prefix=redis_prefix, clock=wall, metrics=Metrics())
    await directory.beat(info("a"), ttl_ms=2_000)
    wall.now_ms += 2_001
    assert await directory.beat(info("b"), ttl_ms=2_000) == [info("b")]
    wall.now_ms += 30_000
    await directory.beat(info("b"), ttl_ms=2_000)
    assert await client.hkeys(f"{redis_prefix}:nodes") == [b"b"]
    await client.aclose()


async def test_a_directory_that_does_not_answer_is_unavailable() -> None:
    client: Redis = Redis.from_url("redis://127.0.0.1:9/0")
    directory = RedisDirectory(client, prefix="x", clock=Wall(), metrics=Metrics())
    for call in (
        directory.beat(info("a"), ttl_ms=1),
        directory.leave("a"),
        directory.seat(PlayerId("a")),
        directory.seats({PlayerId("a"): None}, ttl_ms=1),
        directory.show("a", [], ttl_ms=1),
        directory.shown(["a"]),
        directory.maintenance(),
        directory.set_maintenance(None),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    await client.aclose()
