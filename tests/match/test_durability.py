"""What outlasts a store, a queue or a node that goes away."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gameserver.errors import JoinRefused
from gameserver.ids import MatchId
from gameserver.match import checkpoint as checkpoints
from gameserver.wire import event_record
from tests.match.games import GAMES, Do
from tests.match.house import House, in_virtual_time


@in_virtual_time
async def test_ten_seconds_without_a_store_are_a_pause_and_nothing_is_lost() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        await asyncio.sleep(1)
        house.store.down = True
        seated.handle.input(1, Do("emit"))
        await asyncio.sleep(5)
        count, tick = len(watcher.frames), watcher.frames[-1].tick
        assert tick <= 20 + 0.8 * 2 * 20 + 2
        assert watcher.kinds[-1] == "Paused"
        assert "noted" not in watcher.kinds
        await asyncio.sleep(5)
        assert len(watcher.frames) == count
        house.store.down = False
        await asyncio.sleep(2)
        assert watcher.kinds[-1] in ("Resumed", "noted")
        assert "noted" in watcher.kinds
        assert watcher.frames[count].tick == tick + 1, "match time stood still"
        assert house.metrics.matches_paused == 1
        assert house.metrics.commits_fenced == house.metrics.commits_conflicting == 0


@pytest.mark.parametrize("ends", [False, True])
@in_virtual_time
async def test_inputs_to_a_match_that_stands_still_are_no_mistake(ends: bool) -> None:
    """A paused match, or one whose end is not committed yet: players cannot know."""
    async with House(inputs_per_tick_max=3) as house:
        seated, _ = await house.join("a")
        runner = house.runner(seated.joined.match)
        await asyncio.sleep(0.5)
        house.store.down = True
        seated.handle.input(1, Do("end" if ends else "emit"))
        await asyncio.sleep(3)
        assert runner.state == ("ended" if ends else "paused")
        assert [seated.handle.input(seq, Do("emit")) for seq in range(2, 30)] == [None] * 28
        assert len(runner.inputs) == 3, "bounded all the same"


@in_virtual_time
async def test_a_player_who_joins_a_paused_match_is_told_so() -> None:
    async with House() as house:
        seated, _ = await house.join("a")
        house.store.down = True
        await asyncio.sleep(3)
        again, watcher = await house.join("a")
        assert again.joined.match == seated.joined.match
        message = again.missed[-1]._message
        assert type(message).__name__ == "Paused"
        house.store.down = False
        await asyncio.sleep(1.5)
        assert "Resumed" in watcher.kinds


@in_virtual_time
async def test_events_that_cannot_be_committed_pause_the_match_at_their_limit() -> None:
    async with House(uncommitted_events_max=20, lease_ttl_ms=60_000) as house:
        seated, watcher = await house.join("a")
        await asyncio.sleep(1)
        house.store.down = True
        for seq in range(1, 40):
            seated.handle.input(seq, Do("emit", 1))
            await asyncio.sleep(0.1)
        runner = house.runner(seated.joined.match)
        assert runner.uncommitted == 20
        assert runner.state == "paused"
        assert watcher.kinds[-1] == "Paused"
        house.store.down = False
        await asyncio.sleep(3)
        assert runner.state == "running"
        assert watcher.events == list(range(1, len(watcher.events) + 1))
        assert len(watcher.events) >= 22


@in_virtual_time
async def test_events_that_cannot_be_relayed_pause_the_match_at_their_limit() -> None:
    async with House(outbox_events_max=30) as house:
        house.queue.down = True
        seated, watcher = await house.join("a")
        for seq in range(1, 40):
            seated.handle.input(seq, Do("emit", 1))
            await asyncio.sleep(0.1)
        runner = house.runner(seated.joined.match)
        assert 30 <= len(runner.commits.outbox) <= 32
        assert (runner.state, watcher.kinds[-1]) == ("paused", "Paused")
        house.queue.down = False
        await asyncio.sleep(5)
        assert runner.state == "running"
        assert house.service.events_unrelayed == 0
        assert len(house.sunk()) == len(watcher.events)
        await asyncio.sleep(2)
        assert not house.store.rows[runner.match_id].outbox, "trimmed with a commit"


@in_virtual_time
async def test_a_match_that_commits_no_more_is_trimmed_all_the_same() -> None:
    async with House() as house:
        seated, _ = await house.join("a", "calm")
        await asyncio.sleep(0.5)
        row = house.store.rows[house.runner(seated.joined.match).match_id]
        assert row.outbox
        await asyncio.sleep(20)
        assert not row.outbox


@in_virtual_time
async def test_another_node_continues_where_the_last_commit_was() -> None:
    async with House(node="n2") as second:
        first = House(node="n1", store=second.store, queue=second.queue)
        await first.service.start()
        seated, watcher = await first.join("a")
        match_id, epoch = seated.joined.match, seated.joined.epoch
        seated.handle.input(1, Do("add", 5))
        seated.handle.input(2, Do("emit"))
        await asyncio.sleep(3)
        tick = watcher.frames[-1].tick
        await first.service.stop()
        await asyncio.sleep(4)
        [info] = second.service.listing()
        assert (info.id, info.players) == (match_id, 1)
        again, there = await second.join("a", match=match_id, resume=(epoch, watcher.events[-1]))
        joined = again.joined
        assert joined.epoch > epoch
        assert (joined.seat, joined.input_seq, joined.resumed) == (0, 2, True)
        runner = second.runner(match_id)
        assert runner.play.state.total == 5
        assert runner.tick >= tick - 21
        again.handle.input(3, Do("emit"))
        await asyncio.sleep(1)
        assert there.events == [watcher.events[-1] + 1]
        assert second.metrics.matches_adopted == 1


@in_virtual_time
async def test_the_matches_of_a_lost_node_are_all_taken_over_soon() -> None:
    async with House(node="n2") as second:
        first = House(node="n1", store=second.store, queue=second.queue)
        await first.service.start()
        await asyncio.gather(*(first.join(f"p{number}", mode="two") for number in range(400)))
        await asyncio.sleep(1)
        await first.service.stop()
        await asyncio.sleep(3.5)
        assert second.service.matches_open == 200
        assert second.service.players == 400


@in_virtual_time
async def test_who_comes_back_early_brings_the_match_along() -> None:
    """A player who asks for a match without an owner need not wait for a sweep."""
    async with House(node="n2", lease_ttl_ms=20_000) as second:
        first = House(node="n1", store=second.store, queue=second.queue)
        await first.service.start()
        seated, _ = await first.join("a")
        await asyncio.sleep(1)
        with pytest.raises(Exception, match="another node"):
            await second.join("a", match=seated.joined.match)
        await first.service.stop()
        second.store.rows[seated.joined.match].leased_until_ms = 0  # type: ignore[index]
        joins = await asyncio.gather(
            *(second.join(player, match=seated.joined.match) for player in "abc")
        )
        assert {again.joined.match for again, _ in joins} == {seated.joined.match}
        assert second.metrics.matches_adopted == 1


@in_virtual_time
async def test_a_drain_hands_over_at_once_without_losing_a_tick() -> None:
    async with House(node="n2") as second:
        first = House(node="n1", store=second.store, queue=second.queue)
        await first.service.start()
        seats = [await first.join(f"p{number}", mode="two") for number in range(40)]
        seats[0][0].handle.input(1, Do("emit"))
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await first.service.drain(10)
        assert loop.time() - began < 0.5
        ticks = {info.id: info.tick for info in first.service.listing()}
        assert ticks == {}
        last = seats[0][1].frames[-1].tick
        again, _ = await second.join("p0", match=seats[0][0].joined.match)
        assert last <= again.joined.tick <= last + 2, "the new owner may have stepped already"
        await first.service.stop()
        await asyncio.sleep(3)
        assert second.service.matches_open == 20
        assert second.metrics.commits_conflicting == first.metrics.commits_fenced == 0


@in_virtual_time
async def test_in_a_drain_matches_are_played_until_it_is_their_turn() -> None:
    async with House(node="n2") as second:
        first = House(node="n1", store=second.store, queue=second.queue)
        await first.service.start()
        seats = [await first.join(f"p{number}", mode="two") for number in range(40)]
        draining = asyncio.ensure_future(first.service.drain(10))
        await asyncio.sleep(0)
        frozen = [first.runner(seat.joined.match).frozen for seat, _ in seats]
        assert 0 < sum(frozen) <= 10, "at most a few matches of two"
        last, _ = seats[-1]
        again, _ = await first.join("p39", match=last.joined.match)
        assert again.joined.seat == last.joined.seat
        with pytest.raises(JoinRefused, match="going away"):
            await first.join("p0", match=seats[0][0].joined.match)
        with pytest.raises(JoinRefused, match="going away"):
            await first.join("new", mode="two")
        await draining
        assert first.service.matches_open == 0
        await first.service.stop()


@in_virtual_time
async def test_a_drained_node_holds_no_lease_of_a_match_that_has_ended() -> None:
    async with House(node="n2") as second:
        first = House(node="n1", store=second.store, queue=second.queue)
        await first.service.start()
        seated, _ = await first.join("p0", mode="two")
        second.queue.down = True
        seated.handle.input(1, Do("end"))
        await asyncio.sleep(1)
        assert first.service.matches_open == 0
        assert await second.store.holder(MatchId(seated.joined.match)) == "n1"
        await first.service.drain(1)
        assert await second.store.holder(MatchId(seated.joined.match)) in ("", "n2")
        second.queue.down = False
        await first.service.stop()


@in_virtual_time
async def test_a_store_that_is_emptied_loses_nothing_while_the_node_lives() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        house.queue.down = True
        seated.handle.input(1, Do("emit", 3))
        await asyncio.sleep(2)
        house.store.rows.clear()
        house.store.open.clear()
        await asyncio.sleep(3)
        runner = house.runner(seated.joined.match)
        assert runner.state == "running"
        assert house.metrics.commits_conflicting == 1
        assert watcher.frames[-1].epoch > seated.joined.epoch
        assert watcher.reasons == []
        row = house.store.rows[runner.match_id]
        assert sorted(row.outbox) == [1, 2, 3, 4, 5], "what was not relayed is stored again"
        house.queue.down = False
        seated.handle.input(2, Do("emit"))
        await asyncio.sleep(2)
        assert watcher.events == [1, 2, 3, 4, 5, 6]
        assert len(house.sunk()) == 6


@in_virtual_time
async def test_a_store_that_knows_more_than_the_owner_ends_the_ownership() -> None:
    async with House() as house:
        seated, watcher = await house.join("a")
        await asyncio.sleep(1)
        house.store.rows[house.runner(seated.joined.match).match_id].version += 5
        await asyncio.sleep(4)
        assert watcher.reasons == ["moved"]
        assert house.metrics.matches_adopted == 1, "continued from what the store has"


@in_virtual_time
async def test_a_match_that_nobody_here_can_play_is_left_alone() -> None:
    async with House() as house:
        await house.join("a")
        await asyncio.sleep(1)
    games = {"calm": GAMES["calm"]}
    async with House(node="n2", store=house.store, games=games) as second:
        await asyncio.sleep(30)
        assert second.service.listing() == []
        assert second.metrics.matches_adopted == 0
        [match_id] = second.store.open
        assert await second.store.holder(match_id) == ""
    async with House(node="n3", store=house.store) as third:
        await asyncio.sleep(2)
        assert [info.id for info in third.service.listing()] == [match_id]


@in_virtual_time
async def test_an_ended_match_without_an_owner_is_relayed_and_forgotten() -> None:
    async with House() as house:
        house.queue.down = True
        seated, _ = await house.join("a")
        seated.handle.input(1, Do("end"))
        await asyncio.sleep(1)
        assert house.service.matches_open == 0
    house.queue.down = False
    async with House(node="n2", store=house.store, queue=house.queue) as second:
        await asyncio.sleep(6)
        assert not second.store.open
        assert len(second.sunk()) == 3
        assert second.service.matches_open == 0


def test_a_checkpoint_of_a_newer_server_or_a_broken_one_is_named() -> None:
    with pytest.raises(checkpoints.BadCheckpoint):
        checkpoints.decode(b"\xc1 nonsense")
    checkpoint = checkpoints.Checkpoint(
        format=99,
        match="m",
        game="count",
        mode="eight",
        players_max=8,
        created_ms=0,
        tick=0,
        time_ms=0,
        event_seq=0,
        random=2**64 - 1,
        state=checkpoints.NO_STATE,
        seats=[],
    )
    with pytest.raises(checkpoints.BadCheckpoint, match="newer"):
        checkpoints.decode(checkpoints.encode(checkpoint))
    older = msgspec.structs.replace(checkpoint, format=1)
    assert checkpoints.decode(checkpoints.encode(older)) == older
    with pytest.raises(checkpoints.BadCheckpoint, match="state"):
        checkpoints.decode_state(older.state, GAMES["count"].State)


@in_virtual_time
async def test_names_that_sqs_would_refuse_do_not_stop_the_relay() -> None:
    async with House() as house:
        await house.join("\ufffe\uffff")
        await asyncio.sleep(1)
        [body] = house.queue.bodies
        assert "\ufffe" not in body
        assert "\uffff" not in body
        records = [event_record.decode_record(one) for one in event_record.decode_bundle(body)]
        assert records[1].player == "\ufffe\uffff"
