"""What an operator does to a match of this node."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.operating import (
    NOT_SEATED,
    SIGNAL_FAILED,
    SIGNAL_REFUSED,
    UNKNOWN_MATCH,
    OperationRefused,
)
from tests.match.games import Do
from tests.match.house import House, in_virtual_time

NOWHERE = MatchId("nowhere")


def desk(house: House):  # type: ignore[no-untyped-def]
    return house.service.operations


@in_virtual_time
async def test_a_match_is_shown_from_within() -> None:
    async with House() as house:
        seated, _ = await house.join("ann")
        seated.handle.input(1, Do("add", 5))
        gone, _ = await house.join("ben")
        gone.handle.detach()
        await asyncio.sleep(2)
        detail = desk(house).inspect(seated.handle.match_id)
        assert (detail.id, detail.game, detail.mode) == (seated.joined.match, "count", "eight")
        assert (detail.node, detail.state, detail.players_max) == ("n1", "running", 8)
        assert detail.epoch == seated.joined.epoch and detail.tick >= 39
        told = [(one.player, one.name, one.seat, one.connected) for one in detail.players]
        assert told == [("ann", "ANN", 0, True), ("ben", "BEN", 1, False)]
        assert (detail.events, detail.uncommitted) == (3, 0)
        assert msgspec.json.decode(detail.view)["total"] == 5
        assert len(msgspec.json.decode(detail.game_state)["times"]) == detail.tick
        seated.handle.input(2, Do("garbage"))
        await asyncio.sleep(0.06)
        with pytest.raises(OperationRefused) as refused:
            desk(house).inspect(NOWHERE)
        assert refused.value.code == UNKNOWN_MATCH


@in_virtual_time
async def test_what_json_cannot_hold_is_left_out() -> None:
    async with House(checkpoint_interval_ms=60_000) as house:
        seated, _ = await house.join("ann")
        await asyncio.sleep(1)
        house.runner(seated.joined.match).play.state.trash = object()
        detail = desk(house).inspect(seated.handle.match_id)
        assert detail.game_state is None and detail.view is not None


@pytest.mark.parametrize("game", ["count", "calm"])
def test_a_signal_is_answered_once_it_is_durable(game: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with House() as house:
            seated, watcher = await house.join("ann", game)
            await asyncio.sleep(1)
            match_id = seated.handle.match_id
            events, frames = len(watcher.events), len(watcher.frames)
            assert await desk(house).signal(match_id, 7) == {"total": 7}
            assert len(watcher.events) == events + 1, "announced, so it is committed"
            version = house.runner(match_id).commits.version
            assert await desk(house).signal(match_id, None) == {"total": 7}
            assert house.runner(match_id).commits.version > version
            await asyncio.sleep(0.1)
            assert len(watcher.frames) > frames, "players see it"
            with pytest.raises(OperationRefused) as refused:
                await desk(house).signal(match_id, "refuse")
            assert (refused.value.code, refused.value.message) == (SIGNAL_REFUSED, "not now")
            assert await desk(house).signal(match_id, "end") == {"total": 7}
            await asyncio.sleep(0.1)
            assert watcher.reasons == ["ended"]

    scenario()


@in_virtual_time
async def test_a_signal_that_breaks_the_game_ends_its_match() -> None:
    async with House() as house:
        seated, watcher = await house.join("ann")
        with pytest.raises(OperationRefused) as refused:
            await desk(house).signal(seated.handle.match_id, "fail")
        assert refused.value.code == SIGNAL_FAILED
        await asyncio.sleep(0.2)
        assert watcher.reasons == ["game_error"]


@in_virtual_time
async def test_a_match_is_ended_as_abandoned_and_players_hear_why() -> None:
    async with House() as house:
        seated, watcher = await house.join("ann")
        await asyncio.sleep(1)
        await desk(house).end(seated.handle.match_id, "the server moves")
        assert watcher.kinds[-2:] == ["match_closed", "match_ended"]
        assert watcher.reasons == ["ended"]
        assert house.service.matches_open == 0
        with pytest.raises(OperationRefused):
            await desk(house).end(seated.handle.match_id, "again")
        await asyncio.sleep(1)
        records = house.records()
        assert [one.kind for one in records[-2:]] == ["match_closed", "match_ended"]
        assert records[-2].data == {"reason": "the server moves"}
        assert records[-1].data["reason"] == "abandoned"


@in_virtual_time
async def test_without_the_store_nothing_is_said_to_be_done() -> None:
    async with House() as house:
        seated, watcher = await house.join("ann")
        await asyncio.sleep(1)
        house.store.down = True
        with pytest.raises(StoreUnavailable):
            await desk(house).end(seated.handle.match_id, "now")
        assert watcher.reasons == [], "nobody is told before it is durable"
        house.store.down = False
        await asyncio.sleep(3)
        assert watcher.kinds[-2:] == ["match_closed", "match_ended"]


@in_virtual_time
async def test_a_match_that_stands_still_hears_no_signal() -> None:
    async with House() as house:
        seated, _ = await house.join("ann")
        await asyncio.sleep(1)
        house.store.down = True
        await asyncio.sleep(2)
        with pytest.raises(StoreUnavailable):
            await desk(house).signal(seated.handle.match_id, 1)
        assert house.runner(seated.joined.match).play.state.total == 0


@in_virtual_time
async def test_a_player_is_put_out_of_one_match_or_all() -> None:
    async with House() as house:
        seated, ann = await house.join("ann")
        _, ben = await house.join("ben")
        match_id = seated.handle.match_id
        desk(house).kick(match_id, PlayerId("ann"))
        assert (ann.reasons, ben.reasons) == (["kicked"], [])
        assert house.runner(match_id).players == 1
        assert seated.handle.input(1, Do()) is not None, "the seat is void"
        with pytest.raises(OperationRefused) as refused:
            desk(house).kick(match_id, PlayerId("ann"))
        assert refused.value.code == NOT_SEATED
        again, _ = await house.join("ann")
        again.handle.detach()
        assert desk(house).kick_player(PlayerId("ann")) == [match_id], "in the grace period too"
        assert desk(house).kick_player(PlayerId("ann")) == []
        await asyncio.sleep(1)
        left = [one.data["reason"] for one in house.records() if one.kind == "player_left"]
        assert left == ["kicked", "kicked"]
