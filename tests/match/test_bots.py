"""Seats that the game itself plays, and until when a person may take one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from gameserver.errors import JoinRefused
from gameserver.game.contract import Bots, LeaveReason, Mode, Player, PlayerInput, Random, Tick
from gameserver.game.testkit import Broken, check
from gameserver.game.validate import problems
from gameserver.games.arena import Arena
from gameserver.hosting import Terms
from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import Booking, Place, Queue
from gameserver.replay.recording import Recording
from gameserver.wire import to_client
from gameserver.wire.event_record import Chunk
from gameserver.wire.recording import unpack
from tests.cluster.town import Town
from tests.fakes.memory_queue import MemorySink
from tests.match.games import GAMES, Count, Do, State
from tests.match.house import House, Watcher, in_virtual_time
from tests.replay.played import RecordedArena, replayed
from tests.sim.loop import run


class Filled(Count):
    name = "filled"
    recorded = True
    modes: ClassVar = {"four": Mode(players_max=4, bots=Bots(seats=3, wait_ms=1_000))}

    def step(self, state: State, inputs: Sequence[PlayerInput[Do]], tick: Tick) -> None:
        for given in inputs:
            state.total += given.data.amount % 7

    def bot(self, state: State, player: Player, random: Random) -> Do | None:
        return Do("add", 1 + random.below(5))


class Calm(Filled):
    name = "calm"
    tick_rate = 0


class Timed(Count):
    name = "timed"
    modes: ClassVar = {"eight": Mode(players_max=8, join_until_ms=1_000)}


PLAYED: dict[str, Any] = {**GAMES, "filled": Filled(), "calm": Calm(), "timed": Timed()}


def bots(house: House, match: str) -> list[str]:
    roster = house.runner(match).attendance.roster
    return sorted(member.player_id for member in roster if member.player.is_bot)


@in_virtual_time
async def test_bots_fill_seats_after_the_wait_and_play() -> None:
    async with House(games=PLAYED) as house:
        seated, a = await house.join("a", "filled")
        match = seated.joined.match
        await asyncio.sleep(0.8)
        assert bots(house, match) == []
        await asyncio.sleep(1)
        assert bots(house, match) == ["bot:1", "bot:2"]
        assert (house.runner(match).players, house.service.players) == (1, 1)
        assert house.runner(match).open
        before = house.runner(match).play.state.total
        await asyncio.sleep(1)
        assert 2 * 18 <= house.runner(match).play.state.total - before <= 2 * 5 * 22
        assert a.frames[-1].acks[1] > 30
        assert house.runner(match).attendance.roster.shown()[1] == to_client.Seat(
            1, "bot:1", "Bot 2", True
        )


@in_virtual_time
async def test_a_person_takes_a_seat_of_a_bot() -> None:
    async with House(games=PLAYED) as house:
        first, _ = await house.join("a", "filled")
        match = first.joined.match
        await asyncio.sleep(2)
        second, _ = await house.join("b", "filled")
        assert (second.joined.match, second.joined.seat) == (match, 2)
        assert bots(house, match) == ["bot:1"]
        for name in "cd":
            assert (await house.join(name, "filled"))[0].joined.match == match
        assert bots(house, match) == []
        assert (await house.join("e", "filled"))[0].joined.match != match
        second.handle.leave(LeaveReason.LEFT)
        first.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(0.8)
        assert bots(house, match) == []
        await asyncio.sleep(1)
        assert len(bots(house, match)) == 1


@in_virtual_time
async def test_bots_are_no_company() -> None:
    async with House(games=PLAYED, empty_match_ms=500) as house:
        seated, _ = await house.join("a", "filled")
        await asyncio.sleep(2)
        assert bots(house, seated.joined.match)
        seated.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(1)
        assert house.service.matches_open == 0


@in_virtual_time
async def test_bots_without_a_tick_rate_think_for_a_moment() -> None:
    async with House(games=PLAYED) as house:
        seated, _ = await house.join("a", "calm")
        runner = house.runner(seated.joined.match)
        await asyncio.sleep(1.3)
        assert bots(house, seated.joined.match) == ["bot:1", "bot:2"]
        tick = runner.tick
        await asyncio.sleep(7)
        assert 8 <= runner.tick - tick <= 14
        assert runner.play.state.total > 10


@pytest.mark.parametrize("game", ["filled", "calm"])
@in_virtual_time
async def test_bots_move_with_their_match(game: str) -> None:
    async with Town(2, games=PLAYED) as (one, two):
        seated, _ = await one.join("a", game)
        await asyncio.sleep(0.1)
        _, b = await two.join("b", match=seated.joined.match)
        await asyncio.sleep(2)
        assert bots(one.house, seated.joined.match) == ["bot:2"]
        await one.kill()
        await asyncio.sleep(4)
        assert bots(two.house, seated.joined.match) == ["bot:2"]
        total = two.house.runner(seated.joined.match).play.state.total
        await asyncio.sleep(1)
        assert two.house.runner(seated.joined.match).play.state.total > total
        assert b.reasons == []


async def _with_bots(game: Any, mode: str) -> list[Chunk]:
    """The recording of a match of one person with bots, whose owner is lost twice."""
    house, match = House(games={game.name: game}), ""
    for number in (1, 2, 3):
        if number > 1:
            await house.service.stop()
            house = House(
                node=f"n{number}", games={game.name: game}, store=house.store, queue=house.queue
            )
        await house.service.start()
        await asyncio.sleep(3 if match else 0)
        seated, _ = await house.join("a", game.name, mode, match=match)
        match = seated.joined.match
        await asyncio.sleep(4)
    seated.handle.leave(LeaveReason.LEFT)
    await asyncio.sleep(15)
    await house.service.stop()
    sink = MemorySink()
    sink.drain(house.queue)
    return sink.recording(match)


@pytest.mark.parametrize("game", [Filled(), Calm(), RecordedArena()])
def test_matches_with_bots_are_played_again_over_failovers(game: Any) -> None:
    chunks = run(_with_bots(game, "practice" if isinstance(game, Arena) else ""))
    checked = replayed(chunks, game)
    assert [one.problem for one in checked] == [None] * len(checked)
    assert len([one for one in checked if one.revived]) == 2
    assert all(one.recorded == one.computed for one in checked)
    assert sum(one.inputs for one in checked) > 20
    players = {
        getattr(op, "player", "")
        for section in Recording(chunks).sections
        for op in unpack(section.pieces)
    }
    assert len([player for player in players if player.startswith("bot:")]) >= 2


@in_virtual_time
async def test_the_same_state_gives_the_same_bots() -> None:
    async with House(games=PLAYED) as house:
        seated, _ = await house.join("a", "filled")
        await asyncio.sleep(2)
        play = house.runner(seated.joined.match).play
        player = Player(id=PlayerId("bot:1"), name="", seat=1)
        drawn = play.random
        assert play.bot(player) == play.bot(player)
        assert play.random == drawn
        others = {play.bot(Player(id=player.id, name="", seat=seat)).amount for seat in range(50)}  # type: ignore[union-attr]
        assert len(others) == 5


def test_bots_and_times_are_checked() -> None:
    class Wrong(Count):
        modes: ClassVar = {
            "a": Mode(players_max=2, bots=Bots(seats=3)),
            "b": Mode(players_max=2, bots=Bots(seats=2)),
            "c": Mode(players_max=2, join_until_ms=0),
        }

    class Greedy(Filled):
        def bot(self, state: State, player: Player, random: Random) -> Do | None:
            state.total += 1
            return None

    assert len(problems(Wrong)) == 3
    check(Filled, steps=100)
    with pytest.raises(Broken, match="bot"):
        check(Greedy, steps=100)
    check(Arena, mode="practice", steps=300)


@in_virtual_time
async def test_a_bot_that_gives_no_input_ends_its_match() -> None:
    class Odd(Filled):
        name = "odd"

        def bot(self, state: State, player: Player, random: Random) -> Any:
            return State()

    async with House(games={"odd": Odd()}) as house:
        _, a = await house.join("a", "odd")
        await asyncio.sleep(2)
        assert a.reasons == ["game_error"]


# ── late joins ───────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_a_game_says_until_when_one_may_join() -> None:
    async with House(games=PLAYED) as house:
        first, _ = await house.join("a", "timed")
        match = first.joined.match
        await asyncio.sleep(0.8)
        assert (await house.join("b", "timed"))[0].joined.match == match
        await asyncio.sleep(0.4)
        assert not house.runner(match).open
        with pytest.raises(JoinRefused, match="too late"):
            await house.join("c", match=match)
        assert (await house.join("c", "timed"))[0].joined.match != match
        again, _ = await house.join("b", match=match, watcher=Watcher())
        assert again.joined.seat == 1
        assert [one.id for one in house.service.open_matches(9)] == [
            one.id for one in house.service.listing() if one.id != match
        ]


@in_virtual_time
async def test_kept_seats_outlast_the_time_and_new_guests_do_not() -> None:
    async with House(games=PLAYED) as house:
        booking = Booking(
            queue=Queue("timed", "eight"),
            places=(Place(PlayerId("a"), 0, ""), Place(PlayerId("b"), 0, "")),
            until_ms=5_000,
        )
        assert await house.service.open_booked(MatchId("m"), booking)
        terms = Terms(by=PlayerId("a"), guests={PlayerId("a"): 5_000, PlayerId("b"): 5_000})
        await house.service.hosting.open(MatchId("h"), "timed", "eight", terms)
        await house.join("a", match="m")
        await asyncio.sleep(2)
        await house.join("b", match="m")
        await house.join("c", "timed")
        with pytest.raises(JoinRefused, match="too late"):
            await house.service.hosting.invite(MatchId("h"), PlayerId("d"), 10_000)
        with pytest.raises(JoinRefused, match="too late"):
            await house.join("d", match="h")
