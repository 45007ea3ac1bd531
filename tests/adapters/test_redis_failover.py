"""A server of a Redis Cluster is lost, the very one that the URL names: everything comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.redis_bus import RedisBus
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.adapters.redis_tickets import RedisTickets
from gameserver.config import Config
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.metrics import Metrics
from gameserver.ports import Lease
from tests.adapters.test_redis_tickets import IDENTITY, SetClock
from tests.adapters.ws_peer import until
from tests.contract.test_match_store import commit
from tests.contract.test_node_bus import Ear, Wall, info
from tests.fakes.clock import SeededEntropy
from tests.redis_cluster import RedisCluster

BACK_S = 90.0
MATCHES = [MatchId(f"m{number}") for number in range(24)]
PLAYERS = [PlayerId(f"p{number}") for number in range(24)]
TTL_MS = 600_000


@pytest.fixture
def cluster(devstack_dir: Path, redis_prefix: str) -> Iterator[RedisCluster]:
    """With replicas, and of its own, because a part of it is killed."""
    with RedisCluster(devstack_dir / redis_prefix, prefix=redis_prefix, replicas=True) as made:
        yield made


class Everything:
    """What a node has of Redis."""

    def __init__(self, config: Config, stack: AsyncExitStack) -> None:
        self.config = config
        self._stack = stack
        self.ear = Ear()

    async def connect(self) -> None:
        config, enter = self.config, self._stack.enter_async_context
        # One for each of what is tried, so that none is helped by what another has met.
        self.stores = [
            await enter(RedisMatchStore.connect(config, metrics=Metrics())) for _ in range(3)
        ]
        self.directories = [
            await enter(RedisDirectory.connect(config, clock=Wall(), metrics=Metrics()))
            for _ in range(2)
        ]
        client = redis_client.connect(config, name="tickets", connections_max=4)
        self._stack.push_async_callback(client.aclose)
        self.tickets = RedisTickets(
            client, prefix=config.redis_prefix, ttl_ms=TTL_MS, clock=SetClock(), metrics=Metrics()
        )
        self.a, self.b = [
            RedisBus(config, node=name, entropy=SeededEntropy(1, n), metrics=Metrics())
            for n, name in enumerate("ab")
        ]
        self.b.listen(self.ear)
        for bus in (self.a, self.b):
            await enter(bus)
            await bus.subscribed()


async def comes_back(works: Callable[[], Awaitable[bool]]) -> None:
    """``works`` answers true in the end, whatever it met before."""
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                if await works():
                    return
            except StoreUnavailable:
                pass
            await asyncio.sleep(0.1)


@pytest.fixture
async def parts(cluster: RedisCluster, redis_prefix: str) -> AsyncIterator[Everything]:
    config = Config(
        redis_url=cluster.url,
        redis_cluster=True,
        redis_cluster_seeds=(cluster.members[1].address, cluster.members[2].address),
        redis_prefix=redis_prefix,
    )
    async with AsyncExitStack() as stack:
        everything = Everything(config, stack)
        await everything.connect()
        yield everything


@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", ["kill", "pause"])
async def test_all_comes_back_without_the_server_of_the_url(
    cluster: RedisCluster, parts: Everything, end: str
) -> None:
    """Killed, its connections break; stopped, as a lost machine, it only says nothing more."""
    leases = {}
    for match_id in MATCHES:
        acquired = await parts.stores[0].acquire(match_id, owner="a", lease_ttl_ms=TTL_MS)
        assert acquired is not None
        leases[match_id] = acquired.fence
    for store in parts.stores:
        assert (await store.orphans()).orphans == []
    for directory in parts.directories:
        await directory.seats(dict.fromkeys(PLAYERS, MATCHES[0]), ttl_ms=TTL_MS)
    await asyncio.sleep(0.5)  # Replication is asynchronous.
    await asyncio.to_thread(getattr(cluster.members[0], end))

    async def holders() -> bool:
        return all([await parts.stores[0].holder(match_id) == "a" for match_id in MATCHES])

    async def orphans() -> bool:
        return (await parts.stores[1].orphans()).orphans == []

    async def renewals() -> bool:
        held = [Lease(match_id, fence) for match_id, fence in leases.items()]
        return all(await parts.stores[2].renew(held, lease_ttl_ms=TTL_MS))

    async def beats() -> bool:
        return [one.name for one in await parts.directories[0].beat(info("a"), ttl_ms=TTL_MS)] == [
            "a"
        ]

    async def seats() -> bool:
        await parts.directories[1].seats(dict.fromkeys(PLAYERS, MATCHES[1]), ttl_ms=TTL_MS)
        return all([await parts.directories[1].seat(one) == MATCHES[1] for one in PLAYERS])

    async def tickets() -> bool:
        issued = [await parts.tickets.issue(IDENTITY) for _ in range(8)]
        return all([await parts.tickets.redeem(ticket) == IDENTITY for ticket in issued])

    async def messages() -> bool:
        parts.a.send("b", b"word")
        return ("a", b"word") in parts.ear.heard

    async def newcomers() -> bool:
        async with RedisMatchStore.connect(parts.config, metrics=Metrics()) as store:
            await store.check_server()
            return await store.holder(MATCHES[0]) == "a"

    for works in (orphans, holders, renewals, beats, seats, tickets, messages, newcomers):
        await comes_back(works)


@pytest.mark.timeout(180)
async def test_a_cluster_that_is_away_as_a_whole_is_unavailable_and_comes_back(
    cluster: RedisCluster, parts: Everything
) -> None:
    """Nothing else may be raised: a node would end by it, while it could only wait."""
    store, directory = parts.stores[0], parts.directories[0]
    acquired = await store.acquire(MATCHES[0], owner="a", lease_ttl_ms=TTL_MS)
    assert acquired is not None
    lease = Lease(MATCHES[0], acquired.fence)
    await asyncio.to_thread(cluster.kill)
    for _ in range(3):
        for call in (
            store.acquire(MATCHES[1], owner="a", lease_ttl_ms=TTL_MS),
            store.holder(MATCHES[0]),
            store.orphans(),
            store.take_turn(turn_ms=TTL_MS),
            store.renew([lease], lease_ttl_ms=TTL_MS),
            store.commit([commit(acquired.fence, 1, match_id=MATCHES[0])], lease_ttl_ms=TTL_MS),
            store.release(lease),
            store.trim(MATCHES[0], up_to_seq=1),
            store.forget(lease),
            directory.beat(info("a"), ttl_ms=TTL_MS),
            directory.seats({PLAYERS[0]: MATCHES[0]}, ttl_ms=TTL_MS),
            directory.seat(PLAYERS[0]),
            directory.leave("a"),
            parts.tickets.issue(IDENTITY),
        ):
            with pytest.raises(StoreUnavailable):
                await call
    for member in cluster.members:
        member.begin()

    async def messages() -> bool:
        parts.a.send("b", b"word")
        return ("a", b"word") in parts.ear.heard

    async def matches() -> bool:
        return await store.acquire(MATCHES[2], owner="a", lease_ttl_ms=TTL_MS) is not None

    for works in (messages, matches):
        await comes_back(works)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", ["kill", "pause"])
async def test_calls_side_by_side_meet_a_failover_as_unavailable(
    cluster: RedisCluster, parts: Everything, end: str
) -> None:
    """Where one call finds the server gone it closes the connections that others are opening."""
    store, directory = parts.stores[0], parts.directories[0]
    others: list[BaseException] = []
    succeeded = 0

    async def call_on(place: int) -> None:
        nonlocal succeeded
        while True:
            try:
                await store.holder(MATCHES[place])
                await directory.seat(PLAYERS[place])
                succeeded += 1
            except StoreUnavailable:
                await asyncio.sleep(0)
            except Exception as error:
                others.append(error)
                return

    calling = [asyncio.create_task(call_on(place)) for place in range(len(MATCHES))]
    await asyncio.to_thread(getattr(cluster.members[0], end))

    async def holders() -> bool:
        return all([await store.holder(match_id) is None for match_id in MATCHES])

    await comes_back(holders)
    before = succeeded
    await until(lambda: others or succeeded > before + len(MATCHES))
    for task in calling:
        task.cancel()
    await asyncio.gather(*calling, return_exceptions=True)
    assert others == []


def test_a_seed_is_a_host_and_a_port() -> None:
    config = Config(redis_cluster_seeds=("one.example.org:6379", "[::1]:7000"))
    assert redis_client.seeds(config) == [("one.example.org", 6379), ("::1", 7000)]
