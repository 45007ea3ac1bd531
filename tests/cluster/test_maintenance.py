"""Maintenance of several nodes: turned on through one, known to all."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gameserver.errors import JoinRefused, StoreUnavailable
from gameserver.maintenance import Notice
from gameserver.wire.to_client import ErrorCode
from tests.cluster.town import Town, TownHouse
from tests.fakes.clock import EPOCH_MS
from tests.match.house import in_virtual_time

NOTICE = Notice(message="Back at noon.")
SEEN_S = 0.6
"""A node looks every 0.5 s, give or take a tenth."""


async def refused(house: TownHouse, player: str, **request: str) -> None:
    with pytest.raises(JoinRefused) as caught:
        await house.join(player, **request)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.message) == (ErrorCode.MAINTENANCE, NOTICE.message)


def gauge(house: TownHouse) -> float:
    return house.house.metrics._gauges["maintenance"][1]()


def watched(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the watches have logged."""
    name = "gameserver.cluster.maintenance"
    return [record.getMessage() for record in caplog.records if record.name == name]


@in_virtual_time
async def test_turned_on_through_one_node_it_holds_on_all_and_seats_are_kept() -> None:
    async with Town(2) as (one, two):
        seated, _ = await one.join("a")
        match = seated.joined.match
        guest, there = await two.join("b", match=match)
        on = await one.maintenance.turn_on(NOTICE, by="op")
        assert on.since_ms > EPOCH_MS
        await refused(one, "c")
        await asyncio.sleep(SEEN_S)
        assert two.maintenance.current == on
        assert (gauge(one), gauge(two)) == (1, 1)
        for house in (one, two):
            await refused(house, "c")
            await refused(house, "c", match=match)

        guest.handle.detach()
        again, there = await two.join("b", match=match, resume=(guest.joined.epoch, 1))
        assert (again.joined.match, again.joined.seat, again.joined.resumed) == (match, 1, True)
        again.handle.detach()
        by_kind, there = await two.join("b")
        assert by_kind.joined.match == match, "quick join leads back to a kept seat elsewhere"
        frames = len(there.frames)
        await asyncio.sleep(1)
        assert len(there.frames) >= frames + 19

        await two.maintenance.turn_off()
        await asyncio.sleep(SEEN_S)
        assert (gauge(one), gauge(two)) == (0, 0)
        assert (await one.join("c"))[0].joined.match == match


@in_virtual_time
async def test_a_drain_and_a_loss_go_on_as_ever() -> None:
    async with Town(3) as (one, two, three):
        seated, _ = await one.join("a")
        _, there = await three.join("b", match=seated.joined.match)
        await one.maintenance.turn_on(NOTICE, by="op")
        await asyncio.sleep(SEEN_S)
        await one.house.service.drain(1)
        await asyncio.sleep(1)
        assert (one.matches, two.matches + three.matches) == (0, 1), "handed over"
        owner, other = (two, three) if two.matches else (three, two)
        found, _ = await other.join("a", match=seated.joined.match)
        assert found.joined.epoch > seated.joined.epoch
        await owner.kill()
        await asyncio.sleep(4)
        assert other.matches == 1, "adopted"
        await refused(other, "c", match=seated.joined.match)
        assert (await other.join("a"))[0].joined.match == seated.joined.match
        assert "lost" not in there.reasons


@in_virtual_time
async def test_a_node_alone_and_a_node_that_starts_know_it_too() -> None:
    town = Town(1)
    async with town as (one,):
        await town.directory.set_maintenance(await one.maintenance.turn_on(NOTICE, by="cli"))
        await town.directory.set_maintenance(None)
        await asyncio.sleep(SEEN_S)
        seated, _ = await one.join("a")
        seated.handle.detach()
        await one.maintenance.turn_on(NOTICE, by="op")
        await refused(one, "c")
        late = await town.add()
        await asyncio.sleep(1)
        await refused(late, "d")


@in_virtual_time
async def test_while_the_directory_is_away_the_last_known_state_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    town = Town(2)
    caplog.set_level(logging.WARNING)
    async with town as (one, two):
        town.directory.down = True
        with pytest.raises(StoreUnavailable):
            await one.maintenance.turn_on(NOTICE, by="op")
        await asyncio.sleep(3)
        await one.house.join("a")
        town.directory.down = False
        await one.maintenance.turn_on(NOTICE, by="op")
        await asyncio.sleep(SEEN_S)
        assert watched(caplog)[-2:] == ["maintenance on"] * 2
        caplog.clear()
        town.directory.down = True
        await asyncio.sleep(3)
        assert two.maintenance.current is not None
        with pytest.raises(JoinRefused, match="noon"):
            await one.house.join("c")
        assert watched(caplog) == ["maintenance mode not known"] * 2, "once a node"
        caplog.clear()
        town.directory.down = False
        await two.maintenance.turn_off()
        await asyncio.sleep(SEEN_S)
        assert watched(caplog) == ["maintenance off"] * 2


@in_virtual_time
async def test_an_answer_that_is_older_than_a_change_here_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = Town(1)
    async with town as (one,):
        read = town.directory.maintenance

        async def slow() -> object:
            found = await read()
            await asyncio.sleep(0.2)
            return found

        monkeypatch.setattr(town.directory, "maintenance", slow)
        looking = asyncio.ensure_future(one.maintenance._look())
        await asyncio.sleep(0.1)
        await one.maintenance.turn_on(NOTICE, by="op")
        await looking
        assert one.maintenance.current is not None
