"""Players on one node, their match on another."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from gameserver.cluster import messages
from gameserver.cluster.desk import Desk
from gameserver.errors import JoinRefused
from gameserver.game.contract import LeaveReason
from gameserver.ids import PlayerId
from gameserver.ports import Identity
from gameserver.wire import from_client
from gameserver.wire.to_client import ErrorCode
from tests.cluster.town import Town
from tests.match.games import Count, Do
from tests.match.house import Watcher, in_virtual_time


def rises(watcher: Watcher) -> bool:
    """Whether ``(epoch, tick)`` only rose."""
    seen = [(frame.epoch, frame.tick) for frame in watcher.frames]
    return seen == sorted(set(seen))


@in_virtual_time
async def test_quick_join_fills_the_match_of_another_node_and_it_is_played_there() -> None:
    async with Town(2) as (one, two):
        first, there = await one.join("a")
        await asyncio.sleep(1)
        second, here = await two.join("b")
        assert second.joined.match == first.joined.match
        assert (second.joined.seat, two.matches, one.matches) == (1, 0, 1)
        second.handle.input(1, Do("emit", 2))
        await asyncio.sleep(1)
        assert there.events[2:] == here.events != []
        assert rises(here) and len(here.frames) >= 19
        runner = one.house.runner(first.joined.match)
        assert runner.attendance.roster.acks.tolist() == [0, 1]
        assert [frame.acks for frame in here.frames][-1] == [0, 1]
        second.handle.leave(LeaveReason.LEFT)
        await asyncio.sleep(0.1)
        assert runner.players == 1


@in_virtual_time
async def test_many_who_come_at_once_fill_the_match_of_another_node() -> None:
    async with Town(2) as (one, two):
        first, _ = await one.join("a")
        await asyncio.sleep(1)
        most = Count.modes["eight"].players_max
        seated = [await two.join(f"p{number}") for number in range(most)]
        matches = [each.joined.match for each, _ in seated]
        assert matches[:-1] == [first.joined.match] * (most - 1)
        assert matches[-1] != first.joined.match
        assert (one.matches, two.matches) == (1, 1)


@in_virtual_time
async def test_frames_go_once_over_the_bus_whatever_the_number_of_players() -> None:
    town = Town(2)
    async with town as (one, two):
        seated, _ = await one.join("owner")
        for number in range(7):
            await two.join(f"p{number}", match=seated.joined.match)
        sent = town.hub.sent
        await asyncio.sleep(1)
        assert 20 <= town.hub.sent - sent <= 20 + 2 * 5 + 1  # frames, and signs of life


@in_virtual_time
async def test_hidden_views_reach_only_their_player() -> None:
    async with Town(2) as (one, two):
        seated, own = await one.join("a", "secret")
        await asyncio.sleep(1)
        _, b = await two.join("b", match=seated.joined.match)
        _, c = await two.join("c", match=seated.joined.match)
        await asyncio.sleep(1)
        views = [watcher.frames[-1].whole for watcher in (own, b, c)]
        assert len(set(views)) == 3


@in_virtual_time
async def test_a_named_match_is_found_from_any_node_and_an_unknown_one_is_not() -> None:
    async with Town(3) as (one, two, three):
        seated, _ = await one.join("a")
        for node, player in ((two, "b"), (three, "c")):
            again, _ = await node.join(player, match=seated.joined.match)
            assert again.joined.match == seated.joined.match
        with pytest.raises(JoinRefused) as refused:
            await two.join("d", match="nowhere")
        assert refused.value.code == ErrorCode.UNKNOWN_MATCH


@in_virtual_time
async def test_a_killed_owner_costs_a_pause_and_nothing_that_was_announced() -> None:
    async with Town(3) as (one, two, three):
        seated, _ = await one.join("a")
        match = seated.joined.match
        second, b = await two.join("b", match=match)
        _third, c = await three.join("c", match=match)
        second.handle.input(1, Do("emit", 3))
        await asyncio.sleep(1)
        before, epoch = list(b.events), b.frames[-1].epoch
        assert before[-3:] == c.events[-3:]
        await one.kill()
        killed_at = asyncio.get_running_loop().time()
        while b.frames[-1].epoch == epoch or c.frames[-1].epoch == epoch:
            await asyncio.sleep(0.01)
            assert asyncio.get_running_loop().time() < killed_at + 3
        await asyncio.sleep(1)
        assert two.matches + three.matches == 1
        assert second.handle.input(9, Do("emit", 1)) is None
        await asyncio.sleep(0.5)
        assert b.events == c.events == list(range(b.events[0], b.events[-1] + 1))
        assert b.events[: len(before)] == before
        assert rises(b) and rises(c)
        assert "Paused" in b.kinds and b.kinds[-1] in ("noted", "Resumed")
        assert b.reasons == c.reasons == []


@in_virtual_time
async def test_a_drain_hands_over_and_players_of_both_nodes_go_on_at_once() -> None:
    async with Town(2) as (one, two):
        seated, a = await one.join("a")
        _, b = await two.join("b", match=seated.joined.match)
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        shown_at: dict[int, float] = {}

        async def watch() -> None:
            while True:
                shown_at.setdefault(len(a.frames), loop.time())
                await asyncio.sleep(0.005)

        watching = asyncio.ensure_future(watch())
        await one.house.service.drain(5)
        await asyncio.sleep(1)
        watching.cancel()
        assert (one.matches, two.matches) == (0, 1)
        times = list(shown_at.values())
        assert max(after - before for before, after in itertools.pairwise(times)) < 0.4
        assert rises(a) and rises(b)
        assert a.frames[-1].epoch == b.frames[-1].epoch > seated.joined.epoch
        assert a.reasons == b.reasons == []
        late, _ = await one.join("late")
        assert late.joined.match == seated.joined.match, "a draining node still leads to others"


@in_virtual_time
async def test_who_comes_back_elsewhere_without_naming_the_match_gets_the_seat() -> None:
    async with Town(2) as (one, two):
        await one.join("x")
        seated, _ = await one.join("a")
        await asyncio.sleep(1)
        seated.handle.detach()
        again, _ = await two.join("a")
        assert (again.joined.match, again.joined.seat) == (seated.joined.match, seated.joined.seat)


@in_virtual_time
async def test_lost_messages_are_made_up_for() -> None:
    town = Town(2)
    async with town as (one, two):
        seated, own = await one.join("a")
        second, b = await two.join("b", match=seated.joined.match)
        await asyncio.sleep(0.5)
        town.hub.cut.add(frozenset(("n1", "n2")))
        seated.handle.input(1, Do("emit", 4))
        await asyncio.sleep(0.3)
        town.hub.cut.clear()
        town.hub.interrupt("n1", "n2")
        await asyncio.sleep(1)
        assert own.events == b.events != []
        assert b.reasons == []
        assert second.handle.input(5, Do("emit", 1)) is None
        await asyncio.sleep(0.5)
        assert own.events == b.events
        assert two.house.metrics.bus_interruptions == 1


@in_virtual_time
async def test_players_of_a_killed_edge_keep_their_seats_for_the_grace_period() -> None:
    async with Town(2, grace_ms=4000) as (one, two):
        seated, _ = await one.join("a")
        await two.join("b", match=seated.joined.match)
        runner = one.house.runner(seated.joined.match)
        await two.kill()
        await asyncio.sleep(4)
        assert runner.players == 2
        assert len(runner.attendance.roster.audience) == 1
        await asyncio.sleep(4)
        assert runner.players == 1


@in_virtual_time
async def test_the_end_reaches_players_elsewhere() -> None:
    async with Town(2) as (one, two):
        seated, a = await one.join("a")
        _, b = await two.join("b", match=seated.joined.match)
        await asyncio.sleep(0.2)
        seated.handle.input(1, Do("end"))
        await asyncio.sleep(1)
        assert a.reasons == b.reasons == ["ended"]
        assert not two.cluster._links and not one.cluster._links
        assert not one.cluster._guests._guests and not one.cluster._guests._parties


@in_virtual_time
async def test_a_new_match_is_placed_where_there_is_much_less_to_do() -> None:
    async with Town(2) as (one, two):
        loop = asyncio.get_running_loop()
        busy = asyncio.ensure_future(_be_busy(one))
        await asyncio.sleep(2)
        _, watcher = await one.join("a")
        await asyncio.sleep(0.5)
        assert (one.matches, two.matches) == (0, 1)
        assert watcher.frames
        busy.cancel()
        assert loop.time() > 0


async def _be_busy(house: object) -> None:
    while True:
        house.used_s += 0.09  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)


@in_virtual_time
async def test_without_peers_nothing_is_asked_and_nothing_sent() -> None:
    town = Town(1)
    async with town as (one,):
        seated, watcher = await one.join("a")
        await asyncio.sleep(1)
        seated.handle.input(1, Do("emit"))
        await asyncio.sleep(1)
        assert watcher.events
        assert town.hub.sent == 0


class Sent:
    """A bus that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, messages.Message]] = []

    def __call__(self, node: str, message: messages.Message) -> None:
        self.said.append((node, message))


@in_virtual_time
async def test_the_late_answer_of_a_former_owner_is_not_taken_for_that_of_the_new_one() -> None:
    async with Town(1) as (one,):
        seated, _ = await one.join("a")
    sent = Sent()
    desk = Desk(sent)
    identity = Identity(
        player_id=PlayerId("b"), name="b", groups=(), expires_ms=0, token_use="access"
    )
    asking = asyncio.ensure_future(desk.ask("new", 7, from_client.Join(), identity))
    await asyncio.sleep(0)
    answer = messages.JoinAnswer(7, seated.joined, [], b"")
    desk.answered("former", answer)
    await asyncio.sleep(0)
    assert not asking.done()
    assert sent.said[-1] == ("former", messages.LetGo(7)), "its seat is given back"
    desk.answered("new", answer)
    assert (await asking).joined == seated.joined


@in_virtual_time
async def test_a_node_that_slept_for_so_long_that_it_was_given_up_misses_no_event() -> None:
    """Its players are taken for gone, and the match goes on telling others on the same node."""
    async with Town(2) as (one, two):
        seated, there = await one.join("a")
        await asyncio.sleep(1)
        guest, here = await two.join("b", match=seated.joined.match)
        one.cluster._guests.lost("n2")
        seated.handle.input(1, Do("emit", 3))
        await asyncio.sleep(1)
        guest.handle.input(1, Do("emit", 2))
        await asyncio.sleep(2)
        assert there.events[-5:] == here.events[-5:]
        assert here.events == sorted(set(here.events)) and rises(here)


@in_virtual_time
async def test_a_gap_in_what_an_owner_tells_is_noticed_and_filled() -> None:
    async with Town(2) as (one, two):
        seated, there = await one.join("a")
        await asyncio.sleep(1)
        _, here = await two.join("b", match=seated.joined.match)
        await asyncio.sleep(0.5)
        link = next(iter(two.cluster._links.values()))
        swallowed = link._seq
        link._seq -= 1  # As if the last event had not come.
        seated.handle.input(1, Do("emit", 1))
        await asyncio.sleep(1)
        assert here.events[-2:] == [swallowed, swallowed + 1] == [*there.events[-2:]]


@in_virtual_time
async def test_who_joins_a_node_that_has_just_slept_through_its_lease_is_told_so() -> None:
    async with Town(1) as (one,):
        seated, _ = await one.join("a")
        runner = one.house.runner(seated.joined.match)
        runner.tenure.trusted_until -= 60  # As if the process had stood still.
        await one.join("b", match=seated.joined.match)
        assert runner.state == "paused"
