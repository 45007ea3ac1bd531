"""What every store of bans and of operators' calls does: Redis' and those in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_audit import RedisAudit
from gameserver.adapters.redis_bans import RedisBans
from gameserver.adapters.redis_operated import Operated
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import KeysUnavailable, StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.operating import ASKED, AuditLog, AuditRecord, Ban, BanStore
from tests.contract.test_match_store import PATIENT_MS, REDIS_TLS, redis_url
from tests.fakes.memory_keys import MemoryKms, data_keys
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
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param == "redis_cluster",
    )
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


async def test_records_are_bounded_with_all_they_said(
    client: redis_client.Client | None, redis_prefix: str
) -> None:
    if client is None:
        return  # The one in memory lives as long as a test.
    audit = RedisAudit(client, prefix=redis_prefix, entries_max=9, metrics=Metrics())
    for number in range(30):
        await audit.add(record(number))
    lower = RedisAudit(client, prefix=redis_prefix, entries_max=5, metrics=Metrics())
    await lower.add(record(30))
    assert [one.at_ms for _, one in await audit.page("", 1_000)] == [30, 29, 28, 27, 26]
    assert await client.hlen(f"{redis_prefix}:{{audit}}:words") == 5  # type: ignore[misc]


async def test_what_cannot_be_read_is_left_out(valkey_url: str, redis_prefix: str) -> None:
    client = redis_client.connect(Config(redis_url=valkey_url), name="x", connections_max=1)
    bans = RedisBans(client, prefix=redis_prefix, metrics=Metrics())
    audit = RedisAudit(client, prefix=redis_prefix, entries_max=9, metrics=Metrics())
    await client.hset(f"{redis_prefix}:{{bans}}:all", "x", "?")  # type: ignore[misc]
    await client.xadd(f"{redis_prefix}:{{audit}}:calls", {"r": msgspec.msgpack.encode([1])})
    await bans.put(ban("ann"))
    await audit.add(record(1))
    assert (await bans.read(now_ms=0))[1] == [ban("ann")]
    assert [found.at_ms for _, found in await audit.page("", 5)] == [1]
    await client.aclose()


# ── sealed, exported, erased ─────────────────────────────────────────────────────────────────────


class Sealed:
    """Both stores as a node has them; nodes share one KMS and one Redis."""

    def __init__(self, client: redis_client.Client, prefix: str, keys: DataKeys) -> None:
        metrics = Metrics()
        self.bans = RedisBans(client, prefix=prefix, metrics=metrics, keys=keys)
        self.audit = RedisAudit(client, prefix=prefix, entries_max=9, metrics=metrics, keys=keys)
        self.operated = Operated(client, prefix=prefix, metrics=metrics, keys=keys)


@pytest.fixture
async def client_of_one(valkey_url: str) -> AsyncIterator[Any]:
    client = redis_client.connect(Config(redis_url=valkey_url), name="x", connections_max=2)
    yield client
    await client.aclose()


async def _stored(client: Any, prefix: str) -> bytes:
    """Everything that is there."""
    found = [str(await client.hgetall(f"{prefix}:{{bans}}:all")).encode()]
    found.append(str(await client.hgetall(f"{prefix}:{{audit}}:words")).encode())
    found.append(str(await client.xrange(f"{prefix}:{{audit}}:calls")).encode())
    return b"".join(found)


async def test_reasons_are_sealed_and_another_node_opens_them(
    client_of_one: Any, redis_prefix: str
) -> None:
    kms = MemoryKms()
    one = Sealed(client_of_one, redis_prefix, await data_keys(kms))
    two = Sealed(client_of_one, redis_prefix, await data_keys(kms))
    made = ban("ann", 9_000, "beats her dog")
    stored = await one.bans.put(made)
    assert (stored.reason, stored.told) == (made.reason, made.told)
    said = msgspec.structs.replace(record(1), reason="beats her dog", given='{"x":"her dog"}')
    await one.audit.add(said)
    assert b"dog" not in await _stored(client_of_one, redis_prefix)
    _, [found] = await two.bans.read(now_ms=0)
    assert (found.reason, found.told) == ("", "banned until 1970-01-01 00:00 UTC")
    opened = await two.bans.opened(found)
    assert opened.told == "banned until 1970-01-01 00:00 UTC: beats her dog"
    assert opened == msgspec.structs.replace(
        made, sealed=found.sealed, told=opened.told, reason=made.reason
    )
    assert [one for _, one in await two.audit.page("", 5)] == [said]

    three = Sealed(client_of_one, redis_prefix, await data_keys(kms))
    kms.down = True
    assert await three.bans.opened(found) == found, "it holds without"
    with pytest.raises(KeysUnavailable):
        await three.audit.page("", 5)
    moved = msgspec.structs.replace(found, player=PlayerId("ben"))
    assert await two.bans.opened(moved) == moved, "a reason opens for its player alone"


async def test_a_player_is_exported_and_erased_and_stays_banned(
    client_of_one: Any, redis_prefix: str
) -> None:
    node = Sealed(client_of_one, redis_prefix, await data_keys())
    for player in ("ann", "ben"):
        await node.bans.put(ban(player, 9_000))
        about = msgspec.structs.replace(record(1), about=player, subject=player, request_id=player)
        await node.audit.add(about)
    assert await node.operated.look(ANN) == {"bans": 1, "calls": 1}
    told = await node.operated.export(ANN)
    assert told["bans"] == [{"at_ms": 1_000, "until_ms": 9_000, "reason": "cheats"}]
    [call] = told["calls"]
    assert (call["subject"], call["reason"], "by" in call) == ("ann", "why", False)

    assert await node.operated.erase(ANN, now_ms=5_000) == {"bans": 1, "calls": 1}
    assert await node.operated.erase(ANN, now_ms=5_000) == {"bans": 0, "calls": 0}
    assert await node.operated.look(ANN) == {"bans": 0, "calls": 0}
    left = {one.player: one for one in (await node.bans.read(now_ms=5_000))[1]}
    assert left[ANN] == Ban(
        player=ANN,
        reason="",
        told="banned until 1970-01-01 00:00 UTC",
        by="",
        at_ms=1_000,
        until_ms=9_000,
    )
    assert (await node.bans.opened(left[PlayerId("ben")])).reason == "cheats"
    newest, oldest = [one for _, one in await node.audit.page("", 5)]
    assert (newest.about, newest.reason) == ("ben", "why")
    assert (oldest.about, oldest.subject, oldest.reason, oldest.given) == ("", "", "", "")
    assert (oldest.by, oldest.call, oldest.outcome) == ("olga", "POST /v1/admin/x", ASKED)

    assert await node.operated.erase(ANN, now_ms=9_000) == {"bans": 1, "calls": 0}, "it is over"
    assert await node.bans.find(ANN) is None
    version = await node.bans.version()
    assert await node.operated.erase(PlayerId("cid"), now_ms=0) == {"bans": 0, "calls": 0}
    assert await node.bans.version() == version


async def test_redis_away() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_timeout_ms=200)
    client = redis_client.connect(config, name="x", connections_max=1)
    with pytest.raises(StoreUnavailable):
        await RedisBans(client, prefix="p", metrics=Metrics()).version()
    with pytest.raises(StoreUnavailable):
        await RedisAudit(client, prefix="p", entries_max=9, metrics=Metrics()).page("", 1)
    await client.aclose()
