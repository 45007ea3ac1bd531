"""What players decide together: pauses and rematches, over nodes and failovers too."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from gameserver.errors import JoinRefused
from gameserver.game.contract import LeaveReason, Mode
from gameserver.game.validate import problems
from gameserver.hosting import Terms
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Visibility
from gameserver.match.votes import next_id
from gameserver.ports import Seated
from gameserver.wire import from_client, to_client
from tests.cluster.town import Town
from tests.match.games import GAMES, Count, Do
from tests.match.house import House, Watcher, in_virtual_time


class Fair(Count):
    name = "fair"
    modes: ClassVar = {
        "eight": Mode(players_max=8, players_min=2, pauses=2, pause_ms=5_000, rematch_ms=10_000)
    }


class Slow(Fair):
    name = "slow"
    tick_rate = 0


PLAYED: dict[str, Any] = {**GAMES, "fair": Fair(), "slow": Slow()}


def vote(seated: Seated, what: str, *, yes: bool = True) -> None:
    seated.handle.say(from_client.Vote(1, what, yes))  # type: ignore[arg-type]


def told(watcher: Watcher, kind: type[Any]) -> list[Any]:
    return [one.message for one in watcher.messages if isinstance(one.message, kind)]


@pytest.mark.parametrize("game", ["fair", "slow"])
@in_virtual_time
async def test_more_than_half_pause_and_go_on(game: str) -> None:
    async with House(games=PLAYED) as house:
        seats = [await house.join(name, game) for name in "abc"]
        runner = house.runner(seats[0][0].joined.match)
        watcher = seats[2][1]
        vote(seats[0][0], "pause")
        assert runner.state == "running"
        vote(seats[1][0], "pause")
        assert runner.state == "paused"
        assert "Paused" in watcher.kinds
        tick, time_ms = runner.tick, runner.time_ms
        vote(seats[0][0], "resume")
        await asyncio.sleep(1)
        assert (runner.tick, runner.time_ms) == (tick, time_ms)
        vote(seats[2][0], "resume")
        assert runner.state == "running"
        votes = [(one.what, one.yes, one.needed) for one in told(watcher, to_client.Voting)]
        assert votes == [
            ("pause", [0], 2),
            ("pause", [0, 1], 2),
            ("pause", [], 0),
            ("resume", [0], 2),
            ("resume", [0, 2], 2),
            ("resume", [], 0),
        ]


@in_virtual_time
async def test_a_pause_is_bounded_in_length_and_number() -> None:
    async with House(games=PLAYED) as house:
        seated, a = await house.join("a", "fair")
        runner = house.runner(seated.joined.match)
        for _ in range(2):
            vote(seated, "pause")
            assert runner.state == "paused"
            await asyncio.sleep(5.1)
            assert runner.state == "running"
        vote(seated, "pause")
        assert runner.state == "running"
        vote(seated, "resume")
        assert len(told(a, to_client.Error)) == 2


@in_virtual_time
async def test_a_vote_fails_by_time_or_by_noes() -> None:
    async with House(games=PLAYED) as house:
        first, a = await house.join("a", "fair")
        second, _ = await house.join("b", "fair")
        third, _ = await house.join("c", "fair")
        vote(first, "pause")
        await asyncio.sleep(31)
        assert told(a, to_client.Voting)[-1].needed == 0
        vote(first, "pause")
        vote(second, "pause", yes=False)
        vote(third, "pause", yes=False)
        assert told(a, to_client.Voting)[-1].needed == 0
        vote(first, "pause")
        third.handle.leave(LeaveReason.LEFT)
        second.handle.leave(LeaveReason.LEFT)
        assert house.runner(first.joined.match).state == "paused"


@pytest.mark.parametrize("game", ["fair", "slow"])
@in_virtual_time
async def test_a_new_owner_goes_on_pausing(game: str) -> None:
    async with Town(3, games=PLAYED) as (one, two, three):
        first, _ = await one.join("a", game)
        await asyncio.sleep(0.1)
        second, b = await two.join("b", match=first.joined.match)
        third, _ = await three.join("c", match=first.joined.match)
        for seated in (second, third):
            vote(seated, "pause")
        await asyncio.sleep(0.3)
        assert told(b, to_client.Paused)
        await one.kill()
        await asyncio.sleep(3.5)
        heir = two if two.matches else three
        runner = heir.house.runner(first.joined.match)
        assert runner.state == "paused"
        await asyncio.sleep(2.5)
        assert runner.state == "running"
        assert told(b, to_client.Resumed)
        tick = runner.tick
        assert second.handle.input(5, Do("add", 1)) is None
        await asyncio.sleep(0.5)
        assert runner.tick > tick


# ── rematches ────────────────────────────────────────────────────────────────────────────────────


async def ended(house: House, names: str) -> list[tuple[Seated, Watcher]]:
    seats = [await house.join(name, "fair") for name in names]
    seats[0][0].handle.input(1, Do("end"))
    await asyncio.sleep(0.3)
    return seats


@in_virtual_time
async def test_those_who_say_yes_get_a_match_with_their_seats() -> None:
    async with House(games=PLAYED) as house:
        seats = await ended(house, "abcd")
        assert not seats[0][1].reasons
        for seated, _ in seats[:3]:
            vote(seated, "rematch")
        seats[1][0].handle.leave(LeaveReason.LEFT)
        vote(seats[3][0], "rematch", yes=False)
        await asyncio.sleep(0.3)
        offers = [told(watcher, to_client.Rematch) for _, watcher in seats]
        assert [len(one) for one in offers] == [1, 0, 1, 0]
        again = offers[0][0].match
        assert again == next_id(MatchId(seats[0][0].joined.match))
        assert [watcher.reasons for _, watcher in seats] == [["ended"], [], ["ended"], ["ended"]]
        new, _ = await house.join("c", match=again)
        assert (new.joined.game, new.joined.mode) == ("fair", "eight")
        with pytest.raises(JoinRefused):
            await house.join("d", match=again)
        await house.join("a", match=again)
        assert seats[0][0].joined.match not in [one.id for one in house.service.listing()]


@in_virtual_time
async def test_a_rematch_keeps_the_terms_of_a_created_match() -> None:
    async with House(games=PLAYED) as house:
        a, b = PlayerId("a"), PlayerId("b")
        terms = Terms(
            by=a,
            visibility=Visibility.PRIVATE,
            players_max=3,
            options={"pace": 2},
            guests={a: 9_000, b: 9_000},
            code="ABC346",
        )
        await house.service.hosting.open(MatchId("h"), "fair", "eight", terms)
        seats = [await house.join(name, match="h") for name in "ab"]
        seats[0][0].handle.input(1, Do("end"))
        await asyncio.sleep(0.3)
        for seated, _ in seats:
            vote(seated, "rematch")
        await asyncio.sleep(0.3)
        (offer,) = told(seats[1][1], to_client.Rematch)
        again = house.runner(offer.match)
        kept = again.guestlist.terms
        assert kept is not None and (kept.options, kept.code) == ({"pace": 2}, "")
        assert (again.players_max, kept.visibility) == (3, Visibility.PRIVATE)
        await house.join("b", match=offer.match)
        with pytest.raises(JoinRefused):
            await house.join("c", match=offer.match)


@in_virtual_time
async def test_too_few_make_no_rematch_and_the_time_is_bounded() -> None:
    async with House(games=PLAYED) as house:
        seats = await ended(house, "ab")
        vote(seats[0][0], "rematch")
        await asyncio.sleep(9)
        assert not seats[0][1].reasons
        await asyncio.sleep(1.5)
        assert [watcher.reasons for _, watcher in seats] == [["ended"], ["ended"]]
        assert not told(seats[0][1], to_client.Rematch)
        assert house.service.matches_open == 0


@in_virtual_time
async def test_who_all_leave_need_no_vote() -> None:
    async with House(games=PLAYED) as house:
        seats = await ended(house, "ab")
        for seated, _ in seats:
            seated.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(0.1)
        assert house.service.matches_open == 0


@in_virtual_time
async def test_a_rematch_outlives_the_owner_of_the_old_match() -> None:
    async with Town(3, games=PLAYED) as (one, two, three):
        first, _ = await one.join("a", "fair")
        await asyncio.sleep(0.1)
        second, b = await two.join("b", match=first.joined.match)
        third, c = await three.join("c", match=first.joined.match)
        second.handle.input(1, Do("end"))
        await asyncio.sleep(0.5)
        vote(second, "rematch")
        await asyncio.sleep(0.3)
        assert told(c, to_client.Voting)[-1].yes == [1]
        await one.kill()
        await asyncio.sleep(4)
        assert (b.reasons, c.reasons) == ([], [])
        vote(third, "rematch")
        await asyncio.sleep(9)
        assert (b.reasons, c.reasons) == (["ended"], ["ended"])
        (offer,) = told(b, to_client.Rematch)
        assert told(c, to_client.Rematch) == [offer]
        again, _ = await two.join("b", match=offer.match)
        assert again.joined.match == offer.match
        assert (await three.join("c", match=offer.match))[0].joined.match == offer.match


def test_ids_and_modes() -> None:
    assert next_id(MatchId("m")) == "mu2"
    assert next_id(MatchId("mu2")) == "mu3"

    class Wrong(Count):
        modes: ClassVar = {
            "a": Mode(players_max=2, pauses=-1),
            "b": Mode(players_max=2, rematch_ms=10**9),
        }

    assert len(problems(Wrong)) == 2
