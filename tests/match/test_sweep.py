"""Who looks for matches that nobody owns, and how soon one is found."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gameserver.ids import MatchId
from gameserver.match.sweep import PAGES_PER_TURN
from gameserver.ports import Page, Turn
from tests.fakes.clock import EPOCH_MS
from tests.match.house import House, Store, in_virtual_time

LEASE_MS = 2_000
NODES = 6


class Looked(Store):
    """Remembers who looks at how many pages; ``kill`` is called in somebody's turn."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(lambda: EPOCH_MS + loop.time() * 1000)
        self.groups = []
        self.turns = 0
        self.pages = 0
        self.asked = 0
        self.dying: list[asyncio.Event] = []

    async def take_turn(self, **given: Any) -> Turn | None:
        self.asked += 1
        turn: Turn | None = await super().take_turn(**given)
        if turn is not None:
            self.turns += 1
            if self.dying:
                self.dying.pop().set()
                await asyncio.Event().wait()  # Its node does not get to the end of its turn.
        return turn

    async def orphans(self, place: int = 0) -> Page:
        self.pages += 1
        page: Page = await super().orphans(place)
        return page


async def _abandoned(store: Looked) -> MatchId:
    """A match whose node has died, and whose players do not come back."""
    async with House(store=store, node="n9", lease_ttl_ms=LEASE_MS) as house:
        seated, _ = await house.join("ada")
        await asyncio.sleep(1.5)  # It is committed.
        return seated.handle.match_id


async def _until_owned(store: Looked, match_id: MatchId) -> float:
    """Seconds until a node has the match, once its lease has run out."""
    loop = asyncio.get_running_loop()
    left_ms = store.rows[match_id].leased_until_ms - EPOCH_MS - loop.time() * 1000
    await asyncio.sleep(max(0.0, left_ms / 1000))
    began = loop.time()
    async with asyncio.timeout(60):
        while await store.holder(match_id) == "":  # noqa: ASYNC110 (a node changes it)
            await asyncio.sleep(0.01)
    return loop.time() - began


@pytest.mark.parametrize("deaths", [0, 1, 2])
@in_virtual_time
async def test_an_orphan_is_found_within_a_lease_and_half_of_one_for_each_dead_sweeper(
    deaths: int,
) -> None:
    """As docs/failover.md has it."""
    store = Looked()
    async with AsyncExitStack() as stack:
        for number in range(NODES):
            house = House(store=store, node=f"n{number}", lease_ttl_ms=LEASE_MS)
            await stack.enter_async_context(house)
        match_id = await _abandoned(store)
        died = [asyncio.Event() for _ in range(deaths)]
        store.dying = list(died)
        took_s = await _until_owned(store, match_id)
        assert all(one.is_set() for one in died), "each of them died in its turn"
        assert took_s <= LEASE_MS / 1000 * (1 + deaths / 2)


@in_virtual_time
async def test_a_sweeper_that_dies_in_its_turn_holds_up_nobody_for_longer_than_a_turn() -> None:
    """The one of two nodes that is left finds what there is."""
    store = Looked()
    match_id = await _abandoned(store)
    dead = House(store=store, node="n1", lease_ttl_ms=LEASE_MS)
    dies = asyncio.Event()
    store.dying = [dies]
    async with dead, House(store=store, node="n2", lease_ttl_ms=LEASE_MS):
        await dies.wait()
        await dead.service.stop()
        assert await _until_owned(store, match_id) <= 1.5 * LEASE_MS / 1000
        assert store.rows[match_id].owner == "n2"


@in_virtual_time
async def test_what_all_nodes_look_at_does_not_grow_with_their_number() -> None:
    pages: dict[int, int] = {}
    for nodes in (1, 8):
        store = Looked()
        async with AsyncExitStack() as stack:
            for number in range(nodes):
                house = House(store=store, node=f"n{number}", lease_ttl_ms=LEASE_MS)
                await stack.enter_async_context(house)
            await asyncio.sleep(5)  # Each has looked once when it came.
            before, asked = store.pages, store.asked
            await asyncio.sleep(60)
            pages[nodes] = store.pages - before
            assert store.asked - asked >= nodes * 45, "all of them ask"
    # A walk of four pages in half a lease.
    assert 60 * 4 * 0.7 <= pages[1] <= 60 * 4
    assert pages[1] <= pages[8] <= 60 * 4


@in_virtual_time
async def test_whoever_is_full_or_goes_away_takes_no_turn() -> None:
    store = Looked()
    async with House(store=store, node="n1", lease_ttl_ms=LEASE_MS, matches_max=1) as house:
        await house.join("ada")
        asked = store.asked
        await asyncio.sleep(10)
        assert store.asked == asked
    async with House(store=store, node="n2", lease_ttl_ms=LEASE_MS) as house:
        await house.service.drain(1)
        asked = store.asked
        await asyncio.sleep(10)
        assert store.asked == asked


@in_virtual_time
async def test_a_turn_is_a_few_pages_and_the_next_one_goes_on() -> None:
    class Long(Looked):
        """Of a hundred pages without an orphan."""

        places: list[int]

        async def orphans(self, place: int = 0) -> Page:
            self.places.append(place)
            return Page([], (place + 1) % 100)

    store = Long()
    store.places = []
    async with House(store=store, lease_ttl_ms=LEASE_MS):
        await asyncio.sleep(15)
    assert store.places[:100] == list(range(100))
    assert 100 / PAGES_PER_TURN <= store.turns <= 100 / PAGES_PER_TURN + 16


@in_virtual_time
async def test_all_that_a_lost_node_had_is_taken_over_at_once() -> None:
    """More than is taken side by side, and on several pages."""
    store = Looked()
    async with House(store=store, node="n1", lease_ttl_ms=LEASE_MS) as lost:
        for number in range(90):
            await lost.join(f"p{number}", "count", "two")
        await asyncio.sleep(1.5)
        count = lost.service.matches_open
    assert count > 64 / 2
    async with House(store=store, node="n2", lease_ttl_ms=LEASE_MS) as heir:
        async with asyncio.timeout(2 * LEASE_MS / 1000):
            while heir.service.matches_open < count:  # noqa: ASYNC110 (a node changes it)
                await asyncio.sleep(0.01)
