"""All that is kept of one player, and of nobody else, is exported and erased."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator

import msgspec
import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_player import erase_player, export_player
from gameserver.adapters.dynamodb_profiles import DynamoProfiles
from gameserver.adapters.dynamodb_sessions import DynamoSessions
from gameserver.adapters.redis_cache import RedisCacheStore
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_player_data import (
    erase_redis_player,
    export_redis_player,
    redis_player_data,
)
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.devstack.moto import Moto
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.metrics import Metrics
from gameserver.players.port import ProfileChange
from gameserver.players.profiles import Profiles
from tests.contract.test_match_store import redis_url
from tests.contract.test_player_tables import Wall, record
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.fakes.memory_tables import MemoryProfiles
from tests.players.test_profiles import ReversingSealer, identity

TTL_MS = 60_000


@pytest.fixture
def player() -> PlayerId:
    return PlayerId("p-" + uuid.uuid4().hex)


async def test_dynamodb(moto: Moto, player: PlayerId) -> None:
    config = Config(
        dynamodb_endpoint_url=moto.endpoint_url,
        aws_region=moto.region,
        profiles_table=moto.identity["profiles_table"],
        sessions_table=moto.identity["sessions_table"],
    )
    other = PlayerId(player + "x")
    async with DynamoDb(config, metrics=Metrics()) as db:
        sealer = ReversingSealer()
        cache = SharedCache(
            MemoryCacheHub().store(), config, entropy=SeededEntropy(1), metrics=Metrics()
        )
        store = DynamoProfiles(db, table=config.profiles_table)
        profiles = Profiles(store, cache, sealer, clock=Wall(), ttl_ms=TTL_MS)
        change = ProfileChange(display_name="Ann", email="a@b.example", settings={"sound": 0.5})
        for each in (player, other):
            await profiles.change(identity(each), change, version=1)
        await cache.close()
        sessions = DynamoSessions(db, table=config.sessions_table, clock=Wall())
        for number in range(40):
            # Half of them have expired, which an export has to tell all the same.
            expires_at = Wall().wall_ms() // 1000 + (number % 2) * 60
            await sessions.put(record(player, f"s{number}", expires_at=expires_at))
        await sessions.put(record(other))

        exported = await export_player(db, config, player, sealer=sealer)
        [profile] = exported["profiles"]
        assert (profile["display_name"], profile["email"]) == ("Ann", "a@b.example")
        assert profile["settings"] == {"sound": 0.5}
        assert len(exported["sessions"]) == 40
        assert json.loads(json.dumps(exported)) == exported
        assert {each["player_id"] for kind in exported.values() for each in kind} == {player}

        assert await erase_player(db, config, player) == {"profiles": 1, "sessions": 40}
        assert await erase_player(db, config, player) == {"profiles": 0, "sessions": 0}
        nothing = {"profiles": [], "sessions": []}
        assert await export_player(db, config, player, sealer=sealer) == nothing
        assert await store.get(other) is not None
        assert len(await sessions.of_player(other)) == 1
        without_tables = msgspec.structs.replace(config, profiles_table="", sessions_table="")
        assert await export_player(db, without_tables, other, sealer=sealer) == nothing
        assert await erase_player(db, without_tables, other) == {"profiles": 0, "sessions": 0}


@pytest.fixture(params=["redis", "redis_cluster"])
async def config(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[Config]:
    url = redis_url(request)
    in_cluster = request.param == "redis_cluster"
    yield Config(redis_url=url, redis_cluster=in_cluster, redis_prefix=redis_prefix)


@pytest.fixture
async def client(config: Config) -> AsyncIterator[Client]:
    connected = redis_client.connect(config, name="operator", connections_max=4)
    await redis_client.begin(connected)
    yield connected
    await connected.aclose()


async def test_redis(config: Config, client: Client, player: PlayerId) -> None:
    prefix, other = config.redis_prefix, PlayerId(player + "x")
    directory = RedisDirectory(client, prefix=prefix, clock=Wall(), metrics=Metrics())
    store = RedisCacheStore(config, entropy=SeededEntropy(1), metrics=Metrics())
    cache = SharedCache(store, config, entropy=SeededEntropy(1), metrics=Metrics())
    profiles = Profiles(MemoryProfiles(), cache, ReversingSealer(), clock=Wall(), ttl_ms=TTL_MS)
    async with store:
        for each in (player, other):
            await directory.seats({each: MatchId("m1")}, ttl_ms=TTL_MS)
            await profiles.own(identity(each))
            await profiles.own(identity(each))

        found = await redis_player_data(client, prefix, player)
        kinds = sorted(key.split(":")[1] for key in found)
        assert kinds == ["cache", "seat"]
        exported = await export_redis_player(client, prefix, player)
        assert {each["key"] for each in exported} == set(found)
        assert {"key": f"{prefix}:seat:{player}", "value": "m1"} in exported
        assert json.loads(json.dumps(exported)) == exported

        assert await erase_redis_player(client, prefix, player, seated=True) == 1
        assert await erase_redis_player(client, prefix, player) == 1
        assert await erase_redis_player(client, prefix, player) == 0
        assert len(await redis_player_data(client, prefix, other)) == 2
        await cache.close()


async def test_a_redis_that_does_not_answer_is_unavailable() -> None:
    config = Config(redis_url="redis://127.0.0.1:9/0")
    client = redis_client.connect(config, name="operator", connections_max=1)
    for call in (redis_player_data, export_redis_player, erase_redis_player):
        with pytest.raises(StoreUnavailable):
            await call(client, "x", PlayerId("p"))
    await client.aclose()
