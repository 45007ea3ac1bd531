"""Other rules for running matches: what fits is carried over between two steps, else nothing is."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from gameserver.match import checkpoint as checkpoints
from tests.match.games import Calm, Count, Do, Secret
from tests.match.house import House, in_virtual_time


class Wider(msgspec.Struct):
    """The state with a new field, which has a default."""

    total: int = 0
    times: list[int] = []
    refuse: bool = False
    wake_ms: int | None = None
    wind: int = 7


class Wish(msgspec.Struct):
    """Other inputs: ``amount`` of the old ones is understood, ``what`` is not needed."""

    amount: int = 0


class WiderView(msgspec.Struct):
    total: int
    wind: int


class NewCount(Count):
    """Counts twice."""

    State: ClassVar = Wider
    Input: ClassVar = Wish
    View: ClassVar = WiderView

    def start(self, setup: Any) -> Any:
        return Wider()

    def step(self, state: Any, inputs: Any, tick: Any) -> None:
        for given in inputs:
            assert isinstance(given.data, Wish)
            state.total += 2 * given.data.amount
        state.times.append(tick.time_ms)

    def view(self, state: Any) -> Any:
        return WiderView(total=state.total, wind=state.wind)


class Needy(msgspec.Struct):
    """A state with a new field that has no default."""

    wind: int
    total: int = 0


class Unfitting(Count):
    State: ClassVar = Needy


class Faster(Count):
    tick_rate = 40


class Blind(Count):
    def view(self, state: Any) -> Any:
        raise KeyError("wind")


class NewCalm(Calm):
    def view(self, state: Any) -> Any:
        return type(state)(total=state.total + 1000)


class NewSecret(Secret):
    def view_for(self, state: Any, player: Any) -> Any:
        return type(state)(total=player.seat + 200)


@in_virtual_time
async def test_a_match_goes_on_by_the_new_rules_from_the_same_state() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        match = seated.joined.match
        seated.handle.input(1, Do("add", 5))
        await asyncio.sleep(1)
        runner, before = house.runner(match), watcher.frames[-1]
        seated.handle.input(2, Do("add", 1))  # on its way when the rules change
        exchanged = house.service.exchange(NewCount(), end_unfit=False)
        assert exchanged.carried == [match] and exchanged.kept == []
        seated.handle.input(3, Wish(10))
        await asyncio.sleep(1)
        assert runner.play.state == Wider(total=27, times=runner.play.state.times)
        assert runner.play.state.times == [50 * n for n in range(len(watcher.frames))]
        assert [frame.tick for frame in watcher.frames] == list(range(1, len(watcher.frames) + 1))
        assert [type(game) for game in watcher.games] == [NewCount]
        # Matches to come begin by the new rules too.
        other, _ = await house.join("b", mode="two")
        assert isinstance(house.runner(other.joined.match).game, NewCount)
        after = watcher.frames[-1]
        assert after.epoch == before.epoch
        assert msgspec.msgpack.decode(after.whole) == {"total": 27, "wind": 7}
        # What is committed is the new state: another node of the new rules could go on from it.
        await asyncio.sleep(2)
        lease = await house.store.acquire(
            match, owner="n2", lease_ttl_ms=2_000, instead_of=runner.tenure.lease.fence
        )
        stored = checkpoints.decode_state(checkpoints.decode(lease.checkpoint).state, Wider)
        assert (stored.total, stored.wind) == (27, 7)


@pytest.mark.parametrize(
    ("game", "why"),
    [(Unfitting, "default"), (Faster, "tick_rate was 20 and is 40"), (Blind, "KeyError")],
)
def test_a_match_that_does_not_fit_keeps_its_rules(game: type[Count], why: str) -> None:
    @in_virtual_time
    async def kept() -> None:
        async with House() as house:
            seated, watcher = await house.join("a")
            exchanged = house.service.exchange(game(), end_unfit=False)
            assert exchanged.carried == []
            [(match, said)] = exchanged.kept
            assert match == seated.joined.match and why in said
            seated.handle.input(1, Do("add", 5))
            await asyncio.sleep(1)
            assert house.runner(match).play.state.total == 5
            assert watcher.games == [] and watcher.reasons == []
            assert type(house.service.games["count"]) is game  # for matches to come
            # Once the rules fit again, it is carried over too.
            assert match in house.service.exchange(NewCount(), end_unfit=False).carried

    kept()


@in_virtual_time
async def test_a_match_that_does_not_fit_ends_where_that_is_wished() -> None:
    async with House() as house:
        _, watcher = await house.join("a")
        house.service.exchange(Unfitting(), end_unfit=True)
        await asyncio.sleep(1)
        assert watcher.reasons == ["game_error"]


@in_virtual_time
async def test_a_match_on_demand_shows_the_new_view_at_once() -> None:
    async with House() as house:
        _, watcher = await house.join("a", "calm")
        await asyncio.sleep(1)
        frames = len(watcher.frames)
        house.service.exchange(NewCalm(), end_unfit=False)
        await asyncio.sleep(0.1)
        assert len(watcher.frames) == frames + 1


@in_virtual_time
async def test_hidden_views_are_made_by_the_new_rules() -> None:
    async with House() as house:
        _, watcher = await house.join("a", "secret")
        house.service.exchange(NewSecret(), end_unfit=False)
        await asyncio.sleep(0.2)
        view = msgspec.msgpack.decode(watcher.frames[-1].whole)
        assert view["total"] == 200


@in_virtual_time
async def test_other_games_are_left_alone() -> None:
    async with House() as house:
        seated, watcher = await house.join("a", "calm")
        assert house.service.exchange(NewCount(), end_unfit=False).carried == []
        assert watcher.games == []
        assert type(house.runner(seated.joined.match).game) is Calm


@in_virtual_time
async def test_a_match_that_is_just_being_opened_begins_by_the_new_rules() -> None:
    async with House() as house:
        joining = asyncio.ensure_future(house.join("a"))
        await asyncio.sleep(0)  # It waits for the store.
        house.service.exchange(NewCount(), end_unfit=False)
        seated, _ = await joining
        assert isinstance(house.runner(seated.joined.match).game, NewCount)
