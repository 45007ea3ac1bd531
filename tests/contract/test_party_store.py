"""What every store of parties answers: Redis' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.redis_parties import RedisParties
from gameserver.config import Config
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.lobby import party as rules
from gameserver.lobby.party_desk import PartyDesk
from gameserver.metrics import Metrics
from gameserver.parties import INVITES_MAX, Found, Party, PartyId, PartyRefused, PartyStore, Wrote
from tests.contract.test_match_store import PATIENT_MS, STORES, redis_url
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_hosting import MemoryHosting
from tests.fakes.memory_parties import MemoryParties, MemoryPartyNews, NoTickets

ANN, BOB, CID = PlayerId("ann"), PlayerId("bob"), PlayerId("cid")
NOW_MS = 1_000_000
AWAY_MS = LONG_MS = 30_000
SOON_MS = 40
"""After so long a member is away, where a test wants to see it."""
ACTS = (*["create"] * 3, *["invite"] * 5, *["accept"] * 5, "leave", "kick", "promote", "disband")
NOBODY: frozenset[PlayerId] = frozenset()


class Stores:
    """The same parties, as stores with different lives of their members see them."""

    def __init__(self, request: pytest.FixtureRequest, client: redis_client.Client | None) -> None:
        self._client = client
        self._prefix = request.getfixturevalue("redis_prefix")
        loop = asyncio.get_running_loop()
        self._memory = MemoryParties(lambda: EPOCH_MS + loop.time() * 1000, away_ms=AWAY_MS)

    def __call__(self, away_ms: int = AWAY_MS) -> PartyStore:
        if self._client is None:
            self._memory.away_ms = away_ms
            return self._memory
        return RedisParties(self._client, prefix=self._prefix, away_ms=away_ms, metrics=Metrics())


@pytest.fixture(params=STORES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield Stores(request, None)
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param.startswith("redis_cluster"),
    )
    client = redis_client.connect(config, name="parties", connections_max=8)
    await redis_client.begin(client)
    yield Stores(request, client)
    await client.aclose()


@pytest.fixture
def store(stores: Stores) -> PartyStore:
    return stores()


def party(stamp: str, *members: PlayerId, name: str = "g1", **invites: int) -> Party:
    return Party(
        id=PartyId(name),
        leader=members[0],
        members=members,
        invites={PlayerId(one): until_ms for one, until_ms in invites.items()},
        stamp=stamp,
    )


async def write(store: PartyStore, before: Party | None, after: Party | None) -> Wrote:
    return await store.write(before, after, now_ms=NOW_MS)


async def test_a_party_comes_back_as_it_was_written(store: PartyStore) -> None:
    one = party("s1", ANN, BOB, cid=NOW_MS + LONG_MS)
    assert await store.find(one.id) is None and await store.party_of(ANN) is None
    assert await write(store, None, one) is Wrote.WRITTEN
    assert await store.find(one.id) == Found(one, NOBODY)
    assert [await store.party_of(who) for who in (ANN, BOB, CID)] == [one.id, one.id, None]
    assert await store.invited_to(CID, now_ms=NOW_MS) == [one.id]
    assert await store.invited_to(CID, now_ms=NOW_MS + LONG_MS) == []


async def test_the_same_write_again_is_done_already(store: PartyStore) -> None:
    one, two = party("s1", ANN), party("s2", ANN, BOB)
    assert await write(store, None, one) is Wrote.WRITTEN
    assert await write(store, None, one) is Wrote.WRITTEN
    assert await write(store, one, two) is Wrote.WRITTEN
    assert await write(store, one, two) is Wrote.WRITTEN


async def test_of_two_changes_of_one_party_one_is_stale(store: PartyStore) -> None:
    one = party("s1", ANN)
    await write(store, None, one)
    with_bob, with_cid = party("s2", ANN, BOB), party("s3", ANN, CID)
    wrote = await asyncio.gather(write(store, one, with_bob), write(store, one, with_cid))
    assert sorted(wrote) == [Wrote.STALE, Wrote.WRITTEN]
    loser = CID if wrote[0] is Wrote.WRITTEN else BOB
    assert await store.party_of(loser) is None
    assert await write(store, party("s9", ANN, name="g9"), None) is Wrote.STALE, "it never was"
    assert await write(store, None, party("s4", BOB)) is Wrote.STALE, "the name is taken"


async def test_a_player_is_in_one_party(store: PartyStore) -> None:
    await write(store, None, party("s1", ANN))
    two = party("s2", BOB, name="g2", cid=NOW_MS + LONG_MS)
    await write(store, None, two)
    assert await write(store, two, party("s3", BOB, ANN, name="g2")) is Wrote.TAKEN
    assert await store.find(two.id) == Found(two, NOBODY), "nothing has changed"
    assert await store.invited_to(CID, now_ms=NOW_MS) == [two.id]
    assert await write(store, None, party("s4", ANN, name="g3")) is Wrote.TAKEN
    assert await store.party_of(ANN) == "g1"


async def test_who_leaves_is_free_and_a_party_that_ends_leaves_nothing(store: PartyStore) -> None:
    one = party("s1", ANN, BOB, cid=NOW_MS + LONG_MS)
    await write(store, None, one)
    two = party("s2", ANN, cid=NOW_MS + LONG_MS)
    assert await write(store, one, two) is Wrote.WRITTEN
    assert await store.party_of(BOB) is None
    assert await write(store, None, party("s3", BOB, name="g2")) is Wrote.WRITTEN
    assert await write(store, two, None) is Wrote.WRITTEN
    assert await store.find(two.id) is None and await store.party_of(ANN) is None
    assert await store.invited_to(CID, now_ms=NOW_MS) == []
    assert await store.party_of(BOB) == "g2"


async def test_invites_end_are_taken_back_and_have_a_most(store: PartyStore) -> None:
    for n in range(INVITES_MAX):
        host = PlayerId(f"host{n}")
        until = NOW_MS + (LONG_MS if n < INVITES_MAX - 1 else 1)
        assert await write(store, None, party("s", host, name=f"g{n}", ann=until)) is Wrote.WRITTEN
    more = party("m1", BOB, name="more")
    await write(store, None, more)
    asked = party("m2", BOB, name="more", ann=NOW_MS + LONG_MS)
    assert await store.write(more, asked, now_ms=NOW_MS) is Wrote.CROWDED
    later_ms = NOW_MS + 2
    assert await store.write(more, asked, now_ms=later_ms) is Wrote.WRITTEN, "one has run out"
    assert len(await store.invited_to(ANN, now_ms=later_ms)) == INVITES_MAX
    longer = party("m3", BOB, name="more", ann=NOW_MS + 2 * LONG_MS)
    assert await store.write(asked, longer, now_ms=later_ms) is Wrote.WRITTEN, "it is in already"
    assert "more" in await store.invited_to(ANN, now_ms=NOW_MS + LONG_MS)
    assert await store.write(longer, party("m4", BOB, name="more"), now_ms=later_ms) == "written"
    assert "more" not in await store.invited_to(ANN, now_ms=later_ms)


async def test_who_gives_no_sign_of_life_is_away(stores: Stores) -> None:
    one, both = party("s1", ANN), party("s2", ANN, BOB)
    await write(stores(), None, one)
    await write(stores(SOON_MS), one, both)
    store = stores()
    async with asyncio.timeout(60):
        while (found := await store.find(both.id)) == Found(both, NOBODY):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert found == Found(both, frozenset({BOB})), "ann and the party live longer"
    assert await store.party_of(BOB) is None
    assert await write(store, None, party("s3", BOB, name="g2")) is Wrote.WRITTEN, "he is free"
    assert await write(store, both, party("s4", ANN)) is Wrote.WRITTEN
    assert await store.party_of(BOB) == "g2", "what is another party's stays"


async def test_who_gives_one_stays(stores: Stores) -> None:
    async def stayed(name: str) -> bool:
        """Unless this machine was busy for longer than the first life."""
        await write(stores(5 * SOON_MS), None, party("s", PlayerId(name), name=name))
        await stores().seen([PlayerId(name), CID])
        await asyncio.sleep(5 * SOON_MS / 1000)
        found = await stores().find(PartyId(name))
        return found is not None and not found.away

    assert any([await stayed(f"g{n}") for n in range(4)])
    assert await stores().party_of(CID) is None


async def test_a_party_of_which_everybody_is_away_is_gone(stores: Stores) -> None:
    store = stores(SOON_MS)
    await write(store, None, party("s1", ANN))
    async with asyncio.timeout(60):
        while await store.find(PartyId("g1")) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await store.party_of(ANN) is None


async def test_many_nodes_at_once_keep_every_promise(stores: Stores) -> None:
    """Six players do what they like on four nodes; whatever was answered, in the end each is in one
    party at most, and parties have their leaders and their sizes."""
    chance, players, size_max = random.Random(5), [PlayerId(f"p{n}") for n in range(6)], 3
    store = stores()
    clock = LoopClock(asyncio.get_running_loop().time)
    desks = [
        PartyDesk(
            store=store,
            news=MemoryPartyNews(),
            matchmaking=NoTickets(),
            hosting=MemoryHosting(),
            clock=clock,
            entropy=SeededEntropy(3, node),
            size_max=size_max,
            invite_ms=60_000,
        )
        for node in range(4)
    ]
    done: dict[str, int] = {}

    async def act(desk: PartyDesk) -> None:
        player, other = chance.sample(players, 2)
        name = chance.choice(ACTS)
        try:
            match name:
                case "create" | "leave" | "disband":
                    await getattr(desk, name)(player)
                case "accept":
                    [invitation, *_] = await desk.invitations(player) or [None]
                    if invitation is None:
                        return
                    await desk.accept(player, invitation.party.id)
                case _:
                    await getattr(desk, name)(player, other)
            done[name] = done.get(name, 0) + 1
        except PartyRefused:
            pass

    async def live(desk: PartyDesk) -> None:
        for _ in range(80):
            await act(desk)

    await asyncio.gather(*(live(desk) for desk in desks))
    assert set(done) >= {"create", "invite", "accept", "leave"}, done
    seats: dict[PlayerId, PartyId] = {}
    for player in players:
        name = await store.party_of(player)
        if name is None:
            continue
        found = await store.find(name)
        assert found is not None and player in found.party.members and not found.away
        assert found.party.leader in found.party.members
        assert len(found.party.members) <= size_max
        for member in found.party.members:
            assert seats.setdefault(member, name) == name


async def test_a_redis_that_does_not_answer_is_unavailable() -> None:
    config = Config(redis_url="redis://127.0.0.1:9/0")
    client = redis_client.connect(config, name="parties", connections_max=1)
    store = RedisParties(client, prefix="x", away_ms=1_000, metrics=Metrics())
    one = rules.founded(PartyId("g"), ANN)
    for call in (
        store.party_of(ANN),
        store.find(one.id),
        write(store, None, msgspec.structs.replace(one, stamp="s")),
        store.invited_to(ANN, now_ms=1),
        store.seen([ANN]),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    await client.aclose()
