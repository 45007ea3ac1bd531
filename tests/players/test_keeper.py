"""One session a player, over several nodes, their ends and the store's outages."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.errors import AlreadyConnected, StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.whereabouts import SessionPolicy
from tests.match.house import in_virtual_time
from tests.players.cluster import LEASE_MS, town, who

ANN = PlayerId("ann")
NEWEST, REFUSE, MANY = SessionPolicy.NEWEST, SessionPolicy.REFUSE, SessionPolicy.MANY


@in_virtual_time
async def test_the_older_session_ends_wherever_it_is() -> None:
    async with town() as here:
        one, two = here.add(), here.add()
        first = await one.connect("ann")
        await asyncio.sleep(0.1)
        other = await two.connect("ben")
        second = await two.connect("ann")
        await asyncio.sleep(0.1)
        assert one.replaced == [first]
        third = await two.connect("ann")
        await asyncio.sleep(0.1)
        assert two.replaced == [second]
        assert here.sessions() == {other: "ben", third: "ann"}
        [there] = await here.store.find([ANN])
        assert there is not None and (there.session, there.node) == (third, "n2")
        two.end(third)
        await asyncio.sleep(0.1)
        assert await here.store.find([ANN]) == [None]
        assert two.metrics.sessions_replaced == 1


@pytest.mark.parametrize("seed", range(5))
@in_virtual_time
async def test_of_many_that_come_at_once_one_stays(seed: int) -> None:
    async with town() as here:
        nodes = [here.add(skew_s=skew_s) for skew_s in (-3.0, 0.0, 7.0)]
        for number in range(12):
            await nodes[(number * (seed + 1)) % 3].connect("ann")
            if number % (seed + 1) == 0:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)
        [stays] = here.sessions()
        [there] = await here.store.find([ANN])
        assert there is not None and there.session == stays
        await asyncio.sleep(3 * LEASE_MS / 1000)
        assert list(here.sessions()) == [stays], "a clock that is ahead wins nothing later"


@in_virtual_time
async def test_who_was_not_told_ends_when_its_lease_is_prolonged() -> None:
    async with town() as here:
        one, two = here.add(), here.add()
        first = await one.connect("ann")
        await asyncio.sleep(0.1)
        one.deaf = True
        second = await two.connect("ann")
        await asyncio.sleep(LEASE_MS / 1000)
        assert one.replaced == [first]
        assert list(here.sessions()) == [second]


@in_virtual_time
async def test_an_outage_lets_in_and_is_settled_afterwards() -> None:
    async with town() as here:
        one, two = here.add(), here.add()
        older = await one.connect("ann")
        kept = await one.connect("ben")
        await asyncio.sleep(0.1)
        with here.outage():
            between = await two.connect("ann")
            await asyncio.sleep(1)
            newest = await one.connect("ann")
            await asyncio.sleep(LEASE_MS / 500)
            assert set(here.sessions()) == {older, kept, between, newest}
        await asyncio.sleep(5)
        assert set(here.sessions()) == {kept, newest}
        assert [there.session for there in await here.store.find([ANN, PlayerId("ben")]) if there]
        assert one.metrics.leases_unrenewed > 0


@in_virtual_time
async def test_leases_are_prolonged_and_seats_told() -> None:
    async with town() as here:
        one = here.add()
        session = await one.connect("ann")
        await asyncio.sleep(4 * LEASE_MS / 1000)
        assert here.store.calls <= 1 + 12, "a lease is prolonged three times in its length"
        one.keeper.seated(session, "arena", "m1")
        await asyncio.sleep(1)
        [there] = await here.store.find([ANN])
        assert there is not None and (there.game, there.match) == ("arena", "m1")
        one.keeper.seated(session, "", "")
        await asyncio.sleep(1)
        [there] = await here.store.find([ANN])
        assert there is not None and there.match == ""
        await here.kill(one)
        await asyncio.sleep(LEASE_MS / 1000)
        assert await here.store.find([ANN]) == [None]


@in_virtual_time
async def test_a_second_connection_is_refused_while_the_first_is_there() -> None:
    async with town(REFUSE) as here:
        one, two = here.add(), here.add()
        first = await one.connect("ann")
        for node in (one, two):
            with pytest.raises(AlreadyConnected, match="close that connection"):
                await node.connect("ann")
        await asyncio.sleep(3 * LEASE_MS / 1000)
        assert list(here.sessions()) == [first]
        one.end(first)
        second = await two.connect("ann")
        await asyncio.sleep(1)
        assert list(here.sessions()) == [second]
        assert (one.metrics.sessions_refused, two.metrics.sessions_refused) == (1, 1)


@in_virtual_time
async def test_of_many_that_come_at_once_one_is_let_in() -> None:
    async with town(REFUSE) as here:
        nodes = [here.add(), here.add(), here.add()]
        tries = [nodes[number % 3].connect("ann") for number in range(12)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(each, AlreadyConnected) for each in answers) == 11
        assert len(here.sessions()) == 1


@in_virtual_time
async def test_the_same_client_takes_its_own_connection_over() -> None:
    async with town(REFUSE) as here:
        one, two = here.add(), here.add()
        first = await one.connect("ann", "tab-1")
        with pytest.raises(AlreadyConnected):
            await two.connect("ann", "tab-2")
        second = await two.connect("ann", "tab-1")
        await asyncio.sleep(0.1)
        assert one.replaced == [first]
        assert list(here.sessions()) == [second]


@in_virtual_time
async def test_a_node_that_is_gone_locks_nobody_out() -> None:
    async with town(REFUSE) as here:
        one, two = here.add(), here.add()
        lost = await one.connect("ann")
        await here.kill(one)
        session = await two.connect("ann")
        assert list(here.sessions()) == [session] != [lost]
        # A node of the same name knows nothing of the sessions of its former life.
        await here.store.release([(ANN, session)])
        two.open.clear()
        two.keeper._entries.clear()
        again = await two.connect("ann")
        two.keeper._entries.pop(again)
        three = here.add()
        assert await three.connect("ann")


@in_virtual_time
async def test_a_node_that_says_nothing_is_taken_to_have_it() -> None:
    async with town(REFUSE) as here:
        one, two = here.add(), here.add()
        first = await one.connect("ann")
        one.deaf = True
        with pytest.raises(AlreadyConnected):
            await two.connect("ann")
        assert list(here.sessions()) == [first]


@in_virtual_time
async def test_a_handshake_that_comes_to_nothing_is_forgotten() -> None:
    async with town(REFUSE) as here:
        one, two = here.add(), here.add()
        await one.keeper.admitted(who("ann"), "")
        with pytest.raises(AlreadyConnected):
            await two.connect("ann")
        await asyncio.sleep(11)
        assert await two.connect("ann")


@in_virtual_time
async def test_nobody_is_let_in_who_cannot_be_refused() -> None:
    async with town(REFUSE) as here:
        one = here.add()
        with here.outage(), pytest.raises(StoreUnavailable):
            await one.connect("ann")


@in_virtual_time
async def test_many_stay_and_the_last_one_to_end_is_the_last_one_known() -> None:
    async with town(MANY) as here:
        one, two = here.add(), here.add()
        first, second = await one.connect("ann"), await two.connect("ann")
        await asyncio.sleep(3 * LEASE_MS / 1000)
        assert set(here.sessions()) == {first, second}
        two.end(second)
        await asyncio.sleep(LEASE_MS / 1000)
        [there] = await here.store.find([ANN])
        assert there is not None and there.session == first


@in_virtual_time
async def test_a_session_that_ends_while_it_is_claimed_leaves_nothing() -> None:
    async with town() as here:
        one = here.add()
        for _ in range(20):
            session = await one.connect("ann")
            one.end(session)
        late = await one.connect("ann")
        await asyncio.sleep(0)
        one.end(late)
        await asyncio.sleep(0.1)
        assert await here.store.find([ANN]) == [None]
        assert not one.keeper._entries and not one.keeper._due and not one.keeper._claims
