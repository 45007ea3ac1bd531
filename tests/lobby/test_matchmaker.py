"""Tickets from their taking to the seat, over several nodes, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gameserver.errors import JoinRefused, TicketRefused
from gameserver.game.matchmaking import Skill
from gameserver.ids import PlayerId
from gameserver.maintenance import Maintenance
from gameserver.matchmaking import NEWCOMER, Queue, Rating, Stage, TicketId
from gameserver.wire.to_client import ErrorCode
from tests.lobby.builders import ticket
from tests.lobby.hall import Desk, Hall
from tests.match.house import in_virtual_time

DUEL = Queue("pairs", "duel")


async def refused(call: Any) -> str:
    with pytest.raises((TicketRefused, JoinRefused)) as error:
        await call
    return str(error.value.code)


def rated(points: float) -> Rating:
    """A rating that is so many points of skill."""
    return Rating(NEWCOMER.mu + (points - 1500.0) / Skill().scale, 2.0)


async def owner_of(hall: Hall, match: str) -> Desk:
    async with asyncio.timeout(10):
        while True:
            for desk in hall.desks:
                if desk.house.house.service.runs(match):  # type: ignore[arg-type]
                    return desk
            await asyncio.sleep(0.05)


@in_virtual_time
async def test_two_players_of_two_nodes_meet_in_a_match_that_is_theirs_alone() -> None:
    hall = Hall(2)
    async with hall as (one, two):
        assert (await one.enter("a")).standing.stage is Stage.WAITING
        await two.enter("b")
        match = await one.match("a")
        assert await two.match("b") == match
        assert {("a", "matched", match), ("b", "matched", match)} <= set(one.told)
        assert set(two.told) == set(one.told), "whatever node the players are connected to"
        assert await refused(one.house.join("stranger", match=match)) == ErrorCode.MATCH_FULL
        stranger, _ = await one.house.join("stranger", game="pairs")
        assert stranger.handle.match_id != match, "quick join does not lead there"
        seats = []
        for desk, player in ((one, "a"), (two, "b")):
            seated, _ = await desk.house.join(player, match=match)
            assert seated.handle.match_id == match
            seats.append(seated.joined.seat)
        assert sorted(seats) == [0, 1]
        runner = (await owner_of(hall, match)).house.house.runner(match)
        assert sorted(member.player.team for member in runner.attendance.roster) == [0, 1]


@in_virtual_time
async def test_seats_are_kept_for_a_while_and_a_match_without_players_ends() -> None:
    hall = Hall(1, empty_match_ms=1_000)
    async with hall as (one,):
        await one.enter("a")
        await one.enter("b")
        match = await one.match("a")
        await one.house.join("a", match=match)
        await asyncio.sleep(5.5)
        assert await refused(one.house.join("b", match=match)) == ErrorCode.MATCH_FULL, "too late"
        await one.enter("c")
        await one.enter("d")
        match = await one.match("c")
        await asyncio.sleep(4)
        assert one.house.house.service.runs(match)  # type: ignore[arg-type]
        await asyncio.sleep(3)
        assert not one.house.house.service.runs(match)  # type: ignore[arg-type]


@in_virtual_time
async def test_tickets_outlive_the_master_of_their_queue() -> None:
    hall = Hall(3)
    async with hall as desks:
        [master] = [desk for desk in desks if DUEL in desk.matchmaker.leads]
        others = [desk for desk in desks if desk is not master]
        before = (await master.enter("a")).ticket
        await asyncio.sleep(1)
        await master.kill()
        hall.desks.remove(master)
        hall.town.houses.remove(master.house)
        await others[0].enter("b")
        match = await others[1].match("a")
        assert await others[0].match("b") == match
        assert (await others[0].lobby.look(PlayerId("a"), why=False)).ticket == before
        assert sum(DUEL in desk.matchmaker.leads for desk in others) == 1


@in_virtual_time
async def test_a_master_that_leaves_hands_its_queues_over_at_once() -> None:
    hall = Hall(2, lease_ttl_ms=4_000)
    async with hall as desks:
        await asyncio.sleep(6)
        [master] = [desk for desk in desks if DUEL in desk.matchmaker.leads]
        await master.matchmaker.stop()
        assert (await hall.store.overview(DUEL)).owner == ""


@in_virtual_time
async def test_a_master_that_slept_beyond_its_lease_is_fenced() -> None:
    hall = Hall(2)
    async with hall as desks:
        [master] = [desk for desk in desks if DUEL in desk.matchmaker.leads]
        line = hall.store.line(DUEL)
        line.fence += 1  # As if another had taken and lost it meanwhile.
        line.node, line.leased_until_ms = "", 0
        await master.enter("a")
        await master.enter("b")
        assert await master.match("a")
        assert master.metrics.queues_lost == 1


@in_virtual_time
async def test_an_empty_queue_is_looked_at_seldom_and_its_first_ticket_is_told() -> None:
    hall = Hall(2)
    async with hall as desks:
        looks: list[float] = []
        news, loop = hall.store.news, asyncio.get_running_loop()

        async def counted(queue: Queue, *given: Any, **named: Any) -> Any:
            if queue == DUEL:
                looks.append(loop.time())
            return await news(queue, *given, **named)

        hall.store.news = counted  # type: ignore[method-assign]
        await asyncio.sleep(10)
        assert len(looks) <= 11
        [other] = [desk for desk in desks if DUEL not in desk.matchmaker.leads]
        for _ in range(3):
            await asyncio.sleep(0.7)
            came = loop.time()
            await other.enter("a", key=str(came))
            await asyncio.sleep(0.2)
            assert came < looks[-1], "whatever the moment, and though another node leads the queue"
            await other.lobby.cancel(PlayerId("a"))
            await asyncio.sleep(3)


@in_virtual_time
async def test_a_first_ticket_of_which_the_note_is_lost_is_found_by_the_next_look() -> None:
    hall = Hall(2)
    async with hall as (one, two):
        hall.town.hub.cut.add(frozenset((one.name, two.name)))
        [other] = [desk for desk in (one, two) if DUEL not in desk.matchmaker.leads]
        await other.enter("a")
        await other.enter("b")
        await other.match("a", 3)


@in_virtual_time
async def test_the_same_key_is_the_same_ticket_and_a_player_has_one() -> None:
    async with Hall(2) as (one, two):
        first = await one.enter("a", key="x")
        assert (await two.enter("a", key="x")).ticket == first.ticket
        assert await refused(two.enter("a", key="y")) == "already_queued"
        assert await refused(two.enter("a", "asked")) == "already_queued"
        assert await refused(one.enter("b", "filled", "a")) == "already_queued"
        assert await refused(one.lobby.look(PlayerId("b"), why=False)) == "no_ticket", "set free"
        assert (await one.lobby.cancel(PlayerId("a"))).standing.stage is Stage.CANCELLED
        assert (await one.enter("a", key="x")).standing.stage is Stage.CANCELLED, "it is over"
        assert (await two.enter("a", key="y")).standing.stage is Stage.WAITING


@in_virtual_time
async def test_a_note_without_its_ticket_gives_way_and_the_ticket_never_comes() -> None:
    """A node died, or a call is late, between the two."""
    hall = Hall(1)
    async with hall as (one,):
        late = TicketId("late")
        assert await hall.store.hold(PlayerId("a"), DUEL, late) is None
        view = await one.enter("a")
        assert view.standing.stage is Stage.WAITING
        assert (await hall.store.standing(DUEL, late)).stage is Stage.CANCELLED


@in_virtual_time
async def test_everyone_says_yes() -> None:
    async with Hall(2) as (one, two):
        await one.enter("a", "asked")
        await two.enter("b", "asked")
        await one.reaches("a", Stage.READY_CHECK)
        assert ("a", "ready_check", "") in one.told
        assert await refused(one.lobby.cancel(PlayerId("a"))) == "too_late"
        await one.lobby.answer(PlayerId("a"), ready=True)
        await two.lobby.answer(PlayerId("b"), ready=True)
        assert await one.match("a") == await two.match("b")


@in_virtual_time
async def test_who_declines_loses_the_ticket_and_the_other_keeps_the_time() -> None:
    async with Hall(2) as (one, two):
        before = await one.enter("a", "asked")
        await asyncio.sleep(2)
        await two.enter("b", "asked")
        await two.reaches("b", Stage.READY_CHECK)
        answered = await two.lobby.answer(PlayerId("b"), ready=False)
        assert answered.standing.stage is Stage.DECLINED
        view = await one.lobby.look(PlayerId("a"), why=False)
        assert view.standing.stage is Stage.WAITING
        assert before.standing.ticket == view.standing.ticket, "with the time it was taken"
        assert await refused(two.lobby.answer(PlayerId("b"), ready=True)) == "not_asked"
        assert await refused(two.enter("b", "asked", key="again")) == "penalty"
        await asyncio.sleep(1)
        assert ("a", "waiting", "") in two.told and ("b", "declined", "") in one.told
        await one.enter("c", "asked")
        await one.reaches("c", Stage.READY_CHECK)


@in_virtual_time
async def test_who_does_not_answer_in_time_has_declined() -> None:
    async with Hall(1) as (one,):
        await one.enter("a", "asked")
        await one.enter("b", "asked")
        await asyncio.sleep(2)
        await one.lobby.answer(PlayerId("a"), ready=True)
        await asyncio.sleep(6)
        assert await one.stage("a") is Stage.WAITING
        assert await one.stage("b") is Stage.DECLINED
        assert await refused(one.enter("b", "asked", key="again")) == "penalty"
        await asyncio.sleep(20)
        assert (await one.enter("b", "asked", key="later")).standing.stage is Stage.WAITING


@in_virtual_time
async def test_free_seats_of_a_running_match_are_filled_with_whole_parties() -> None:
    hall = Hall(2)
    async with hall as (one, two):
        await one.enter("a", "filled")
        await two.enter("b", "filled")
        match = await one.match("a")
        await one.house.join("a", match=match)
        await two.house.join("b", match=match)
        await asyncio.sleep(3)
        await one.enter("p", "filled", "q")
        await two.enter("c", "filled")
        assert await two.match("c") == match
        joined, _ = await two.house.join("c", match=match)
        assert joined.handle.match_id == match
        assert await one.stage("p") is Stage.WAITING, "one seat is no place for two"
        assert await refused(one.house.join("p", match=match)) == ErrorCode.MATCH_FULL
        formed = [desk.metrics.matches_backfilled for desk in (one, two)]
        assert sorted(formed) == [0, 1]


@in_virtual_time
async def test_free_seats_may_be_open_to_all() -> None:
    async with Hall(1) as (one,):
        await one.enter("a", "open")
        await one.enter("b", "open")
        match = await one.match("a")
        await one.house.join("a", match=match)
        assert await refused(one.house.join("x", match=match)) == ErrorCode.MATCH_FULL
        await asyncio.sleep(3)
        seated, _ = await one.house.join("x", match=match)
        assert seated.handle.match_id == match


@in_virtual_time
async def test_a_booked_match_stays_booked_when_its_node_is_lost() -> None:
    hall = Hall(2)
    async with hall as desks:
        await desks[0].enter("a")
        await desks[0].enter("b")
        match = await desks[0].match("a")
        owner = await owner_of(hall, match)
        [other] = [desk for desk in desks if desk is not owner]
        await owner.kill()
        hall.desks.remove(owner)
        hall.town.houses.remove(owner.house)
        seated = None
        async with asyncio.timeout(10):
            while seated is None:
                try:
                    seated, _ = await other.house.join("a", match=match)
                except JoinRefused as error:
                    assert error.code == ErrorCode.MATCH_ELSEWHERE
                    await asyncio.sleep(0.2)
        assert await refused(other.house.join("x", match=match)) == ErrorCode.MATCH_FULL
        seated, _ = await other.house.join("b", match=match)
        runner = other.house.house.runner(match)
        assert sorted(member.player.team for member in runner.attendance.roster) == [0, 1]


@in_virtual_time
async def test_without_room_for_a_match_its_tickets_wait_on() -> None:
    hall = Hall(1)
    async with hall as (one,):
        await one.enter("a")
        notice = Maintenance(message="Back soon.", since_ms=1, until_ms=None, by="op")
        hall.town.directory._maintenance = notice
        await asyncio.sleep(1)
        assert await refused(one.enter("c")) == "maintenance"
        await hall.store.enqueue(DUEL, ticket("b"), tickets_max=9)
        await asyncio.sleep(3)
        assert one.metrics.openings_failed > 0
        assert await one.stage("a") in (Stage.WAITING, Stage.OPENING)
        hall.town.directory._maintenance = None
        assert await one.match("a")


@in_virtual_time
async def test_a_match_is_played_in_its_region() -> None:
    hall = Hall(2, regions=("eu", "us"))
    async with hall as desks:
        for n, region in enumerate(("us", "eu", "us")):
            near = {"eu": 20, "us": 90} if region == "eu" else {"eu": 90, "us": 20}
            await desks[0].enter(f"a{n}", "far", latency_ms=near)
            await desks[1].enter(f"b{n}", "far", latency_ms=near)
            owner = await owner_of(hall, await desks[0].match(f"a{n}"))
            assert owner is desks[("eu", "us").index(region)]
        assert await refused(desks[0].enter("x", "far", latency_ms={"eu": 300})) == "no_region"


@in_virtual_time
async def test_why_and_how_long_on_any_node() -> None:
    hall = Hall(2)
    hall.ratings.update(a=rated(1000.0), b=rated(3000.0), c=rated(1010.0))
    async with hall as (one, two):
        await one.enter("a")
        await two.enter("b")
        await asyncio.sleep(2)
        for desk in (one, two):
            view = await desk.lobby.look(PlayerId("a"), why=True)
            assert view.why is not None and view.why.ruled_out == {"skill": 1}
            assert view.estimate is None
        await one.enter("c")
        await one.match("c")
        await asyncio.sleep(2)
        view = await two.lobby.look(PlayerId("b"), why=False)
        assert view.estimate is not None and view.estimate.count == 2
        [duel] = [each for each in await two.lobby.queues() if each.queue == DUEL]
        assert duel.waiting == 1 and duel.estimate == view.estimate


@in_virtual_time
async def test_a_ticket_expires() -> None:
    async with Hall(1) as (one,):
        await one.enter("a", "short")
        await asyncio.sleep(9)
        assert await one.stage("a") is Stage.WAITING
        await asyncio.sleep(2)
        assert await one.stage("a") is Stage.EXPIRED
        assert ("a", "expired", "") in one.told
        assert (await one.enter("a", key="next")).standing.stage is Stage.WAITING


@in_virtual_time
async def test_what_is_refused() -> None:
    async with Hall(1) as (one,):
        assert await refused(one.enter("a", "nothing")) == "unknown_queue"
        assert await refused(one.enter("a", "duel", "b")) == "party_too_large"
        assert await refused(one.enter("a", "filled", "a")) == "bad_ticket"
        assert await refused(one.lobby.answer(PlayerId("a"), ready=True)) == "no_ticket"


@in_virtual_time
async def test_a_defect_stops_the_queue_and_not_the_node() -> None:
    hall = Hall(1)
    async with hall as (one,):
        line = hall.store.line(DUEL)
        line.waiting[TicketId("odd")] = None  # type: ignore[assignment]
        line.changes.clear()  # So that everything is read anew.
        await asyncio.sleep(5)
        assert one.metrics.matchmakers_failed > 0 and one.failure is None
        del line.waiting[TicketId("odd")]
        await one.enter("a")
        await one.enter("b")
        assert await one.match("a")
