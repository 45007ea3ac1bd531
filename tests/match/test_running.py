"""A match at work: steps, frames, events, ends, and what goes wrong with a game."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from gameserver.errors import JoinRefused
from gameserver.game.contract import LeaveReason
from gameserver.match.pacer import FixedPacer, Slots, phase
from gameserver.metrics import Metrics
from gameserver.wire.codec import Format, decode_server
from tests.match.games import Do
from tests.match.house import House, in_virtual_time


@in_virtual_time
async def test_steps_come_at_their_rate_and_frames_rise() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        await asyncio.sleep(10)
        ticks = [frame.tick for frame in watcher.frames]
        assert ticks == list(range(1, len(ticks) + 1))
        assert 199 <= len(ticks) <= 201
        assert {frame.epoch for frame in watcher.frames} == {seated.joined.epoch}
        state = house.runner(seated.joined.match).play.state
        assert state.times[:4] == [0, 50, 100, 150]
        assert house.metrics.tick_lateness_ms.quantile(1) <= 0.1


@in_virtual_time
async def test_sockets_are_polled_before_each_step_and_only_while_the_match_runs() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        await asyncio.sleep(1)
        assert watcher.is_polled
        assert watcher.polls == len(watcher.frames)
        house.store.down = True
        await asyncio.sleep(3)
        assert not watcher.is_polled
        polls = watcher.polls
        house.store.down = False
        await asyncio.sleep(2)
        assert watcher.is_polled and watcher.polls > polls
        seated.handle.input(1, Do("end"))
        await asyncio.sleep(1)
        assert watcher.reasons == ["ended"]
        assert not watcher.is_polled


@in_virtual_time
async def test_sockets_of_games_on_demand_are_not_polled() -> None:
    async with House() as house:
        _, watcher = await house.join("a", "calm")
        await asyncio.sleep(1)
        assert not watcher.is_polled


@in_virtual_time
async def test_a_late_step_does_not_move_the_next_and_far_behind_is_skipped() -> None:
    loop = asyncio.get_running_loop()
    metrics, times = Metrics(), []

    def step(now: float) -> None:
        times.append(round(loop.time() * 1000))
        if len(times) == 3:
            loop.pass_time(0.125)  # type: ignore[attr-defined]
        if len(times) == 8:
            loop.pass_time(1.01)  # type: ignore[attr-defined]

    slot = Slots(behind_max=3, metrics=metrics).at(20, 0.5)
    pacer = FixedPacer(step, rate=20, slot=slot)
    began = round(loop.time() * 1000)
    pacer.start()
    await asyncio.sleep(2)
    pacer.stop()
    at = [time - began for time in times]
    # Due at 25, 75, 125; held up until 250, so 175 and 225 follow at once; then on schedule.
    assert at[:8] == [25, 75, 125, 250, 250, 275, 325, 375]
    # Held up until 1385: due 425 to 1375 are 20 steps, too many to catch up.
    assert at[8] == 1385
    assert at[9:11] == [1425, 1475]
    assert metrics.ticks_skipped == 19
    count = len(times)
    await asyncio.sleep(1)
    assert len(times) == count


@in_virtual_time
async def test_matches_of_a_slot_step_together_and_one_that_fails_holds_up_none() -> None:
    loop = asyncio.get_running_loop()
    caught: list[str] = []
    loop.set_exception_handler(lambda _, context: caught.append(str(context["exception"])))
    slots = Slots(behind_max=3, metrics=Metrics())
    steps: list[tuple[str, int]] = []

    def pacer(name: str, phase: float) -> FixedPacer:
        def step(now: float) -> None:
            steps.append((name, round(loop.time() * 1000)))
            if name == "bad":
                raise RuntimeError("a defect")
            if name == "last":
                made["bad"].stop()
                made["late"].stop()

        return FixedPacer(step, rate=20, slot=slots.at(20, phase))

    made = {name: pacer(name, 0.41) for name in ("bad", "good", "last", "late")}
    other = pacer("other", 0.81)
    began = round(loop.time() * 1000)
    for one in (*made.values(), other):
        one.start()
    await asyncio.sleep(0.1)
    for one in (*made.values(), other):
        one.stop()
    assert [(name, at - began) for name, at in steps] == [
        ("bad", 20),
        ("good", 20),
        ("last", 20),
        ("other", 40),
        ("good", 70),
        ("last", 70),
        ("other", 90),
    ]
    assert caught == ["a defect"]
    await asyncio.sleep(0.2)
    assert len(steps) == 7


def test_phases_spread_any_number_of_matches_over_the_period() -> None:
    for count in (2, 10, 100, 1000):
        places = sorted(phase(number) for number in range(count))
        gaps = [after - before for before, after in itertools.pairwise(places)]
        assert max(gaps) < 2.7 / count


@in_virtual_time
async def test_on_demand_steps_take_everything_of_one_turn_and_wake_when_asked() -> None:
    async with House() as house:
        seated, watcher = await house.join("a", "calm")
        runner = house.runner(seated.joined.match)
        await asyncio.sleep(1)
        ticks = runner.tick
        await asyncio.sleep(60)
        assert runner.tick == ticks
        for seq in (1, 2, 3):
            seated.handle.input(seq, Do())
        await asyncio.sleep(0.001)
        assert runner.tick == ticks + 1
        assert runner.play.state.total == 3
        seated.handle.input(4, Do("wake", 5000))
        await asyncio.sleep(4.9)
        assert runner.tick == ticks + 2
        await asyncio.sleep(0.2)
        assert runner.tick == ticks + 3
        times = runner.play.state.times
        assert times[-1] - times[-2] in (5000, 5001)
        assert watcher.frames[-1].tick == runner.tick
        seated.handle.input(5, Do("wake", -1000))
        await asyncio.sleep(1)
        assert runner.tick == ticks + 5, "a wake in the past is no busy loop"


@in_virtual_time
async def test_events_are_announced_in_order_after_their_commit_and_relayed_once() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        _, other = await house.join("b")
        seated.handle.input(1, Do("emit", 2))
        await asyncio.sleep(1)
        assert watcher.kinds == [
            "match_started",
            "player_joined",
            "player_joined",
            "noted",
            "noted",
        ]
        assert watcher.events == [1, 2, 3, 4, 5]
        assert watcher.messages == other.messages, "encoded once: the same objects"
        frame = watcher.messages[-1].encoded(Format.MSGPACK)
        event = decode_server(frame[2:], Format.MSGPACK)
        assert (event.seq, event.kind, event.player) == (5, "noted", "a")  # type: ignore[union-attr]
        assert house.sunk() == [f"{seated.joined.match}/{seq}" for seq in range(1, 6)]
        assert house.service.events_uncommitted == house.service.events_unrelayed == 0


@in_virtual_time
async def test_many_matches_are_committed_in_few_calls() -> None:
    async with House() as house:
        await asyncio.gather(*(house.join(f"p{number}", mode="two") for number in range(200)))
        await asyncio.sleep(10)
        calls, commits = len(house.store.groups), sum(house.store.groups)
        assert max(house.store.groups) <= 64
        assert commits >= 100 * 9
        assert calls < commits / 4


@in_virtual_time
async def test_the_end_is_committed_then_told_then_forgotten() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        _, other = await house.join("b")
        await asyncio.sleep(0.2)
        seated.handle.input(1, Do("end"))
        await asyncio.sleep(1)
        assert watcher.kinds[-1] == other.kinds[-1] == "match_ended"
        assert watcher.reasons == other.reasons == ["ended"]
        assert seated.handle.input(2, Do()) is not None
        assert house.service.matches_open == house.service.players == 0
        assert not house.store.open
        assert house.metrics.matches_ended == 1
        again, _ = await house.join("a")
        assert again.joined.match != seated.joined.match


@in_virtual_time
async def test_a_match_that_ends_when_somebody_leaves_shows_a_last_frame() -> None:
    async with House() as house:
        king, _ = await house.join("king")
        _, watcher = await house.join("b")
        await asyncio.sleep(0.52)
        last = watcher.frames[-1].tick
        king.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(1)
        assert watcher.frames[-1].tick == last + 1
        assert watcher.kinds[-2:] == ["player_left", "match_ended"]
        assert watcher.reasons == ["ended"]


@pytest.mark.parametrize("what", ["fail", "garbage"])
def test_a_game_that_fails_ends_its_match_and_no_other(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with House() as house:
            seated, watcher = await house.join("a", mode="two")
            _, healthy = await house.join("b")
            await asyncio.sleep(0.2)
            seated.handle.input(1, Do(what))
            await asyncio.sleep(2)
            assert watcher.reasons == ["game_error"]
            assert watcher.kinds[-1] == "match_ended"
            assert "noted" not in watcher.kinds, "what the failed step said is dropped"
            assert healthy.reasons == []
            assert house.metrics.games_failed == 1
            assert house.service.matches_open == 1
            assert healthy.frames[-1].tick > 40
            assert not house.service.failed.done()

    in_virtual_time(body)()
    [record] = [one for one in caplog.records if one.getMessage() == "game failed"]
    assert record.exc_info is not None


@in_virtual_time
async def test_hidden_views_are_each_players_own() -> None:
    async with House() as house:
        _, one = await house.join("a", "secret")
        _, two = await house.join("b", "secret")
        await asyncio.sleep(0.2)
        for watcher, total in ((one, 100), (two, 101)):
            encoded = watcher.frames[-1].encoded(Format.MSGPACK, None)
            assert bytes([total]) in encoded


@in_virtual_time
async def test_a_session_that_fails_does_not_end_the_match() -> None:
    async with House() as house:
        _, bad = await house.join("a")
        _, good = await house.join("b")

        def fail(_: object) -> None:
            raise RuntimeError("a bug in the session")

        bad.frame = bad.announce = bad.poll = fail  # type: ignore[method-assign,assignment]
        await asyncio.sleep(1)
        assert len(good.frames) >= 19
        assert good.events


@in_virtual_time
async def test_a_side_task_that_dies_is_told_to_the_owner() -> None:
    async with House() as house:

        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        house.store.commit = broken  # type: ignore[method-assign]
        await house.join("a")
        with pytest.raises(ZeroDivisionError):
            await house.service.failed


@in_virtual_time
async def test_a_join_whose_game_fails_is_refused() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        runner = house.runner(seated.joined.match)
        runner.play.beat.state = None
        with pytest.raises(JoinRefused) as caught:
            await house.join("b", match=seated.joined.match)
        assert caught.value.code in ("unavailable", "unknown_match")
        await asyncio.sleep(1)
        assert watcher.reasons == ["game_error"]
