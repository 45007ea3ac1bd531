"""All that is kept of one player, and of nobody else, is exported and erased."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator

import msgspec
import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_friends import DynamoFriends
from gameserver.adapters.dynamodb_player import count_player, erase_player, export_player
from gameserver.adapters.dynamodb_profiles import DynamoProfiles
from gameserver.adapters.dynamodb_sessions import DynamoSessions
from gameserver.adapters.redis_cache import RedisCacheStore
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_connected import RedisConnected
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_parties import RedisParties
from gameserver.adapters.redis_player_data import (
    erase_redis_player,
    export_redis_player,
    redis_player_data,
)
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.devstack.moto import Moto
from gameserver.errors import StoreUnavailable
from gameserver.friendship import BLOCKED, BLOCKED_BY, FRIENDS, IGNORED, NOTHING
from gameserver.ids import MatchId, PlayerId, SessionId
from gameserver.matchmaking import Queue, Rating
from gameserver.metrics import Metrics
from gameserver.notification import Letter
from gameserver.parties import Party, PartyId
from gameserver.players.port import ProfileChange
from gameserver.players.profiles import Profiles
from gameserver.players.ratings import CachedRatings
from gameserver.whereabouts import Claim, Connected
from tests.contract.test_match_store import redis_url
from tests.contract.test_player_tables import NOW_MS, Wall, record
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.fakes.memory_tables import MemoryProfiles
from tests.players.test_profiles import ReversingSealer, identity

TTL_MS = 60_000
LETTER = Letter("id", 1, "gift", "ben", {}, TTL_MS)


@pytest.fixture
def player() -> PlayerId:
    return PlayerId("p-" + uuid.uuid4().hex)


async def test_dynamodb(moto: Moto, player: PlayerId) -> None:
    config = Config(
        dynamodb_endpoint_url=moto.endpoint_url,
        aws_region=moto.region,
        profiles_table=moto.identity["profiles_table"],
        sessions_table=moto.identity["sessions_table"],
        friends_table=moto.identity["friends_table"],
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
        friends = DynamoFriends(db, table=config.friends_table)
        others = [PlayerId(f"{player}-{number}") for number in range(20)]
        sides = [
            (FRIENDS, FRIENDS),
            (BLOCKED, BLOCKED_BY),
            (BLOCKED_BY, BLOCKED),
            (IGNORED, BLOCKED),
        ]
        for number, each in enumerate(others):
            await friends.change(player, each, NOTHING, sides[number % 4], at_ms=NOW_MS)
        await friends.change(others[0], other, NOTHING, (FRIENDS, FRIENDS), at_ms=NOW_MS)

        exported = await export_player(db, config, player, sealer=sealer)
        [profile] = exported["profiles"]
        assert (profile["display_name"], profile["email"]) == ("Ann", "a@b.example")
        assert profile["settings"] == {"sound": 0.5}
        assert len(exported["sessions"]) == 40
        ties = [tie["side"] for tie in exported["friends"]]
        assert sorted(ties) == ["asked"] * 5 + ["blocked"] * 5 + ["friends"] * 5, "as they see it"
        assert json.loads(json.dumps(exported)) == exported
        assert {each["player_id"] for kind in exported.values() for each in kind} == {player}

        counts = {"profiles": 1, "sessions": 40, "friends": 20}
        assert await count_player(db, config, player) == counts
        assert await erase_player(db, config, player) == counts
        none = dict.fromkeys(counts, 0)
        assert await erase_player(db, config, player) == none
        for each in others:
            assert [tie.other_id for tie in await friends.ties(each)] == [other][
                : each == others[0]
            ]
        nothing: dict[str, list[object]] = {"profiles": [], "sessions": [], "friends": []}
        assert await export_player(db, config, player, sealer=sealer) == nothing
        assert await store.get(other) is not None
        assert len(await sessions.of_player(other)) == 1
        without_tables = msgspec.structs.replace(
            config, profiles_table="", sessions_table="", friends_table=""
        )
        assert await export_player(db, without_tables, other, sealer=sealer) == nothing
        assert await erase_player(db, without_tables, other) == none


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


class Rated:
    """Implements ``players.ratings.RatingSource``."""

    async def of_player(self, player: PlayerId) -> dict[str, Rating]:
        return {"arena/duel": Rating(30.0, 2.0)}


async def test_redis(config: Config, client: Client, player: PlayerId) -> None:
    prefix, other = config.redis_prefix, PlayerId(player + "x")
    directory = RedisDirectory(client, prefix=prefix, clock=Wall(), metrics=Metrics())
    store = RedisCacheStore(config, entropy=SeededEntropy(1), metrics=Metrics())
    cache = SharedCache(store, config, entropy=SeededEntropy(1), metrics=Metrics())
    profiles = Profiles(MemoryProfiles(), cache, ReversingSealer(), clock=Wall(), ttl_ms=TTL_MS)
    connected = RedisConnected(client, prefix=prefix, metrics=Metrics())
    async with store:
        for each in (player, other):
            await directory.seats({each: MatchId("m1")}, ttl_ms=TTL_MS)
            await profiles.own(identity(each))
            await profiles.own(identity(each))
            claim = Claim(player_id=each, connected=Connected(SessionId("s1"), "", 1, "n1"))
            await connected.claim([claim], ttl_ms=TTL_MS)
            await connected.post(each, LETTER, gone="s1")
            ratings = CachedRatings(
                Rated(), cache, ttl_ms=TTL_MS, wait_ms=TTL_MS, metrics=Metrics()
            )
            assert await ratings.ratings(Queue("arena", "duel"), [each])

        parties = RedisParties(client, prefix=prefix, away_ms=TTL_MS, metrics=Metrics())
        both, soon = (player, other), Wall().wall_ms() + TTL_MS
        mine = Party(id=PartyId("g1"), leader=player, members=both, stamp="s1")
        theirs = Party(
            id=PartyId("g2"),
            leader=PlayerId("x"),
            members=(PlayerId("x"),),
            invites=dict.fromkeys(both, soon),
            stamp="s2",
        )
        for party in (mine, theirs):
            await parties.write(None, party, now_ms=Wall().wall_ms())

        found = await redis_player_data(client, prefix, player)
        kinds = sorted(key.removeprefix(f"{prefix}:").removesuffix(f":{player}") for key in found)
        assert [re.sub(r"\d+", "n", kind) for kind in kinds] == [
            "cache:profile.n", "cache:rating.n", "seat", "{cn}:l", "{cn}:s", "{party}:i",
            "{party}:p",
        ]  # fmt: skip
        exported = await export_redis_player(client, prefix, player)
        assert {each["key"] for each in exported} == set(found)
        assert {"key": f"{prefix}:seat:{player}", "value": "m1"} in exported
        assert json.loads(json.dumps(exported)) == exported

        assert await erase_redis_player(client, prefix, player, seated=True) == 6
        assert await erase_redis_player(client, prefix, player) == 1
        assert await erase_redis_player(client, prefix, player) == 0
        assert len(await redis_player_data(client, prefix, other)) == 7
        for name, left in (("g1", [other]), ("g2", ["x"])):
            kept = await parties.find(PartyId(name))
            assert kept is not None and list(kept.party.members) == left
            assert player not in kept.party.invites
        await cache.close()


async def test_a_redis_that_does_not_answer_is_unavailable() -> None:
    config = Config(redis_url="redis://127.0.0.1:9/0")
    client = redis_client.connect(config, name="operator", connections_max=1)
    for call in (redis_player_data, export_redis_player, erase_redis_player):
        with pytest.raises(StoreUnavailable):
            await call(client, "x", PlayerId("p"))
    await client.aclose()
