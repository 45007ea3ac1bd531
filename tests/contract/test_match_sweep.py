"""What every match store answers to nodes that look for matches without an owner, in turn."""

from __future__ import annotations

import asyncio

from gameserver.ids import MatchId
from gameserver.ports import Lease, MatchStore
from tests.contract import test_match_store
from tests.contract.test_match_store import TTL_MS, acquire, orphans, until

store = test_match_store.store


async def test_open_matches_are_looked_at_page_by_page(store: MatchStore) -> None:
    """With enough of them that none of the stores has them all on one page."""
    ids = [MatchId(f"m{number:03d}") for number in range(300)]
    for some in (ids[start : start + 10] for start in range(0, 300, 10)):
        got = await asyncio.gather(*(acquire(store, match_id) for match_id in some))
        leases = zip(some, got, strict=True)
        await asyncio.gather(*(store.release(Lease(one, lease.fence)) for one, lease in leases))
    first = await store.orphans()
    assert first.next_place
    assert 0 < len(first.orphans) < 300
    # What is open all the time is met, whatever comes and goes meanwhile.
    fence = (await acquire(store, first.orphans[0])).fence
    assert await store.forget(Lease(first.orphans[0], fence))
    assert {*first.orphans, *await orphans(store, first.next_place)} == set(ids)


async def test_the_turn_to_look_for_orphans_is_one_node_s_at_a_time(store: MatchStore) -> None:
    first = await store.take_turn(turn_ms=TTL_MS)
    assert first is not None
    assert first.place == 0
    assert await store.take_turn(turn_ms=TTL_MS) is None, "somebody else is looking"
    await store.end_turn(first, place=7, turn_ms=TTL_MS)
    second = await store.take_turn(turn_ms=TTL_MS)
    assert second is not None
    assert (second.number > first.number, second.place) == (True, 7), "the next one goes on there"
    await store.end_turn(second, place=0, turn_ms=TTL_MS)
    assert await store.take_turn(turn_ms=TTL_MS) is None, "all was looked at a moment ago"
    now = await store.take_turn(turn_ms=TTL_MS, at_once=True)
    assert now is not None
    assert now.place == 0


async def test_a_turn_whose_node_has_died_runs_out(store: MatchStore) -> None:
    dead = await store.take_turn(turn_ms=30, at_once=True)
    assert dead is not None
    await store.end_turn(dead, place=5, turn_ms=30)
    dead = await store.take_turn(turn_ms=30)
    assert dead is not None
    heirs = []

    async def ran_out() -> bool:
        heirs.append(await store.take_turn(turn_ms=30))
        return heirs[-1] is not None

    await until(ran_out)
    heir = heirs[-1]
    assert heir is not None
    assert heir.place == 5, "the same pages again"
    # What the dead one says after all is too late.
    await store.end_turn(dead, place=9, turn_ms=30)
    await store.end_turn(heir, place=6, turn_ms=30)
    after = await store.take_turn(turn_ms=30)
    assert after is not None
    assert after.place == 6


async def test_a_walk_over_all_begins_no_sooner_than_it_may(store: MatchStore) -> None:
    turn = await store.take_turn(turn_ms=40, at_once=True)
    assert turn is not None
    await store.end_turn(turn, place=0, turn_ms=40)

    async def begins() -> bool:
        return await store.take_turn(turn_ms=40) is not None

    await until(begins)
