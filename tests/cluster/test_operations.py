"""Operators and lists over several nodes."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gameserver.cluster.bans import LOOK_S, OPENED_WITHIN_S
from gameserver.errors import JoinRefused, NodeSilent, StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import FRESH_S, Query
from gameserver.operating import NOT_SEATED, SIGNAL_REFUSED, UNKNOWN_MATCH, Ban, OperationRefused
from gameserver.rounds import shared
from gameserver.wire.to_client import ErrorCode
from tests.cluster.town import Town
from tests.contract.test_operating import ban
from tests.fakes.clock import EPOCH_MS
from tests.match.house import in_virtual_time

ANN, BEN = PlayerId("ann"), PlayerId("ben")


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_every_node_lists_the_matches_of_all() -> None:
    async with Town(3) as (one, two, three):
        here, _ = await one.join("ann")
        there, _ = await two.join("ben", "calm")
        await asyncio.sleep(FRESH_S)
        for house in (one, two, three):
            found = (await house.bulletin.current()).find(Query())
            assert {(each.id, each.node) for each in found.matches} == {
                (here.joined.match, "n1"),
                (there.joined.match, "n2"),
            }
            [calm] = (await house.bulletin.current()).find(Query(game="calm")).matches
            assert (calm.players, calm.seats_open, calm.state) == (1, 7, "running")


@in_virtual_time
async def test_a_list_is_never_older_than_promised() -> None:
    async with Town(2) as (one, two):
        seated, _ = await one.join("ann")
        await asyncio.sleep(FRESH_S)
        loop = asyncio.get_running_loop()
        for player in ("b", "c", "d"):
            await two.bulletin.current()
            await one.join(player, match=seated.joined.match)
            changed_at, players = loop.time(), one.house.service.players
            while True:
                [shown] = (await two.bulletin.current()).matches
                if shown.players == players:
                    break
                assert loop.time() - changed_at <= FRESH_S
                await asyncio.sleep(0.05)


@in_virtual_time
async def test_a_list_costs_at_most_two_reads_a_second_and_none_alone() -> None:
    town = Town(1)
    async with town as (one,):
        await one.join("ann")
        town.directory.down = True
        assert len((await one.bulletin.current()).matches) == 1, "nobody is asked"
        town.directory.down = False
        await town.add()
        await asyncio.sleep(2)
        reads = 0
        shown = town.directory.shown

        async def counted(nodes):  # type: ignore[no-untyped-def]
            nonlocal reads
            reads += 1
            return await shown(nodes)

        town.directory.shown = counted  # type: ignore[method-assign]
        for _ in range(100):
            await asyncio.gather(*(one.bulletin.current() for _ in range(5)))
            await asyncio.sleep(0.02)
        assert reads <= 5
        one.bulletin.forget()
        town.directory.down = True
        with pytest.raises(StoreUnavailable):
            await one.bulletin.current()


@in_virtual_time
async def test_matches_of_a_lost_node_leave_the_list_and_come_back_with_their_heir() -> None:
    async with Town(2) as (one, two):
        seated, _ = await one.join("ann")
        await asyncio.sleep(FRESH_S)
        await one.kill()
        await asyncio.sleep(5)
        [found] = (await two.bulletin.current()).matches
        assert (found.id, found.node) == (seated.joined.match, "n2")


# ── operators ────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_nodes_are_listed_with_this_one() -> None:
    async with Town(2) as (one, two):
        await one.join("ann")
        await asyncio.sleep(1)
        for house in (one, two):
            nodes = house.operations.nodes()
            assert [(each.name, each.matches, each.players) for each in nodes] == [
                ("n1", 1, 1),
                ("n2", 0, 0),
            ]


@in_virtual_time
async def test_what_is_asked_of_any_node_is_done_where_the_match_is() -> None:
    async with Town(2) as (one, two):
        seated, ann = await one.join("ann")
        match_id = MatchId(seated.joined.match)
        _, ben = await two.join("ben", match=match_id)
        detail = await two.operations.inspect(match_id)
        assert (detail.node, [each.player for each in detail.players]) == ("n1", ["ann", "ben"])
        assert await two.operations.signal(match_id, 3) == {"total": 3}
        assert await two.operations.signal(match_id, "odd") is None
        with pytest.raises(OperationRefused) as refused:
            await two.operations.signal(match_id, "refuse")
        assert refused.value.code == SIGNAL_REFUSED
        await two.operations.kick(match_id, ANN)
        assert ann.reasons == ["kicked"]
        with pytest.raises(OperationRefused) as refused:
            await two.operations.kick(match_id, ANN)
        assert refused.value.code == NOT_SEATED
        await two.operations.end(match_id, "enough")
        await asyncio.sleep(0.1)
        assert ben.reasons == ["ended"] and "match_closed" in ben.kinds
        with pytest.raises(OperationRefused) as refused:
            await two.operations.end(match_id, "again")
        assert refused.value.code == UNKNOWN_MATCH


@in_virtual_time
async def test_a_node_that_does_not_answer_is_named() -> None:
    town = Town(2)
    async with town as (one, two):
        seated, _ = await one.join("ann")
        town.hub.cut.add(frozenset(("n1", "n2")))
        with pytest.raises(NodeSilent, match="n1"):
            await two.operations.inspect(MatchId(seated.joined.match))
        with pytest.raises(NodeSilent, match="all nodes but n1"):
            await two.operations.kick_everywhere(ANN, "out")
        assert two.closed == [("ann", "out")], "who answers has done it"
        await one.kill()
        await asyncio.sleep(0.1)


@in_virtual_time
async def test_a_kick_frees_seats_and_closes_sockets_on_all_nodes() -> None:
    async with Town(2) as (one, two):
        seated, _ = await one.join("ann")
        _, ben = await two.join("ben", match=seated.joined.match)
        kicked = await one.operations.kick_everywhere(BEN, "out")
        assert (kicked.matches, kicked.sockets) == ([seated.joined.match], 2)
        await asyncio.sleep(0.1)
        assert ben.reasons == ["kicked"]
        assert one.closed == two.closed == [("ben", "out")]
        again, _ = await two.join("ben", match=seated.joined.match)
        assert again.joined.match == seated.joined.match, "a kick is no ban"


# ── bans ─────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_a_ban_holds_on_all_nodes_at_once_and_ends_by_itself() -> None:
    town = Town(2)
    async with town as (one, two):
        heard: list[Ban] = []
        two.bans.listen(heard.append)
        until_ms = EPOCH_MS + int(asyncio.get_running_loop().time() * 1000) + 60_000
        await one.bans.ban(ban("ann", until_ms))
        await asyncio.sleep(0.05)
        assert [each.player for each in heard] == ["ann"], "before the next look"
        for house in (one, two):
            with pytest.raises(JoinRefused) as refused:
                await house.join("ann")
            assert refused.value.code == ErrorCode.BANNED
            assert [each.player for each in house.bans.all()] == ["ann"]
            await house.join("ben", "calm")
        late = await town.add()
        with pytest.raises(JoinRefused):
            await late.join("ann")
        await asyncio.sleep(60)
        assert (await two.join("ann"))[0].joined.seat == 0
        assert one.bans.all() == []
        assert len(heard) == 1


@in_virtual_time
async def test_reasons_are_opened_for_who_has_to_be_told() -> None:
    town = Town(2)
    town.bans.sealing = True
    async with town as (one, two):
        heard: list[Ban] = []
        two.bans.listen(heard.append)
        await one.bans.ban(ban("ann"))
        await asyncio.sleep(0.05)
        assert [each.told for each in heard] == ["banned: cheats"]
        await town.bans.put(ban("ben"))
        await asyncio.sleep(2 * LOOK_S)
        assert [each.player for each in heard] == ["ann", "ben"], "each once"

        town.bans.keys.clear()
        await one.bans.ban(ban("cid"))
        await asyncio.sleep(OPENED_WITHIN_S + 0.05)
        held = two.bans.of(PlayerId("cid"))
        assert held is not None and held.told == "banned", "it holds before its reason is known"
        town.bans.keys.set()
        assert [each.told for each in await two.bans.opened([held])] == ["banned: cheats"]
        opens = town.bans.opens
        assert [each.reason for each in await two.bans.opened(two.bans.all())] == ["cheats"] * 3
        assert town.bans.opens == opens, "and stays known"


async def test_a_ban_is_lifted_on_all_nodes() -> None:
    async with Town(2) as (one, two):
        await one.bans.ban(ban("ann"))
        await asyncio.sleep(0.05)
        assert await two.bans.lift(ANN) and not await two.bans.lift(ANN)
        await asyncio.sleep(0.05)
        await one.join("ann")


@in_virtual_time
async def test_a_note_that_is_lost_is_made_up_for() -> None:
    town = Town(2)
    async with town as (one, two):
        town.hub.cut.add(frozenset(("n1", "n2")))
        await asyncio.sleep(shared(LOOK_S)() + 0.01)
        await one.bans.ban(ban("ann"))
        await asyncio.sleep(0.05)
        assert two.bans.of(ANN) is None
        await asyncio.sleep(0.6)
        assert two.bans.of(ANN) is not None


@in_virtual_time
async def test_while_the_store_is_away_what_is_known_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    town = Town(1)
    caplog.set_level(logging.WARNING)
    async with town as (one,):
        await one.bans.ban(ban("ann"))
        town.bans.failure = StoreUnavailable("down")
        with pytest.raises(StoreUnavailable):
            await one.bans.ban(ban("ben"))
        await asyncio.sleep(3)
        assert (one.bans.of(ANN), one.bans.of(BEN)) == (ban("ann"), None)
        said = [one.message for one in caplog.records if "bans" in one.name]
        assert said == ["bans not known"], "once"
        town.bans.failure = RuntimeError("a defect")
        await asyncio.sleep(1)
        town.bans.failure = None
        await town.bans.remove(ANN)
        await asyncio.sleep(1)
        assert one.bans.of(ANN) is None, "it looks on"
