"""What every matchmaking store answers: Redis' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest

from gameserver.adapters.redis_matchmaking import RedisMatchmaking
from gameserver.config import Config
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import (
    Change,
    Held,
    Place,
    Proposal,
    Queue,
    Stage,
    Taken,
    Ticket,
    TicketId,
    Vacancy,
)
from gameserver.matchmaking_ports import MatchmakingStore
from gameserver.metrics import Metrics
from tests.contract.silence import silent_redis
from tests.contract.test_match_store import PATIENT_MS, STORES, redis_url
from tests.fakes.clock import EPOCH_MS
from tests.fakes.memory_matchmaking import MemoryMatchmaking
from tests.lobby.builders import ticket

Q = Queue("arena", "ranked")
OTHER = Queue("arena", "duel")
TTL_MS = 60_000
P1, P2 = PlayerId("p1"), PlayerId("p2")


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[MatchmakingStore]:
    if request.param == "memory":
        loop = asyncio.get_running_loop()
        yield MemoryMatchmaking(lambda: EPOCH_MS + loop.time() * 1000)
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param.startswith("redis_cluster"),
        redis_prefix=request.getfixturevalue("redis_prefix"),
    )
    async with RedisMatchmaking.connect(config, metrics=Metrics()) as redis:
        yield redis


async def enqueue(store: MatchmakingStore, *names: str, size: int = 1) -> list[Ticket]:
    """Taken, in this order, as the store has them."""
    found = []
    for name in names:
        taken = await store.enqueue(Q, ticket(name, size=size), tickets_max=100)
        assert taken in (Taken.TAKEN, Taken.FIRST)
        standing = await store.standing(Q, TicketId(name))
        assert standing.stage is Stage.WAITING and standing.ticket is not None
        found.append(standing.ticket)
    return found


def proposal(name: str, *tickets: Ticket, match: str = "") -> Proposal:
    return Proposal(
        id=MatchId(name),
        match=MatchId(match or name),
        tickets=tuple(one.id for one in tickets),
        sizes=tuple(one.size for one in tickets),
        places=tuple(
            Place(player.player, number, "r")
            for number, one in enumerate(tickets)
            for player in one.players
        ),
        region="eu",
        properties={"map": "x|,:", "stake": 5.5},
        skill=1500.5,
    )


async def lead(store: MatchmakingStore, owner: str = "n1") -> int:
    mastery = await store.lead(Q, owner=owner, lease_ttl_ms=TTL_MS)
    assert mastery is not None
    return mastery.fence


async def stages(store: MatchmakingStore, *names: str) -> list[Stage]:
    return [(await store.standing(Q, TicketId(name))).stage for name in names]


async def test_a_ticket_waits_as_it_is_with_the_stores_time(store: MatchmakingStore) -> None:
    wanted = ticket(
        "a", 1234.5, size=2, roles=("healer",), latency_ms={"eu": 3}, ranges={"stake": (1, 2.5)}
    )
    assert await store.enqueue(Q, wanted, tickets_max=10) is Taken.FIRST
    standing = await store.standing(Q, wanted.id)
    assert standing.ticket is not None and standing.ticket.enqueued_ms > 1_600_000_000_000
    assert 0 <= standing.now_ms - standing.ticket.enqueued_ms < 60_000
    assert msgspec.structs.replace(standing.ticket, enqueued_ms=0) == wanted
    assert (await store.standing(OTHER, wanted.id)).stage is Stage.UNKNOWN


async def test_the_same_ticket_again_changes_nothing(store: MatchmakingStore) -> None:
    [first] = await enqueue(store, "a")
    await asyncio.sleep(0.005)
    [again] = await enqueue(store, "a")
    assert again == first
    assert (await store.overview(Q)).waiting == 1


async def test_a_queue_has_its_most(store: MatchmakingStore) -> None:
    await enqueue(store, "a", "b")
    assert await store.enqueue(Q, ticket("c"), tickets_max=2) is Taken.FULL
    assert await store.enqueue(Q, ticket("a"), tickets_max=2) is Taken.TAKEN, "it is in already"


async def test_the_first_ticket_of_an_empty_queue_is_known_as_such(
    store: MatchmakingStore,
) -> None:
    async def take(name: str) -> Taken:
        return await store.enqueue(Q, ticket(name), tickets_max=9)

    assert [await take("a"), await take("a"), await take("b")] == ["first", "taken", "taken"]
    fence = await lead(store)
    both = proposal("p", *[(await store.contents(Q)).waiting[n] for n in (0, 1)])
    assert await store.claim(Q, fence, [both], ready_ms=0) == [True]
    assert await take("c") is Taken.TAKEN, "those of a proposal may come back"
    assert await store.assign(Q, fence, [both])
    assert await store.cancel(Q, TicketId("c")) is Stage.CANCELLED
    assert await take("d") is Taken.FIRST


async def test_a_cancelled_ticket_does_not_come_back(store: MatchmakingStore) -> None:
    await enqueue(store, "a")
    assert await store.cancel(Q, TicketId("a")) is Stage.CANCELLED
    assert await store.cancel(Q, TicketId("a")) is Stage.CANCELLED
    assert await store.enqueue(Q, ticket("a"), tickets_max=9) is Taken.OVER
    assert await store.cancel(Q, TicketId("b")) is Stage.CANCELLED, "before it has come"
    assert await store.enqueue(Q, ticket("b"), tickets_max=9) is Taken.OVER


async def test_a_player_has_one_ticket_over_all_queues(store: MatchmakingStore) -> None:
    a, b = TicketId("a"), TicketId("b")
    assert await store.hold(P1, Q, a) is None
    assert await store.hold(P1, Q, a) is None
    assert await store.hold(P1, OTHER, b) == Held(queue=Q, ticket=a)
    assert await store.ticket_of(P1) == Held(queue=Q, ticket=a)
    await store.unhold(P1, OTHER, b)
    assert await store.hold(P1, OTHER, b) == Held(queue=Q, ticket=a)
    await store.unhold(P1, Q, a)
    assert await store.ticket_of(P1) is None
    assert await store.hold(P1, OTHER, b) is None
    assert await store.hold(P2, Q, a) is None


async def test_a_punished_player_waits(store: MatchmakingStore) -> None:
    await store.punish(P1, for_ms=30_000)
    held = await store.hold(P1, Q, TicketId("a"))
    assert held is not None and held.ticket is None and 20_000 < held.penalty_ms <= 30_000
    await store.punish(P1, for_ms=1)
    await asyncio.sleep(0.01)
    assert await store.hold(P1, Q, TicketId("a")) is None


async def test_one_master_at_a_time_with_rising_fences(store: MatchmakingStore) -> None:
    fence = await lead(store)
    assert fence > 1_600_000_000_000
    assert await store.lead(Q, owner="n2", lease_ttl_ms=TTL_MS) is None
    assert (await store.overview(Q)).owner == "n1"
    assert await store.renew(Q, fence, lease_ttl_ms=TTL_MS, notes=b"\x00notes|")
    await store.release(Q, fence - 1)
    assert await store.lead(Q, owner="n2", lease_ttl_ms=TTL_MS) is None
    await store.release(Q, fence)
    assert not await store.renew(Q, fence, lease_ttl_ms=TTL_MS, notes=b""), "it comes too late"
    heir = await store.lead(Q, owner="n2", lease_ttl_ms=TTL_MS)
    assert heir is not None and heir.fence > fence and heir.notes == b"\x00notes|"
    assert (await store.overview(Q)).notes == b"\x00notes|"


async def test_a_lease_that_ran_out_is_renewed_unless_taken(store: MatchmakingStore) -> None:
    mastery = await store.lead(Q, owner="n1", lease_ttl_ms=1)
    assert mastery is not None
    await asyncio.sleep(0.01)
    assert await store.renew(Q, mastery.fence, lease_ttl_ms=1, notes=b"")
    await asyncio.sleep(0.01)
    assert await lead(store, "n2") > mastery.fence
    assert not await store.renew(Q, mastery.fence, lease_ttl_ms=TTL_MS, notes=b"")


async def test_a_claim_takes_all_tickets_or_none(store: MatchmakingStore) -> None:
    a, b, c = await enqueue(store, "a", "b", "c")
    fence = await lead(store)
    await store.cancel(Q, c.id)
    claimed = await store.claim(
        Q, fence, [proposal("m1", b, c), proposal("m2", a, b), proposal("m3", a)], ready_ms=0
    )
    assert claimed == [False, True, False]
    assert await stages(store, "a", "b", "c") == [Stage.OPENING, Stage.OPENING, Stage.CANCELLED]
    again = await store.claim(Q, fence, [proposal("m2", a, b)], ready_ms=0)
    assert again == [True], "an answer may be lost"
    assert await store.cancel(Q, a.id) is Stage.OPENING, "too late"
    assert await store.enqueue(Q, ticket("a"), tickets_max=9) is Taken.TAKEN
    overview = await store.overview(Q)
    assert (overview.waiting, overview.proposed) == (0, 2)


async def test_a_match_is_told_to_its_tickets_once_it_is_open(store: MatchmakingStore) -> None:
    a, b = await enqueue(store, "a", "b")
    fence = await lead(store)
    made = proposal("m1", a, b, match="running")
    assert await store.claim(Q, fence, [made], ready_ms=0) == [True]
    found = await store.asked(Q, made.id)
    assert found is not None and found.open and found.proposal == made
    assert await store.assign(Q, fence, [made])
    assert await store.assign(Q, fence, [made]), "again"
    standing = await store.standing(Q, a.id)
    assert (standing.stage, standing.match) == (Stage.MATCHED, "running")
    assert await store.asked(Q, made.id) is None
    assert await store.put_back(Q, fence, made), "it comes too late, and does nothing"
    assert await stages(store, "a", "b") == [Stage.MATCHED, Stage.MATCHED]
    assert await store.enqueue(Q, ticket("a"), tickets_max=9) is Taken.OVER
    assert await store.cancel(Q, a.id) is Stage.MATCHED


async def test_who_is_put_back_waits_with_the_time_they_had(store: MatchmakingStore) -> None:
    a, b = await enqueue(store, "a", "b")
    fence = await lead(store)
    assert await store.claim(Q, fence, [proposal("m1", a, b)], ready_ms=0) == [True]
    assert await store.put_back(Q, fence, proposal("m1", a, b))
    for one in (a, b):
        standing = await store.standing(Q, one.id)
        assert (standing.stage, standing.ticket) == (Stage.WAITING, one)
    assert await store.claim(Q, fence, [proposal("m2", a, b)], ready_ms=0) == [True]


async def test_everyone_must_be_ready(store: MatchmakingStore) -> None:
    a, b = await enqueue(store, "a", "b", size=2)
    fence = await lead(store)
    made = proposal("m1", a, b)
    assert await store.claim(Q, fence, [made], ready_ms=30_000) == [True]
    standing = await store.standing(Q, a.id)
    assert standing.stage is Stage.READY_CHECK
    assert 20_000 < standing.deadline_ms - standing.now_ms <= 30_000
    for one in (a, b):
        for applicant in one.players:
            assert standing.stage is Stage.READY_CHECK
            standing = await store.answer(Q, one.id, applicant.player, ready=True)
            standing = await store.answer(Q, one.id, applicant.player, ready=True)
            assert applicant.player in standing.ready
    assert standing.stage is Stage.OPENING
    assert (await store.answer(Q, a.id, P1, ready=False)).stage is Stage.OPENING, "too late"
    assert await store.lapse(Q, fence, made) == [], "everyone has agreed"
    found = await store.asked(Q, made.id)
    assert found is not None and found.open


async def test_a_no_ends_the_ticket_and_the_others_wait_again(store: MatchmakingStore) -> None:
    a, b, c = await enqueue(store, "a", "b", "c", size=2)
    fence = await lead(store)
    assert await store.claim(Q, fence, [proposal("m1", a, b, c)], ready_ms=30_000) == [True]
    await store.answer(Q, c.id, c.players[0].player, ready=True)
    standing = await store.answer(Q, b.id, b.players[1].player, ready=False)
    assert standing.stage is Stage.DECLINED
    assert await stages(store, "a", "b", "c") == [Stage.WAITING, Stage.DECLINED, Stage.WAITING]
    assert (await store.standing(Q, a.id)).ticket == a
    assert await store.asked(Q, MatchId("m1")) is None
    # In the next check nobody has answered yet.
    assert await store.claim(Q, fence, [proposal("m2", a, c)], ready_ms=30_000) == [True]
    assert (await store.standing(Q, c.id)).ready == ()


async def test_who_does_not_answer_ends_when_the_time_is_up(store: MatchmakingStore) -> None:
    a, b, c = await enqueue(store, "a", "b", "c", size=2)
    fence = await lead(store)
    made = proposal("m1", a, b, c)
    assert await store.claim(Q, fence, [made], ready_ms=1) == [True]
    for applicant in a.players:
        await store.answer(Q, a.id, applicant.player, ready=True)
    await store.answer(Q, b.id, b.players[0].player, ready=True)
    assert await store.lapse(Q, fence, made) == [b.id, c.id]
    assert await stages(store, "a", "b", "c") == [Stage.WAITING, Stage.DECLINED, Stage.DECLINED]
    assert await store.lapse(Q, fence, made) == []


async def test_a_stale_master_changes_nothing(store: MatchmakingStore) -> None:
    a, b, c = await enqueue(store, "a", "b", "c")
    old = await lead(store)
    made = proposal("m1", a, b)
    assert await store.claim(Q, old, [made], ready_ms=0) == [True]
    await store.release(Q, old)
    new = await lead(store, "n2")
    assert await store.claim(Q, old, [proposal("m2", c)], ready_ms=0) is None
    assert not await store.assign(Q, old, [made])
    assert not await store.put_back(Q, old, made)
    assert await store.lapse(Q, old, made) is None
    assert not await store.expire(Q, old, [c.id])
    assert await store.news(Q, old, "0", vacancies=False) is None
    assert await stages(store, "a", "c") == [Stage.OPENING, Stage.WAITING]
    assert await store.assign(Q, new, [made])


async def test_a_ticket_expires(store: MatchmakingStore) -> None:
    [a] = await enqueue(store, "a")
    fence = await lead(store)
    assert await store.expire(Q, fence, [a.id])
    assert await stages(store, "a") == [Stage.EXPIRED]


async def test_contents_and_news_tell_everything(store: MatchmakingStore) -> None:
    a, b, c = await enqueue(store, "a", "b", "c")
    fence = await lead(store)
    assert await store.claim(Q, fence, [proposal("m1", a)], ready_ms=0) == [True]
    contents = await store.contents(Q)
    assert sorted(one.id for one in contents.waiting) == ["b", "c"]
    assert [one.proposal.id for one in contents.asked] == ["m1"]
    news = await store.news(Q, fence, contents.cursor, vacancies=True)
    assert news is not None and (news.changes, news.lost, news.vacancies) == ([], False, [])
    [d] = await enqueue(store, "d")
    await store.cancel(Q, c.id)
    assert await store.claim(Q, fence, [proposal("m2", b)], ready_ms=9_000) == [True]
    await store.answer(Q, b.id, b.players[0].player, ready=True)
    await store.put_back(Q, fence, proposal("m2", b))
    news = await store.news(Q, fence, news.cursor, vacancies=False)
    assert news is not None and not news.lost and news.vacancies is None
    told = Change(proposed=MatchId("m2"))
    assert [one for one in news.changes if one != told] == [
        Change(waiting=d),
        Change(gone=c.id),
        Change(waiting=b),
    ]
    assert news.changes.count(told) >= 2, "claimed, and everyone is ready"
    assert abs(news.now_ms - d.enqueued_ms) < 60_000
    again = await store.news(Q, fence, news.cursor, vacancies=False)
    assert again is not None and again.changes == [] and again.cursor == news.cursor


async def test_news_that_are_gone_are_missed(store: MatchmakingStore) -> None:
    await enqueue(store, "a")
    fence = await lead(store)
    old = (await store.contents(Q)).cursor
    await enqueue(store, "b")
    newer = (await store.contents(Q)).cursor
    assert (await store.news(Q, fence, newer, vacancies=False)) is not None
    missed = await store.news(Q, fence, old, vacancies=False)
    assert missed is not None and missed.lost


async def test_more_news_than_one_call_tells(store: MatchmakingStore) -> None:
    fence = await lead(store)
    cursor, seen = (await store.contents(Q)).cursor, []
    for number in range(1_100):
        await store.enqueue(Q, ticket(f"t{number:04}"), tickets_max=5_000)
    for _ in range(2):
        news = await store.news(Q, fence, cursor, vacancies=False)
        assert news is not None and not news.lost
        seen += [one.waiting.id for one in news.changes if one.waiting is not None]
        cursor = news.cursor
    assert seen == [f"t{number:04}" for number in range(1_100)]
    assert len((await store.contents(Q)).waiting) == 1_100


async def test_vacancies_are_offered_for_a_while(store: MatchmakingStore) -> None:
    fence = await lead(store)
    vacancy = Vacancy(
        match=MatchId("m"),
        node="n1",
        teams=(("healer",), ()),
        region="eu",
        properties={"map": "x"},
        skill_low=1,
        skill_high=2.5,
        since_ms=5,
    )
    await store.offer(Q, vacancy, ttl_ms=60_000)
    await store.offer(Q, msgspec.structs.replace(vacancy, match=MatchId("old")), ttl_ms=1)
    await asyncio.sleep(0.01)
    cursor = (await store.contents(Q)).cursor
    for _ in range(2):
        news = await store.news(Q, fence, cursor, vacancies=True)
        assert news is not None and news.vacancies == [vacancy]


async def test_calls_at_once_do_not_mix(store: MatchmakingStore) -> None:
    """Two masters, one of whom is stale, and players who cancel: each ticket has one end."""
    names = [f"t{number:02}" for number in range(40)]
    tickets = await enqueue(store, *names)
    old = await lead(store)
    await store.release(Q, old)
    new = await lead(store, "n2")
    pairs = [(tickets[n], tickets[n + 1]) for n in range(0, 40, 2)]
    calls = [
        store.claim(Q, fence, [proposal(f"{fence}.{n}", *pair)], ready_ms=0)
        for n, pair in enumerate(pairs)
        for fence in (old, new)
    ]
    cancels = [store.cancel(Q, one.id) for one in tickets[::5]]
    await asyncio.gather(*calls, *cancels)
    found = await stages(store, *names)
    assert set(found) <= {Stage.OPENING, Stage.CANCELLED, Stage.WAITING}
    for one, other in zip(found[::2], found[1::2], strict=True):
        assert (one is Stage.OPENING) == (other is Stage.OPENING)


async def test_what_cannot_be_read_is_left_out(valkey_url: str, redis_prefix: str) -> None:
    """As where a node of another version writes otherwise."""
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix)
    async with RedisMatchmaking.connect(config, metrics=Metrics()) as store:
        fence = await lead(store)
        cursor = (await store.contents(Q)).cursor
        [a] = await enqueue(store, "a")
        waiting, changes = store._keys(Q, "wc")
        client = cast(Any, store._client)
        await client.hset(waiting, "odd", b"5:\xc1")
        await client.xadd(changes, {"+": b"5:\xc1"})
        assert (await store.contents(Q)).waiting == [a]
        news = await store.news(Q, fence, cursor, vacancies=False)
        assert news is not None and news.changes == [Change(waiting=a)]


async def test_a_call_ends_in_time_when_nothing_answers() -> None:
    async with silent_redis() as url:
        config = Config(redis_url=url, redis_timeout_ms=50)
        async with (
            RedisMatchmaking.connect(config, metrics=Metrics()) as store,
            asyncio.timeout(60),
        ):
            with pytest.raises(StoreUnavailable):
                await store.standing(Q, TicketId("a"))
