"""What every match store answers: Redis' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.adapters.sealing import SealedMatchStore
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.devstack.valkey import Valkey
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from gameserver.ports import Acquired, Commit, Lease, MatchStore, OutboxEntry, Outcome
from tests.contract.silence import silent_redis
from tests.fakes.clock import EPOCH_MS
from tests.fakes.memory_keys import data_keys
from tests.fakes.memory_store import MemoryStore
from tests.redis_cluster import RedisCluster
from tests.redis_tls import TlsRedis

M = MatchId("m1")
TTL_MS = 60_000
PATIENT_MS = 20_000
"""What many TLS handshakes at once may take on a machine that is busy."""


REDIS_TLS = pytest.param("redis_tls", marks=pytest.mark.system)
REDIS_CLUSTER_TLS = pytest.param("redis_cluster_tls", marks=pytest.mark.system)
STORES = ["memory", "redis", "redis_cluster", REDIS_TLS, REDIS_CLUSTER_TLS]


@pytest.fixture(params=["sealed", *STORES])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[MatchStore]:
    if request.param in ("memory", "sealed"):
        loop = asyncio.get_running_loop()
        memory = MemoryStore(lambda: EPOCH_MS + loop.time() * 1000)
        yield memory if request.param == "memory" else SealedMatchStore(memory, await data_keys())
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param.startswith("redis_cluster"),
        redis_prefix=request.getfixturevalue("redis_prefix"),
    )
    async with RedisMatchStore.connect(config, metrics=Metrics()) as redis:
        await redis.check_server()
        yield redis


def redis_url(request: pytest.FixtureRequest) -> str:
    """Of the Redis that ``request.param`` names."""
    if request.param == "redis_tls":
        service: TlsRedis = request.getfixturevalue("redis_tls")
        return service.url
    if request.param == "redis_cluster_tls":
        cluster: RedisCluster = request.getfixturevalue("redis_cluster_tls")
        return cluster.url
    if request.param == "redis_cluster":
        return str(request.getfixturevalue("redis_cluster_url"))
    return str(request.getfixturevalue("valkey_url"))


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (another process changes it)
            await asyncio.sleep(0.005)


async def orphans(store: MatchStore, place: int = 0) -> list[MatchId]:
    """All from ``place`` on."""
    page = await store.orphans(place)
    found = page.orphans
    while page.next_place:
        page = await store.orphans(page.next_place)
        found = found + page.orphans
    return found


async def acquire(
    store: MatchStore, match_id: MatchId = M, owner: str = "a", ttl_ms: int = TTL_MS
) -> Acquired:
    acquired = await store.acquire(match_id, owner=owner, lease_ttl_ms=ttl_ms)
    assert acquired is not None
    return acquired


async def stored(store: MatchStore, fence: int, match_id: MatchId = M) -> Acquired:
    """What the next owner gets."""
    await store.release(Lease(match_id, fence))
    return await acquire(store, match_id)


def commit(
    fence: int, version: int, *seqs: int, match_id: MatchId = M, trim_seq: int = 0, mark: str = ""
) -> Commit:
    return Commit(
        match_id=match_id,
        fence=fence,
        version=version,
        checkpoint=f"checkpoint {version}{mark}".encode() + b"\x00\xff\r\n",
        records=[OutboxEntry(seq, f"record {seq}".encode() + b"\x00\xfe") for seq in seqs],
        trim_seq=trim_seq,
    )


async def one(store: MatchStore, given: Commit) -> Outcome:
    [outcome] = await store.commit([given], lease_ttl_ms=TTL_MS)
    return outcome


async def test_a_new_match_is_empty_and_its_fence_is_the_stores_time(store: MatchStore) -> None:
    first, second = await acquire(store), await acquire(store, MatchId("m2"))
    assert (first.version, first.checkpoint, first.outbox) == (0, None, [])
    assert first.fence > 1_600_000_000_000
    assert abs(second.fence - first.fence) < 60_000


async def test_checkpoint_and_outbox_come_back_byte_for_byte(store: MatchStore) -> None:
    fence = (await acquire(store)).fence
    assert await one(store, commit(fence, 1, 1, 2)) is Outcome.COMMITTED
    assert await one(store, commit(fence, 2, 3)) is Outcome.COMMITTED
    again = await stored(store, fence)
    assert again.version == 2
    assert again.checkpoint == commit(fence, 2).checkpoint
    assert again.outbox == [*commit(fence, 1, 1, 2).records, *commit(fence, 2, 3).records]


async def test_a_running_lease_keeps_everyone_out_even_its_owner(store: MatchStore) -> None:
    first = await acquire(store)
    assert await store.acquire(M, owner="b", lease_ttl_ms=TTL_MS) is None
    assert await store.acquire(M, owner="a", lease_ttl_ms=TTL_MS) is None
    assert await one(store, commit(first.fence, 1)) is Outcome.COMMITTED


async def test_an_owner_can_exchange_its_lease_for_a_new_one_in_one_step(store: MatchStore) -> None:
    first = await acquire(store)
    for owner, fence in (("b", first.fence - 1), ("a", first.fence + 1)):
        assert (
            await store.acquire(M, owner=owner, lease_ttl_ms=TTL_MS, instead_of=fence)
        ) is None, "that is not the lease which is running"
    second = await store.acquire(M, owner="a", lease_ttl_ms=TTL_MS, instead_of=first.fence)
    assert second is not None and second.fence > first.fence
    late = await store.acquire(M, owner="a", lease_ttl_ms=TTL_MS, instead_of=first.fence)
    assert late is None, "asked twice, it must not fence itself"
    assert await one(store, commit(first.fence, 1)) is Outcome.FENCED
    assert await one(store, commit(second.fence, 1)) is Outcome.COMMITTED


async def test_a_lease_that_ran_out_is_anyones_and_the_fence_rises(store: MatchStore) -> None:
    first = await acquire(store, ttl_ms=20)

    async def taken() -> bool:
        return await store.acquire(M, owner="b", lease_ttl_ms=TTL_MS) is not None

    await until(taken)
    assert await store.holder(M) == "b"
    assert await one(store, commit(first.fence, 1, 1)) is Outcome.FENCED
    assert await store.renew([Lease(M, first.fence)], lease_ttl_ms=TTL_MS) == [False]
    assert await store.holder(M) == "b"


async def test_a_lease_that_ran_out_but_was_taken_by_nobody_is_renewed(store: MatchStore) -> None:
    first = await acquire(store, ttl_ms=20)

    async def ran_out() -> bool:
        return await store.holder(M) == ""

    await until(ran_out)
    assert await orphans(store) == [M]
    assert await store.renew([Lease(M, first.fence)], lease_ttl_ms=TTL_MS) == [True]
    assert await store.holder(M) == "a"
    assert await orphans(store) == []


async def test_a_commit_prolongs_the_lease(store: MatchStore) -> None:
    fence = (await acquire(store, ttl_ms=20)).fence

    async def ran_out() -> bool:
        return await store.holder(M) == ""

    await until(ran_out)
    assert await one(store, commit(fence, 1)) is Outcome.COMMITTED
    assert await store.holder(M) == "a"


async def test_the_same_commit_again_writes_nothing(store: MatchStore) -> None:
    fence = (await acquire(store)).fence
    assert await one(store, commit(fence, 1, 1, 2)) is Outcome.COMMITTED
    assert await one(store, commit(fence, 1, 1, 2, mark=" other")) is Outcome.COMMITTED
    after = await stored(store, fence)
    assert after.checkpoint == commit(fence, 1).checkpoint
    assert [entry.seq for entry in after.outbox] == [1, 2]


@pytest.mark.parametrize("version", [1, 2, 4, 5])
async def test_any_other_version_is_a_conflict_and_writes_nothing(
    store: MatchStore, version: int
) -> None:
    fence = (await acquire(store)).fence
    for number in (1, 2, 3):
        await one(store, commit(fence, number, number))
    expected = Outcome.COMMITTED if version == 4 else Outcome.CONFLICT
    assert await one(store, commit(fence, version, 4)) is expected
    after = await stored(store, fence)
    assert after.version == (4 if version == 4 else 3)
    assert len(after.outbox) == after.version


async def test_a_match_that_the_store_has_lost_is_a_conflict(store: MatchStore) -> None:
    assert await one(store, commit(5, 7, 1)) is Outcome.CONFLICT
    assert await store.renew([Lease(M, 5)], lease_ttl_ms=TTL_MS) == [False]
    fence = (await acquire(store)).fence
    assert await one(store, commit(fence + 1, 1, 1)) is Outcome.CONFLICT


async def test_each_match_of_a_group_has_its_own_outcome(store: MatchStore) -> None:
    ids = [MatchId(f"m{number}") for number in range(150)]
    fences = [(await acquire(store, match_id)).fence for match_id in ids]
    commits = [
        commit(fence - (number % 3 == 1), 1 + (number % 3 == 2), number + 1, match_id=match_id)
        for number, (match_id, fence) in enumerate(zip(ids, fences, strict=True))
    ]
    outcomes = await store.commit(commits, lease_ttl_ms=TTL_MS)
    kinds = (Outcome.COMMITTED, Outcome.FENCED, Outcome.CONFLICT)
    assert outcomes == [kinds[number % 3] for number in range(150)]
    for number in (0, 1, 2, 147):
        after = await stored(store, fences[number], ids[number])
        assert len(after.outbox) == (number % 3 == 0)
    leases = [Lease(match_id, fence) for match_id, fence in zip(ids, fences, strict=True)]
    renewed = await store.renew(leases[3:147], lease_ttl_ms=TTL_MS)
    assert renewed == [True] * 144
    assert await store.renew([], lease_ttl_ms=TTL_MS) == []
    assert await store.commit([], lease_ttl_ms=TTL_MS) == []


async def test_the_outbox_is_trimmed_by_itself_or_with_a_commit(store: MatchStore) -> None:
    fence = (await acquire(store)).fence
    await one(store, commit(fence, 1, 1, 2, 3, 4, 5))
    await store.trim(M, up_to_seq=2)
    await store.trim(M, up_to_seq=1)
    after = await stored(store, fence)
    assert [e.seq for e in after.outbox] == [3, 4, 5]
    await one(store, commit(after.fence, 2, 6, trim_seq=4))
    assert [e.seq for e in (await stored(store, after.fence)).outbox] == [5, 6]


async def test_a_record_that_is_there_already_is_not_written_twice(store: MatchStore) -> None:
    fence = (await acquire(store)).fence
    await one(store, commit(fence, 1, 1, 2, 3))
    await store.trim(M, up_to_seq=3)
    assert await one(store, commit(fence, 2, 2, 3, 4)) is Outcome.COMMITTED
    assert [e.seq for e in (await stored(store, fence)).outbox] == [4]


async def test_a_released_match_is_anyones_at_once(store: MatchStore) -> None:
    first = await acquire(store)
    await one(store, commit(first.fence, 1, 1))
    await store.release(Lease(M, first.fence - 1))
    assert await store.acquire(M, owner="b", lease_ttl_ms=TTL_MS) is None
    await store.release(Lease(M, first.fence))
    assert await store.holder(M) == ""
    second = await acquire(store, owner="b")
    assert second.fence > first.fence
    assert (second.version, len(second.outbox)) == (1, 1)


async def test_what_comes_late_does_not_bring_a_released_lease_back(store: MatchStore) -> None:
    fence = (await acquire(store)).fence
    await one(store, commit(fence, 1, 1))
    await store.release(Lease(M, fence))
    assert await store.renew([Lease(M, fence)], lease_ttl_ms=TTL_MS) == [False]
    assert await one(store, commit(fence, 1, 1)) is Outcome.COMMITTED, "a repetition"
    assert await one(store, commit(fence, 2, 2)) is Outcome.FENCED
    assert await store.holder(M) == ""
    assert (await acquire(store, owner="b")).version == 1


async def test_only_an_ended_match_without_outbox_is_forgotten(store: MatchStore) -> None:
    fence = (await acquire(store)).fence
    await one(store, commit(fence, 1, 1))
    assert not await store.forget(Lease(M, fence))
    await store.trim(M, up_to_seq=1)
    assert not await store.forget(Lease(M, fence - 1))
    assert await store.holder(M) == "a"
    assert await store.forget(Lease(M, fence))
    assert await store.holder(M) is None
    assert await orphans(store) == []
    assert await store.forget(Lease(M, fence)), "an answer may be lost: again is no error"


async def test_who_slept_through_the_end_is_fenced_and_revives_nothing(store: MatchStore) -> None:
    sleeper = await acquire(store)
    await store.release(Lease(M, sleeper.fence))
    fence = (await acquire(store, owner="b")).fence
    assert await store.forget(Lease(M, fence))
    assert await one(store, commit(sleeper.fence, 1, 1)) is Outcome.FENCED
    assert await store.renew([Lease(M, sleeper.fence)], lease_ttl_ms=TTL_MS) == [False]
    assert await store.acquire(M, owner="c", lease_ttl_ms=TTL_MS) is None
    assert await store.holder(M) is None
    assert await orphans(store) == []


async def test_orphans_are_the_open_matches_without_a_lease(store: MatchStore) -> None:
    ids = [MatchId(f"m{number:02d}") for number in range(20)]
    leases = [Lease(match_id, (await acquire(store, match_id)).fence) for match_id in ids]
    assert await orphans(store) == []
    for lease in leases[5:15]:
        await store.release(lease)
    assert sorted(await orphans(store)) == ids[5:15]
    assert await store.holder(MatchId("unknown")) is None


async def test_calls_at_once_do_not_mix(store: MatchStore) -> None:
    ids = [MatchId(f"m{number:02d}") for number in range(60)]
    acquired = await asyncio.gather(*(acquire(store, match_id) for match_id in ids))
    await asyncio.gather(
        *(
            one(store, commit(got.fence, 1, number + 1, match_id=match_id))
            for number, (match_id, got) in enumerate(zip(ids, acquired, strict=True))
        )
    )
    for number, (match_id, got) in enumerate(zip(ids, acquired, strict=True)):
        after = await stored(store, got.fence, match_id)
        assert [e.seq for e in after.outbox] == [number + 1]


# ── what only a real server does ─────────────────────────────────────────────────────────────────


async def test_redis_goes_and_comes_back(tmp_path: Path) -> None:
    """While it is away every call says so in time; afterwards nothing is missing, and the scripts
    that the new process does not know are loaded again."""
    loop = asyncio.get_running_loop()
    valkey = Valkey(port=free_port(), data=tmp_path / "data", log=tmp_path / "log")
    metrics = Metrics()
    config = Config(redis_url=valkey.url, redis_timeout_ms=500)
    await loop.run_in_executor(None, valkey.start)
    try:
        async with RedisMatchStore.connect(config, metrics=metrics) as store:
            await store.check_server()
            fence = (await acquire(store)).fence
            assert await one(store, commit(fence, 1, 1)) is Outcome.COMMITTED
            await loop.run_in_executor(None, valkey.stop)
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await one(store, commit(fence, 2, 2))
            with pytest.raises(StoreUnavailable):
                await store.orphans()
            with pytest.raises(StoreUnavailable):
                await store.take_turn(turn_ms=TTL_MS)
            assert metrics.store_errors == 5
            await loop.run_in_executor(None, valkey.start)

            async def answers() -> bool:
                try:
                    return await one(store, commit(fence, 2, 2)) is Outcome.COMMITTED
                except StoreUnavailable:
                    return False

            await until(answers)
            after = await stored(store, fence)
            assert (after.version, [e.seq for e in after.outbox]) == (2, [1, 2])
    finally:
        await loop.run_in_executor(None, valkey.stop)


async def test_a_call_ends_in_time_when_nothing_answers() -> None:
    async with silent_redis() as url:
        config = Config(redis_url=url, redis_timeout_ms=50)
        async with RedisMatchStore.connect(config, metrics=Metrics()) as store, asyncio.timeout(60):
            with pytest.raises(StoreUnavailable):
                await store.acquire(M, owner="a", lease_ttl_ms=1000)


async def test_a_store_that_evicts_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    valkey = Valkey(port=free_port(), data=tmp_path / "data", log=tmp_path / "log")
    await loop.run_in_executor(None, valkey.start)
    try:
        config = Config(redis_url=valkey.url)
        async with RedisMatchStore.connect(config, metrics=Metrics()) as store:
            await store.check_server()
            assert "noeviction" not in caplog.text
            await store._client.config_set("maxmemory-policy", "allkeys-lru")
            await store.check_server()
            assert "noeviction" in caplog.text
    finally:
        await loop.run_in_executor(None, valkey.stop)
