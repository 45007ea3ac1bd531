"""What every store of bans and of operators' calls does: Redis' and those in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.redis_audit import RedisAudit
from gameserver.adapters.redis_bans import RedisBans
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.operating import ASKED, AuditLog, AuditRecord, Ban, BanStore
from tests.contract.test_match_store import REDIS_TLS, redis_url
from tests.fakes.memory_operating import MemoryAudit, MemoryBanStore

KINDS = ["memory", "redis", "redis_cluster", REDIS_TLS]
ANN = PlayerId("ann")
ENTRIES_MAX = 300


def ban(player: str, until_ms: int | None = None, reason: str = "cheats") -> Ban:
    return Ban(
        player=PlayerId(player),
        reason=reason,
        told=f"banned: {reason}",
        by="olga",
        at_ms=1_000,
        until_ms=until_ms,
    )


def record(number: int) -> AuditRecord:
    return AuditRecord(
        at_ms=number,
        player=PlayerId("op"),
        by="olga",
        call="POST /v1/admin/x",
        subject="m1",
        reason="why",
        given="{}",
        request_id=f"r{number}",
        outcome=ASKED,
    )


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[redis_client.Client | None]:
    if request.param == "memory":
        yield None
        return
    config = Config(redis_url=redis_url(request), redis_cluster=request.param == "redis_cluster")
    client = redis_client.connect(config, name="operating", connections_max=4)
    await redis_client.begin(client)
    yield client
    await client.aclose()


@pytest.fixture
def bans(client: redis_client.Client | None, redis_prefix: str) -> BanStore:
    if client is None:
        return MemoryBanStore()
    return RedisBans(client, prefix=redis_prefix, metrics=Metrics())


@pytest.fixture
def audit(client: redis_client.Client | None, redis_prefix: str) -> AuditLog:
    if client is None:
        return MemoryAudit()
    return RedisAudit(client, prefix=redis_prefix, entries_max=ENTRIES_MAX, metrics=Metrics())


async def test_a_ban_is_stored_replaced_and_removed(bans: BanStore) -> None:
    assert await bans.read(now_ms=0) == (await bans.version(), [])
    await bans.put(ban("ann"))
    await bans.put(ban("ben", 9_000))
    await bans.put(ban("ann", 5_000, "worse"))
    version, found = await bans.read(now_ms=0)
    assert sorted(found, key=lambda one: one.player) == [
        ban("ann", 5_000, "worse"),
        ban("ben", 9_000),
    ]
    assert version == await bans.version()
    assert await bans.remove(ANN) and not await bans.remove(ANN)
    assert (await bans.read(now_ms=0))[1] == [ban("ben", 9_000)]


async def test_only_a_change_changes_the_version(bans: BanStore) -> None:
    seen = [await bans.version()]
    for change in (bans.put(ban("ann")), bans.put(ban("ann", 7)), bans.remove(ANN)):
        await change
        seen.append(await bans.version())
    assert len(set(seen)) == 4
    await bans.remove(ANN)
    await bans.read(now_ms=0)
    assert await bans.version() == seen[-1]


async def test_a_ban_that_has_run_out_is_gone(bans: BanStore) -> None:
    await bans.put(ban("ann", 5_000))
    await bans.put(ban("ben"))
    assert (await bans.read(now_ms=5_000))[1] == [ban("ben")]
    assert (await bans.read(now_ms=0))[1] == [ban("ben")], "it was taken out"


async def test_records_come_back_newest_first_page_by_page(audit: AuditLog) -> None:
    assert await audit.page("", 10) == []
    for number in range(7):
        await audit.add(record(number))
    pages, before = [], ""
    while page := await audit.page(before, 3):
        pages.append([found.at_ms for _, found in page])
        before = page[-1][0]
    assert pages == [[6, 5, 4], [3, 2, 1], [0]]
    assert (await audit.page("", 1))[0][1] == record(6)


async def test_the_stream_of_records_is_bounded(
    client: redis_client.Client | None, audit: AuditLog
) -> None:
    if client is None:
        return  # The one in memory lives as long as a test.
    for number in range(ENTRIES_MAX + 250):
        await audit.add(record(number))
    kept = await audit.page("", 1_000)
    # Redis cuts whole nodes of the stream, of 100 entries by default.
    assert ENTRIES_MAX <= len(kept) < ENTRIES_MAX + 150
    assert kept[0][1].at_ms == ENTRIES_MAX + 249


async def test_what_cannot_be_read_is_left_out(valkey_url: str, redis_prefix: str) -> None:
    client = redis_client.connect(Config(redis_url=valkey_url), name="x", connections_max=1)
    bans = RedisBans(client, prefix=redis_prefix, metrics=Metrics())
    audit = RedisAudit(client, prefix=redis_prefix, entries_max=9, metrics=Metrics())
    await client.hset(f"{redis_prefix}:{{bans}}:all", "x", "?")  # type: ignore[misc]
    await client.xadd(f"{redis_prefix}:audit", {"r": msgspec.msgpack.encode([1])})
    await bans.put(ban("ann"))
    await audit.add(record(1))
    assert (await bans.read(now_ms=0))[1] == [ban("ann")]
    assert [found.at_ms for _, found in await audit.page("", 5)] == [1]
    await client.aclose()


async def test_redis_away() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_timeout_ms=200)
    client = redis_client.connect(config, name="x", connections_max=1)
    with pytest.raises(StoreUnavailable):
        await RedisBans(client, prefix="p", metrics=Metrics()).version()
    with pytest.raises(StoreUnavailable):
        await RedisAudit(client, prefix="p", entries_max=9, metrics=Metrics()).page("", 1)
    await client.aclose()
