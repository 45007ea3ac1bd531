"""Who watches without a seat: what they are shown, how late, and what it costs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from gameserver.errors import JoinRefused
from gameserver.game.contract import LeaveReason, Player, Sensitive, Tick
from gameserver.game.validate import problems
from gameserver.hosting import Terms
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Visibility
from gameserver.ports import Identity, Seated
from gameserver.wire import from_client
from gameserver.wire.frame import Frame
from gameserver.wire.to_client import ErrorCode
from tests.cluster.town import Town, TownHouse
from tests.match.games import GAMES, Count, Do, Noted, Secret, State
from tests.match.house import House, Watcher, in_virtual_time


class Told(msgspec.Struct, tag="told"):
    text: Annotated[str, Sensitive]
    loud: bool


class Open(Count):
    name = "open"
    spectate_delay_ms = 0
    Event: ClassVar = Noted | Told

    def leave(self, state: State, player: Player, reason: LeaveReason, tick: Tick) -> None:
        tick.emit(Told("my number is 5", True))


class Late(Count):
    name = "late"
    spectate_delay_ms = 1_000


class Calm(Late):
    name = "calm"
    tick_rate = 0


class Cards(Secret):
    name = "cards"
    spectate_delay_ms = 0

    def view_public(self, state: State) -> State:
        return State(total=7)


WATCHED: dict[str, Any] = {game.name: game for game in (Open(), Late(), Calm(), Cards())}
PLAYED = {**GAMES, **WATCHED}


async def watch(
    matches: Any, match: str, name: str = "eve", watcher: Watcher | None = None
) -> tuple[Seated, Watcher]:
    watcher = watcher or Watcher()
    identity = Identity(
        player_id=PlayerId(name), name=name, groups=(), expires_ms=0, token_use="access"
    )
    return await matches.join(from_client.Watch(1, match), identity, watcher), watcher


def ticks(watcher: Watcher) -> list[int]:
    return [frame.tick for frame in watcher.frames]


@in_virtual_time
async def test_a_spectator_sees_what_players_see_and_has_no_say() -> None:
    async with House(games=PLAYED) as house:
        seated, player = await house.join("a", "open")
        match = seated.joined.match
        await asyncio.sleep(0.1)
        watching, eve = await watch(house.service, match)
        assert (watching.joined.seat, len(watching.joined.seats)) == (-1, 1)
        assert watching.frame is not None
        assert watching.handle.input(1, Do("add", 5)) is ErrorCode.NOT_JOINED
        seated.handle.input(1, Do("emit", 2))
        await asyncio.sleep(0.5)
        assert ticks(eve) == ticks(player)[-len(eve.frames) :] != []
        assert eve.events == player.events[-2:]
        assert house.runner(match).players == 1
        assert house.runner(match).play.state.total == 0
        watching.handle.leave(LeaveReason.LEFT)
        seen = len(eve.frames)
        await asyncio.sleep(0.2)
        assert len(eve.frames) == seen
        assert house.runner(match).attendance.roster.guests == ()


@in_virtual_time
async def test_sensitive_fields_are_for_players_alone() -> None:
    async with House(games=PLAYED) as house:
        seated, _ = await house.join("a", "open")
        _, eve = await watch(house.service, seated.joined.match)
        other, _ = await house.join("b", match=seated.joined.match)
        other.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(0.2)
        (told,) = [one for one in eve.messages if getattr(one.message, "kind", "") == "told"]
        assert told.data == {"loud": True}


@pytest.mark.parametrize("game", ["count", "secret"])
@in_virtual_time
async def test_a_game_that_does_not_say_so_cannot_be_watched(game: str) -> None:
    async with House(games=PLAYED) as house:
        seated, _ = await house.join("a", game)
        with pytest.raises(JoinRefused) as refused:
            await watch(house.service, seated.joined.match)
        assert refused.value.code == ErrorCode.REFUSED


def test_a_hidden_game_without_a_public_view_is_not_loaded() -> None:
    class Leaky(Secret):
        spectate_delay_ms = 0

    class Idle(Count):
        def view_public(self, state: State) -> State:
            return state

    class Never(Count):
        spectate_delay_ms = -1

    assert any("view_public" in problem for problem in problems(Leaky))
    assert any("never called" in problem for problem in problems(Idle))
    assert any("spectate_delay_ms" in problem for problem in problems(Never))
    assert problems(Cards) == []


@in_virtual_time
async def test_of_a_hidden_game_the_public_view_is_shown() -> None:
    async with House(games=PLAYED) as house:
        seated, player = await house.join("a", "cards")
        watching, eve = await watch(house.service, seated.joined.match)
        await asyncio.sleep(0.3)
        public = msgspec.msgpack.encode(State(total=7))
        assert {frame.whole for frame in (watching.frame, *eve.frames) if frame} == {public}
        assert player.frames[-1].whole != public


@in_virtual_time
async def test_delayed_frames_and_events_come_late_and_in_order() -> None:
    async with House(games=PLAYED) as house:
        seated, player = await house.join("a", "late")
        await asyncio.sleep(0.1)
        watching, eve = await watch(house.service, seated.joined.match)
        assert watching.frame is None
        seated.handle.input(1, Do("emit", 1))
        await asyncio.sleep(0.9)
        assert (eve.frames, eve.events) == ([], [])
        await asyncio.sleep(0.6)
        assert 17 <= player.frames[-1].tick - eve.frames[-1].tick <= 22
        assert ticks(eve) == sorted(set(ticks(eve)))
        assert eve.events == player.events[-1:]
        _, late = await watch(house.service, seated.joined.match, "zoe")
        await asyncio.sleep(0.1)
        assert late.frames and late.events == []


@in_virtual_time
async def test_a_match_without_a_rate_is_shown_though_it_rests() -> None:
    async with House(games=PLAYED) as house:
        seated, _ = await house.join("a", "calm")
        await asyncio.sleep(0.1)
        _, eve = await watch(house.service, seated.joined.match)
        await asyncio.sleep(1.1)
        assert len(eve.frames) == 1


@in_virtual_time
async def test_the_end_shows_what_was_held_back() -> None:
    async with House(games=PLAYED) as house:
        seated, player = await house.join("a", "late")
        _, eve = await watch(house.service, seated.joined.match)
        await asyncio.sleep(0.2)
        seated.handle.input(1, Do("end"))
        await asyncio.sleep(0.3)
        assert eve.reasons == player.reasons == ["ended"]
        assert eve.frames[-1].tick == player.frames[-1].tick
        assert eve.kinds[-1] == "match_ended"


@in_virtual_time
async def test_what_is_held_back_is_bounded() -> None:
    async with House(games=PLAYED, spectate_bytes_max=65_536, resume_events_max=20) as house:
        seated, player = await house.join("a", "late")
        _, eve = await watch(house.service, seated.joined.match)
        gallery = house.runner(seated.joined.match).attendance._gallery
        assert gallery is not None
        frame = player.frames[0] if player.frames else seated.frame
        assert frame is not None
        for number in range(20_000):
            gallery.frame(Frame(frame.epoch, 100_000 + number, 0, [], frame.whole, frame.tables))
            assert gallery._bytes <= 65_536
        for _ in range(10):
            seated.handle.input(_ + 1, Do("emit", 8))
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)
        assert gallery._events <= 20
        await asyncio.sleep(1.0)
        assert 119_999 in ticks(eve)


@in_virtual_time
async def test_there_are_at_most_so_many() -> None:
    async with House(games=PLAYED, spectators_max=1) as house:
        seated, _ = await house.join("a", "open")
        first, _ = await watch(house.service, seated.joined.match)
        with pytest.raises(JoinRefused) as refused:
            await watch(house.service, seated.joined.match, "zoe")
        assert refused.value.code == ErrorCode.MATCH_FULL
        assert "gameserver_spectators 1.0" in house.metrics.render().decode()
        first.handle.detach()
        await watch(house.service, seated.joined.match, "zoe")


@in_virtual_time
async def test_of_a_private_match_only_guests_are_spectators() -> None:
    async with House(games=PLAYED) as house:
        terms = Terms(
            by=PlayerId("a"), visibility=Visibility.PRIVATE, guests={PlayerId("a"): 9_000}
        )
        await house.service.hosting.open(MatchId("h"), "open", "eight", terms)
        with pytest.raises(JoinRefused) as refused:
            await watch(house.service, "h", "eve")
        assert refused.value.code == ErrorCode.NOT_INVITED
        await watch(house.service, "h", "a")


@in_virtual_time
async def test_spectators_keep_no_match_alive() -> None:
    async with House(games=PLAYED, empty_match_ms=500) as house:
        seated, _ = await house.join("a", "open")
        _, eve = await watch(house.service, seated.joined.match)
        seated.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(1)
        assert eve.reasons == ["ended"]
        assert house.service.matches_open == 0


# ── over nodes ───────────────────────────────────────────────────────────────────────────────────


async def opened(one: TownHouse, game: str) -> tuple[Seated, Watcher]:
    seated, player = await one.join("a", game)
    await asyncio.sleep(0.1)
    return seated, player


@in_virtual_time
async def test_spectators_elsewhere_see_the_public_view_and_share_one_stream() -> None:
    town = Town(2, games=PLAYED)
    async with town as (one, two):
        seated, _ = await opened(one, "cards")
        second, b = await two.join("b", match=seated.joined.match)
        watching = [await watch(two.cluster, seated.joined.match, f"e{n}") for n in range(5)]
        assert watching[0][0].joined.seat == -1
        sent = town.hub.sent
        await asyncio.sleep(1)
        # One stream for the player, one for all spectators, and signs of life.
        assert town.hub.sent - sent <= 2 * 21 + 2 * 5 + 1
        public = msgspec.msgpack.encode(State(total=7))
        for _, eve in watching:
            assert len(eve.frames) >= 15
            assert {frame.whole for frame in eve.frames} == {public}
        assert public not in {frame.whole for frame in b.frames}
        handle = watching[0][0].handle
        handle.input(1, Do("add", 5))
        await asyncio.sleep(0.2)
        assert one.house.runner(seated.joined.match).play.state.total == 0
        for each, _ in watching:
            each.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(0.2)
        assert one.house.runner(seated.joined.match).attendance.spectators == 0
        assert second.handle.input(1, Do("add", 5)) is None


@pytest.mark.parametrize("game", ["open", "late"])
@in_virtual_time
async def test_a_lost_owner_costs_spectators_a_delay(game: str) -> None:
    async with Town(3, games=PLAYED) as (one, two, three):
        seated, _ = await opened(one, game)
        await two.join("b", match=seated.joined.match)
        _, eve = await watch(three.cluster, seated.joined.match)
        await asyncio.sleep(1.5)
        epoch = eve.frames[-1].epoch
        await one.kill()
        await asyncio.sleep(5)
        seen = [(frame.epoch, frame.tick) for frame in eve.frames]
        assert seen == sorted(set(seen))
        assert seen[-1][0] > epoch
        assert eve.reasons == []
        assert eve.events == sorted(set(eve.events))
