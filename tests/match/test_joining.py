"""The way into a match, and out of it."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.errors import JoinRefused, StoreUnavailable
from gameserver.game.contract import LeaveReason
from gameserver.maintenance import Maintenance
from gameserver.wire.to_client import ErrorCode
from tests.match.games import Do
from tests.match.house import House, in_virtual_time


@in_virtual_time
async def test_four_hundred_joins_at_once_open_fifty_rooms_of_eight() -> None:
    async with House() as house:
        joins = await asyncio.gather(*(house.join(f"p{number}") for number in range(400)))
        listing = house.service.listing()
        assert [info.players for info in listing] == [8] * 50
        assert {seated.joined.match for seated, _ in joins} == {info.id for info in listing}
        assert house.metrics.matches_started == 50


@in_virtual_time
async def test_quick_join_fills_the_fullest_match_first_and_the_lowest_seat() -> None:
    async with House() as house:
        seats = [(await house.join(f"p{number}"))[0] for number in range(12)]
        first, second = (info.id for info in house.service.listing())
        for number in (1, 2, 5):
            seats[number].handle.leave(LeaveReason.LEFT)
        back, _ = await house.join("x")
        assert (back.joined.match, back.joined.seat) == (first, 1)
        assert [info.players for info in house.service.listing()] == [6, 4]
        assert second == (await house.join("p9"))[0].joined.match


@in_virtual_time
async def test_modes_and_games_are_kept_apart() -> None:
    async with House() as house:
        one, _ = await house.join("a", "count", "two")
        two, _ = await house.join("b", "count")
        three, _ = await house.join("c", "calm")
        assert len({one.joined.match, two.joined.match, three.joined.match}) == 3
        assert (two.joined.mode, three.joined.tick_rate) == ("eight", 0)


@in_virtual_time
async def test_what_cannot_be_joined_says_why() -> None:
    async with House(matches_max=2) as house:

        async def refused(player: str, **request: str) -> str:
            with pytest.raises(JoinRefused) as caught:
                await house.join(player, **request)  # type: ignore[arg-type]
            assert caught.value.message
            return caught.value.code

        assert await refused("a", game="chess") == ErrorCode.UNKNOWN_GAME
        assert await refused("a", game="count", mode="nine") == ErrorCode.UNKNOWN_MODE
        assert await refused("a", match="nowhere") == ErrorCode.UNKNOWN_MATCH
        assert await refused("a", game="broken") == ErrorCode.UNAVAILABLE
        seated, _ = await house.join("a", "count", "two")
        await house.join("b", "count", "two")
        assert await refused("c", match=seated.joined.match) == ErrorCode.MATCH_FULL
        await house.join("c", "count")
        assert await refused("d", game="calm") == ErrorCode.SERVER_FULL
        assert await refused("a", game="count") == ErrorCode.ALREADY_JOINED
        house.store.down = True
        await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailable):
            await house.join("e", match="unknown")
        house.store.down = False
        await house.service.drain(1)
        assert await refused("a", game="count") == ErrorCode.DRAINING


@in_virtual_time
async def test_in_maintenance_new_seats_are_refused_and_kept_ones_are_not() -> None:
    async with House() as house:
        first, _ = await house.join("a")
        match = first.joined.match
        await house.join("b", "count", "two")
        await asyncio.sleep(1)
        first.handle.detach()
        house.service.maintenance = Maintenance(
            message="Back at noon.", since_ms=1, until_ms=None, by="op"
        )

        async def refused(player: str, **request: str) -> None:
            with pytest.raises(JoinRefused) as caught:
                await house.join(player, **request)  # type: ignore[arg-type]
            assert (caught.value.code, caught.value.message) == (
                ErrorCode.MAINTENANCE,
                "Back at noon.",
            )

        await refused("c")  # though the match has a free seat
        await refused("c", game="calm")
        await refused("c", match=match)
        await refused("a", game="calm")  # their seat here is kept, another is a new one
        with pytest.raises(JoinRefused) as unknown:
            await house.join("c", game="chess")
        assert unknown.value.code == ErrorCode.UNKNOWN_GAME
        assert house.metrics.matches_started == 2

        resumed, there = await house.join("a", match=match, resume=(first.joined.epoch, 1))
        assert (resumed.joined.seat, resumed.joined.resumed) == (0, True)
        by_kind, _ = await house.join("a")
        assert by_kind.joined.match == match and there.reasons == ["replaced"]
        assert by_kind.handle.input(1, Do("emit")) is None
        ticks = house.metrics.ticks
        await asyncio.sleep(1)
        assert house.metrics.ticks >= ticks + 19, "matches that run play on"

        house.service.maintenance = None
        assert (await house.join("c"))[0].joined.match == match


@in_virtual_time
async def test_a_match_of_another_node_is_adopted_in_maintenance_for_those_who_play_it() -> None:
    async with House() as house:
        seated, _ = await house.join("a")
        await house.join("b")
        await asyncio.sleep(1)
        await house.service.stop()
        async with House(store=house.store, queue=house.queue, node="n2") as heir:
            heir.service.maintenance = Maintenance(
                message="Back at noon.", since_ms=1, until_ms=None, by="op"
            )
            await asyncio.sleep(4)  # The lease has run out.
            assert heir.metrics.matches_adopted == 1
            again, _ = await heir.join("a", match=seated.joined.match)
            assert again.joined.epoch > seated.joined.epoch
            with pytest.raises(JoinRefused, match="noon"):
                await heir.join("c", match=seated.joined.match)


@in_virtual_time
async def test_who_waits_for_a_match_when_maintenance_begins_gets_no_seat() -> None:
    async with House() as house:
        joining = asyncio.ensure_future(house.join("a"))
        await asyncio.sleep(0)
        house.service.maintenance = Maintenance(
            message="Back at noon.", since_ms=1, until_ms=None, by="op"
        )
        with pytest.raises(JoinRefused, match="noon"):
            await joining
        await asyncio.sleep(12)
        assert house.service.matches_open == 0, "an empty match ends by itself"


@in_virtual_time
async def test_a_game_that_refuses_is_left_out_for_a_while() -> None:
    async with House() as house:
        seated, _ = await house.join("a")
        seated.handle.input(1, Do("refuse"))
        await asyncio.sleep(0.1)
        with pytest.raises(JoinRefused, match="closed"):
            await house.join("b", match=seated.joined.match)
        other, _ = await house.join("b")
        assert other.joined.match != seated.joined.match
        assert (await house.join("c"))[0].joined.match == other.joined.match


@in_virtual_time
async def test_coming_back_gives_the_same_seat_and_replaces_the_earlier_session() -> None:
    async with House() as house:
        await house.join("z")
        first, earlier = await house.join("a")
        assert first.handle.input(7, Do()) is None
        again, _ = await house.join("a")
        assert (again.joined.match, again.joined.seat) == (first.joined.match, 1)
        assert again.joined.input_seq == 7
        assert earlier.reasons == ["replaced"]
        assert first.handle.input(8, Do()) is ErrorCode.NOT_JOINED
        first.handle.detach()
        first.handle.leave(LeaveReason.LEFT)
        assert again.handle.input(8, Do()) is None
        assert house.service.players == 2
        await asyncio.sleep(0.1)
        assert [seat.connected for seat in again.joined.seats] == [True, True]
        by_id, _ = await house.join("a", match=first.joined.match)
        assert by_id.joined.seat == 1


@in_virtual_time
async def test_inputs_of_who_has_left_are_not_stepped() -> None:
    async with House() as house:
        first, _ = await house.join("a")
        _, there = await house.join("b")
        await asyncio.sleep(0.06)
        assert first.handle.input(1, Do(what="emit")) is None
        first.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(0.2)
        assert there.kinds[-1] == "player_left"
        assert "noted" not in there.kinds


@in_virtual_time
async def test_an_abandoned_seat_is_given_up_for_another_match() -> None:
    async with House() as house:
        first, _ = await house.join("a", "count")
        await house.join("b", "count")
        first.handle.detach()
        other, _ = await house.join("a", "calm")
        assert other.joined.game == "calm"
        assert house.runner(first.joined.match).players == 1
        assert house.service.players == 2


@in_virtual_time
async def test_grace_then_disconnected_then_abandoned_then_forgotten() -> None:
    async with House(grace_ms=3000, empty_match_ms=2000) as house:
        seated, watcher = await house.join("a")
        other, there = await house.join("b")
        await asyncio.sleep(0.1)
        seated.handle.detach()
        await asyncio.sleep(2.9)
        assert house.service.players == 2
        await asyncio.sleep(0.2)
        assert house.service.players == 1
        assert there.kinds[-1] == "player_left"
        assert "player_left" not in watcher.kinds
        other.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(1.9)
        assert house.service.matches_open == 1
        await asyncio.sleep(1)
        assert house.service.matches_open == 0
        assert not house.store.open
        assert house.sunk() == [f"{seated.joined.match}/{seq}" for seq in range(1, 7)]


@in_virtual_time
async def test_who_is_cancelled_does_not_take_the_others_match_away() -> None:
    async with House() as house:
        first = asyncio.ensure_future(house.join("a"))
        second = asyncio.ensure_future(house.join("b"))
        await asyncio.sleep(0)
        first.cancel()
        seated, _ = await second
        assert seated.joined.seat == 0
        assert house.metrics.matches_started == 1
        with pytest.raises(asyncio.CancelledError):
            await first


@in_virtual_time
async def test_inputs_are_bounded_per_step_and_must_grow() -> None:
    async with House(inputs_per_tick_max=3) as house:
        seated, watcher = await house.join("a")
        give = seated.handle.input
        assert [give(seq, Do()) for seq in (1, 2, 3)] == [None] * 3
        assert give(3, Do()) is ErrorCode.BAD_INPUT
        assert give(4, Do()) is ErrorCode.TOO_MANY_INPUTS
        await asyncio.sleep(0.06)
        assert give(4, Do()) is None
        assert house.runner(seated.joined.match).attendance.roster.acks.tolist() == [3]
        await asyncio.sleep(0.06)
        assert house.runner(seated.joined.match).attendance.roster.acks.tolist() == [4]
        assert watcher.frames
        assert house.metrics.inputs_received == 4


@in_virtual_time
async def test_resume_gives_the_exact_gap_or_says_that_it_cannot() -> None:
    async with House(resume_events_max=4) as house:
        seated, watcher = await house.join("a")
        epoch, match_id = seated.joined.epoch, seated.joined.match
        await asyncio.sleep(0.1)
        seated.handle.input(1, Do("emit", 6))
        await asyncio.sleep(0.2)
        assert watcher.events == list(range(1, 9))

        async def back(seq: int, epoch: int = epoch) -> tuple[bool, int, list[int]]:
            again, _ = await house.join("a", match=match_id, resume=(epoch, seq))
            return again.joined.resumed, again.joined.seq, [one.seq for one in again.missed]

        assert await back(8) == (True, 8, [])
        assert await back(5) == (True, 5, [6, 7, 8])
        assert await back(4) == (True, 4, [5, 6, 7, 8])
        assert await back(3) == (False, 8, [])
        assert await back(9) == (False, 8, [])
        assert await back(6, epoch - 1) == (True, 6, [7, 8])
        with pytest.raises(JoinRefused) as caught:
            await back(6, epoch + 1)
        assert caught.value.code == ErrorCode.MATCH_ELSEWHERE
