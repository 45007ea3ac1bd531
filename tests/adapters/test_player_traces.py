"""What is found of a player in Redis, on one server and in a cluster."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.player_traces import DynamoTraces, RedisTraces
from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.config import Config
from gameserver.devstack.moto import Moto
from gameserver.devstack.process import free_port
from gameserver.errors import StoreUnavailable, Unavailable
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from gameserver.ports import Lease
from tests.contract.test_match_store import PATIENT_MS, redis_url

PLAYER = "p*1[a]-b\\c{x}"
FOUND = {"keys": 0, "bans": 0, "calls": 0}


@pytest.mark.parametrize("request_param", ["redis", "redis_cluster"])
async def test_keys_of_the_player_and_of_nobody_else(
    request: pytest.FixtureRequest, redis_prefix: str, request_param: str
) -> None:
    request.param = request_param  # type: ignore[attr-defined]
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request_param == "redis_cluster",
        redis_prefix=redis_prefix,
    )
    client = redis_client.connect(config, name="t", connections_max=4)
    await redis_client.begin(client)
    any_client = cast(Any, client)
    others = [f"seat:{PLAYER}x", f"seat:x{PLAYER}"]
    for name in [f"seat:{PLAYER}", *others]:
        await any_client.set(f"{redis_prefix}:{name}", "m1")
    matches = RedisMatchStore(client, prefix=redis_prefix, timeout_ms=5_000, metrics=Metrics())
    acquired = await matches.acquire(MatchId("m1"), owner="n", lease_ttl_ms=60_000)
    assert acquired is not None
    async with RedisTraces(config, metrics=Metrics()) as traces:
        assert await traces.look(PLAYER) == FOUND | {"keys": 1}
        assert await traces.running(PLAYER, ["m0"]) == ["m1"]
        assert await traces.running("nobody", ["m0", "m1"]) == ["m1"]
        exported = (await traces.export(PLAYER))["keys"]
        assert [one["value"] for one in exported] == ["m1"]
        assert await traces.erase(PLAYER) == FOUND, "the seat is taken"
        assert await matches.forget(Lease(MatchId("m1"), acquired.fence))
        assert await traces.running(PLAYER, ["m0"]) == []
        assert await traces.erase(PLAYER) == FOUND | {"keys": 1}
        assert await traces.look(PLAYER) == FOUND
    left = [await any_client.exists(f"{redis_prefix}:{name}") for name in others]
    assert left == [1, 1]
    await client.aclose()


async def test_a_redis_that_is_away() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    async with RedisTraces(config, metrics=Metrics()) as traces:
        with pytest.raises(StoreUnavailable):
            await traces.erase("p")


async def test_tables_that_are_away_or_not_named(moto: Moto) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    config = Config(profiles_table="gameserver-profiles", dynamodb_endpoint_url=nowhere)
    async with DynamoTraces(config, metrics=Metrics()) as traces:
        with pytest.raises(Unavailable, match="DynamoDB"):
            await traces.erase("p")
    async with DynamoTraces(Config(), metrics=Metrics()) as traces:
        assert await traces.erase("p") == {"profiles": 0, "sessions": 0, "friends": 0}
