"""What every store of connections does: Redis' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from gameserver.adapters.redis_connected import RedisConnected, letters_key
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId, SessionId
from gameserver.metrics import Metrics
from gameserver.notification import Letter
from gameserver.whereabouts import (
    LETTERS_MAX,
    Claim,
    Claimed,
    Connected,
    ConnectedStore,
    How,
)
from tests.contract.test_match_store import (
    PATIENT_MS,
    REDIS_CLUSTER_TLS,
    REDIS_TLS,
    redis_url,
    until,
)
from tests.fakes.memory_connected import MemoryConnected
from tests.fakes.memory_keys import data_keys

TTL_MS = 60_000
P = PlayerId("ann")
STORES = ["memory", "redis", "sealed", "redis_cluster", REDIS_TLS, REDIS_CLUSTER_TLS]


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[ConnectedStore]:
    if request.param == "memory":
        loop = asyncio.get_running_loop()
        yield MemoryConnected(lambda: loop.time() * 1000)
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param.startswith("redis_cluster"),
        redis_prefix=request.getfixturevalue("redis_prefix"),
    )
    keys = await data_keys() if request.param == "sealed" else None
    async with RedisConnected.connect(config, metrics=Metrics(), keys=keys) as redis:
        yield redis


def at(session: str, *, client: str = "", since_ms: int = 1, node: str = "n1") -> Connected:
    return Connected(SessionId(session), client, since_ms, node)


def claim(connected: Connected, player: str = P, **more: Any) -> Claim:
    return Claim(player_id=PlayerId(player), connected=connected, **more)


def letter(number: int, *, keep_ms: int = TTL_MS) -> Letter:
    return Letter(
        f"id{number}", 1_800_000_000_000, "gift", "bob", {"é": number, "x": None}, keep_ms
    )


async def claimed(store: ConnectedStore, one: Claim, *, ttl_ms: int = TTL_MS) -> Claimed:
    [answer] = await store.claim([one], ttl_ms=ttl_ms)
    return answer


async def test_the_newest_is_the_players_session(store: ConnectedStore) -> None:
    assert await store.find([P]) == [None]
    assert await claimed(store, claim(at("s1"))) == Claimed(won=True)
    assert await claimed(store, claim(at("s1"))) == Claimed(won=True), "a lost answer"
    # Clocks of nodes may differ: what arrives later is the newer one.
    assert await claimed(store, claim(at("s2", since_ms=0))) == Claimed(won=True, other=at("s1"))
    assert await store.find([P]) == [at("s2", since_ms=0)]


async def test_of_many_at_once_one_is_there_and_all_others_are_told_of(
    store: ConnectedStore,
) -> None:
    sessions = [at(f"s{number}", node=f"n{number % 3}") for number in range(24)]
    answers = await asyncio.gather(*(claimed(store, claim(each)) for each in sessions))
    [there] = await store.find([P])
    assert there in sessions
    replaced = {each.other for each in answers if each.other is not None}
    assert replaced == set(sessions) - {there}


async def test_a_repeated_claim_yields_to_one_that_began_later(store: ConnectedStore) -> None:
    assert (await claimed(store, claim(at("s1", since_ms=5), how=How.LATER))).won, "it was lost"
    for since_ms in (4, 5):
        repeated = claim(at("s2", since_ms=since_ms), how=How.LATER)
        assert await claimed(store, repeated) == Claimed(won=False, other=at("s1", since_ms=5))
    later = claim(at("s3", since_ms=6), how=How.LATER)
    assert await claimed(store, later) == Claimed(won=True, other=at("s1", since_ms=5))
    moved = Connected(SessionId("s3"), "", 6, "n1", "arena", "m1")
    assert (await claimed(store, claim(moved, how=How.LATER))).won
    assert await store.find([P]) == [moved]


async def test_only_a_free_player_is_taken(store: ConnectedStore) -> None:
    first = at("s1", client="phone")
    answers = await asyncio.gather(
        *(claimed(store, claim(at(f"s{number}"), how=How.FREE)) for number in range(8))
    )
    assert [each.won for each in answers].count(True) == 1
    [there] = await store.find([P])
    assert there is not None
    await store.release([(P, there.session)])
    assert (await claimed(store, claim(first, how=How.FREE))).won
    for client in ("", "tab"):
        second = claim(at("s2", client=client), how=How.FREE)
        assert await claimed(store, second) == Claimed(won=False, other=first)
    again = claim(at("s3", client="phone"), how=How.FREE)
    assert await claimed(store, again) == Claimed(won=True, other=first), "the same client"
    gone = claim(at("s4", client="tab"), how=How.FREE, instead_of="s3")
    assert (await claimed(store, gone)).won
    late = claim(at("s5"), how=How.FREE, instead_of="s3")
    assert not (await claimed(store, late)).won, "somebody was quicker"


async def test_only_the_own_session_is_released(store: ConnectedStore) -> None:
    players = [PlayerId(f"p{number}") for number in range(20)]
    await store.claim([claim(at("s1"), each) for each in players], ttl_ms=TTL_MS)
    await claimed(store, claim(at("s2"), "p7"))
    await store.release([(each, SessionId("s1")) for each in players])
    found = await store.find(players)
    assert [each for each in found if each is not None] == [found[7]] == [at("s2")]
    assert await store.find([]) == [] == await store.claim([], ttl_ms=TTL_MS)


async def test_many_at_a_time(store: ConnectedStore) -> None:
    players = [PlayerId(f"p{number}") for number in range(450)]
    answers = await store.claim([claim(at("s1"), each) for each in players], ttl_ms=TTL_MS)
    assert answers == [Claimed(won=True)] * 450
    assert await store.find(players) == [at("s1")] * 450
    twice = [claim(at("s2"), "p3"), claim(at("s3"), "p3")]
    others = [each.other for each in await store.claim(twice, ttl_ms=TTL_MS)]
    assert others == [at("s1"), at("s2")]


async def test_a_lease_ends(store: ConnectedStore) -> None:
    async def gone() -> bool:
        return await store.find([P]) == [None]

    await claimed(store, claim(at("s1")), ttl_ms=30)
    await until(gone)
    assert await claimed(store, claim(at("s2"), how=How.FREE)) == Claimed(won=True)


async def test_letters_wait_for_who_is_not_connected(store: ConnectedStore) -> None:
    assert await store.post(P, letter(0, keep_ms=0)) is None
    for number in range(LETTERS_MAX + 3):
        assert await store.post(P, letter(number)) is None
    other = PlayerId("bob")
    assert (await claimed(store, claim(at("s1")))).letters
    assert not (await claimed(store, claim(at("s2"), other))).letters
    waiting = [letter(number) for number in range(3, LETTERS_MAX + 3)]
    assert await store.collect([other, P]) == [[], waiting], "the oldest give way"
    assert await store.collect([P]) == [[]]
    assert not (await claimed(store, claim(at("s1")))).letters


async def test_a_letter_for_who_is_connected_is_to_be_brought_there(store: ConnectedStore) -> None:
    await claimed(store, claim(at("s1")))
    assert await store.post(P, letter(1)) == at("s1")
    assert await store.post(P, letter(2), gone="s0") == at("s1")
    assert await store.collect([P]) == [[]]
    assert await store.post(P, letter(3), gone="s1") is None
    assert await store.collect([P]) == [[letter(3)]]


async def test_letters_run_out_each_by_itself(store: ConnectedStore) -> None:
    await store.post(P, letter(1, keep_ms=30))
    await store.post(P, letter(2))
    await store.post(P, letter(3, keep_ms=30))

    async def only_one() -> bool:
        await asyncio.sleep(0.05)
        return await store.collect([P]) == [[letter(2)]]

    await until(only_one)


async def test_a_sealed_letter_cannot_be_read_in_redis(valkey_url: str, redis_prefix: str) -> None:
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix)
    keys = await data_keys()
    async with (
        Redis.from_url(valkey_url) as redis,
        RedisConnected.connect(config, metrics=Metrics(), keys=keys) as store,
    ):
        secret = Letter("id", 1, "said", "bob", {"text": "secret"}, TTL_MS)
        await store.post(P, secret)
        key = letters_key(redis_prefix, P)
        stored = cast(bytes, await redis.get(key))
        assert b"secret" not in stored and b"c2VjcmV0" not in stored
        await redis.set(letters_key(redis_prefix, PlayerId("eve")), stored)
        assert await store.collect([PlayerId("eve"), P]) == [[], [secret]]


async def test_redis_away() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_timeout_ms=200)
    async with RedisConnected.connect(config, metrics=Metrics()) as store:
        for call in (
            store.claim([claim(at("s1"))], ttl_ms=TTL_MS),
            store.release([(P, SessionId("s1"))]),
            store.find([P]),
            store.post(P, letter(1)),
            store.collect([P]),
        ):
            with pytest.raises(StoreUnavailable):
                await call
