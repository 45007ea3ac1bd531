"""Matches that players create, over several nodes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gameserver.cluster import host as host_module
from gameserver.cluster.host import CODE_TTL_MS, GUESSES_OF_NETWORK, GUESSES_OF_PLAYER
from gameserver.errors import JoinRefused, NodeSilent, StoreUnavailable
from gameserver.hosting import (
    BAD_CODE,
    BAD_TERMS,
    TOO_MANY_GUESSES,
    Created,
    HostRefused,
    Wanted,
)
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import FRESH_S, Query, Visibility
from gameserver.maintenance import Notice
from gameserver.ports import Identity
from gameserver.wire.to_client import ErrorCode
from tests.cluster.town import Town, TownHouse
from tests.match.house import in_virtual_time

ANN, BEN, CID = PlayerId("ann"), PlayerId("ben"), PlayerId("cid")


def who(player: str) -> Identity:
    return Identity(
        player_id=PlayerId(player), name=player, groups=(), expires_ms=0, token_use="access"
    )


async def create(house: TownHouse, player: str = "ann", **wanted: Any) -> Created:
    return await house.host.create(Wanted(**{"game": "count"} | wanted), who(player))


async def private(house: TownHouse, **wanted: Any) -> Created:
    return await create(house, visibility=Visibility.PRIVATE, **wanted)


def refused_with(code: str) -> Any:
    return pytest.raises(HostRefused, check=lambda error: error.code == code)


async def kept_out(house: TownHouse, player: str, why: str, **request: Any) -> None:
    with pytest.raises(JoinRefused) as refused:
        await house.join(player, **request)
    assert refused.value.code == why


@in_virtual_time
async def test_a_match_is_as_its_creator_wants_it() -> None:
    async with Town(2) as (one, two):
        made = await create(
            one, mode="eight", title="Große Runde", players_max=3, options={"total": 100}
        )
        assert (made.mode, made.players_max, made.code) == ("eight", 3, "")
        [shown] = (await one.bulletin.current()).find(Query(text="runde")).matches
        assert (shown.id, shown.players, shown.seats_open) == (made.match, 0, 2), "at once"
        await asyncio.sleep(FRESH_S)
        assert (await two.bulletin.current()).get(made.match) is not None
        seated, watcher = await two.join("ann", match=made.match)
        await asyncio.sleep(0.2)
        assert msgspec.json.decode((await one.operations.inspect(made.match)).view)["total"] == 100
        assert watcher.frames
        await one.join("ben", match=made.match)
        await one.join("cid", match=made.match)
        await kept_out(one, "dan", ErrorCode.MATCH_FULL, match=made.match)
        assert seated.joined.mode == "eight"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"game": "chess"}, "unknown_game"),
        ({"mode": "nine"}, "unknown_mode"),
        ({"options": {"total": 7}}, BAD_TERMS),
        ({"options": {"total": True}}, BAD_TERMS),
        ({"options": {"speed": 1}}, BAD_TERMS),
        ({"players_max": 9}, BAD_TERMS),
        ({"password": "x"}, BAD_TERMS),
        ({"mode": "two", "reserve": [BEN, CID]}, BAD_TERMS),
    ],
)
def test_what_cannot_be_is_refused(wanted: dict[str, Any], code: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with Town(1) as (one,):
            with refused_with(code):
                await create(one, **wanted)
            assert one.matches == 0

    scenario()


@in_virtual_time
async def test_reserved_seats_are_kept_until_the_limit_and_then_free() -> None:
    async with Town(2) as (one, two):
        made = await create(one, mode="two", reserve=[BEN], reserve_ms=30_000)
        await asyncio.sleep(1)
        other, _ = await two.join("cid")
        assert other.joined.match != made.match, "quick join passes it by"
        await kept_out(two, "dan", ErrorCode.MATCH_FULL, match=made.match)
        await two.join("ben", match=made.match)
        await asyncio.sleep(20)
        await kept_out(one, "dan", ErrorCode.MATCH_FULL, match=made.match)
        await asyncio.sleep(10)
        seated, _ = await one.join("dan", match=made.match)
        assert seated.joined.match == made.match
        await kept_out(one, "ann", ErrorCode.MATCH_FULL, match=made.match)


@in_virtual_time
async def test_a_match_waits_for_its_guests_and_ends_without_them() -> None:
    async with Town(1, empty_match_ms=2_000) as (one,):
        await create(one, reserve_ms=30_000)
        await asyncio.sleep(29)
        assert one.matches == 1
        await asyncio.sleep(3)
        assert one.matches == 0
        made = await create(one, reserve_ms=30_000)
        seated, _ = await one.join("ann", match=made.match)
        seated.handle.leave("left")
        await asyncio.sleep(5)
        assert one.matches == 1, "the seat is kept: the creator may come back"
        await asyncio.sleep(28)
        assert one.matches == 0


@in_virtual_time
async def test_a_private_match_is_found_by_its_code_alone() -> None:
    async with Town(2) as (one, two):
        made = await private(one)
        await asyncio.sleep(FRESH_S)
        for house in (one, two):
            assert not (await house.bulletin.current()).find(Query()).matches
            await kept_out(house, "ben", ErrorCode.NOT_INVITED, match=made.match)
            with refused_with(BAD_CODE):
                await house.host.join_by_code("AAAAAA", "", who("x"))
            assert await house.host.is_guest(made.match, ANN)
            assert not await house.host.is_guest(made.match, BEN)
        quick, _ = await two.join("cid")
        assert quick.joined.match != made.match

        spoken = f"{made.code[:3].lower()}-{made.code[3:]} "
        match, until_ms = await two.host.join_by_code(spoken, "", who("ben"))
        assert match == made.match and until_ms > made.reserved_until_ms - 120_000
        seated, _ = await two.join("ben", match=made.match)
        assert seated.joined.match == made.match
        by_socket, _ = await two.join("dan", code=made.code)
        assert by_socket.joined.match == made.match
        await kept_out(two, "eve", ErrorCode.BAD_CODE, code="AAAAAA")
        await kept_out(two, "eve", ErrorCode.BAD_CODE, code=made.code, match="m-other")
        created, _ = await one.join("ann", match=made.match)
        assert created.joined.match == made.match


@in_virtual_time
async def test_a_password_is_asked_for_and_stored_as_a_hash() -> None:
    town = Town(1)
    async with town as (one,):
        made = await private(one, password="sesame")
        for password in ("", "Sesame"):
            with refused_with(BAD_CODE):
                await one.host.join_by_code(made.code, password, who("ben"))
        await kept_out(one, "ben", ErrorCode.BAD_CODE, code=made.code)
        await one.join("ben", code=made.code, password="sesame")
        entry = await town.codes.find(made.code)
        assert entry is not None and entry.password == "hash of sesame"


@in_virtual_time
async def test_what_a_player_gives_ends_at_the_edge() -> None:
    async with Town(2) as (one, two):
        made = await private(one, password="sesame")
        sent: list[bytes] = []
        send = two.cluster._bus.send

        def overheard(node: str, message: bytes, *, replaces: str = "") -> None:
            sent.append(message)
            send(node, message, replaces=replaces)

        two.cluster._bus.send = overheard  # type: ignore[method-assign]
        seated, _ = await two.join("ben", code=made.code, password="sesame")
        assert seated.joined.match == made.match and sent
        assert not any(b"sesame" in one or made.code.encode() in one for one in sent)


@in_virtual_time
async def test_wrong_guesses_are_limited_on_all_nodes_together() -> None:
    async with Town(2) as (one, two):
        made = await private(one)
        for number in range(GUESSES_OF_PLAYER):
            with refused_with(BAD_CODE):
                await (one, two)[number % 2].host.join_by_code("AAAAAA", "", who("eve"))
        for house in (one, two):
            with refused_with(TOO_MANY_GUESSES):
                await house.host.join_by_code(made.code, "", who("eve"))
            await kept_out(house, "eve", ErrorCode.TOO_MANY_GUESSES, code=made.code)
        await asyncio.sleep(600)
        # By then the match is over; what counts is that the code is looked at again.
        with refused_with(BAD_CODE):
            await one.host.join_by_code(made.code, "", who("eve"))


@in_virtual_time
async def test_right_codes_do_not_count_and_networks_do() -> None:
    async with Town(1) as (one,):
        made = await private(one)
        for _ in range(3 * GUESSES_OF_PLAYER):
            await one.host.join_by_code(made.code, "", who("ben"), network="a")
        for number in range(GUESSES_OF_NETWORK):
            with refused_with(BAD_CODE):
                await one.host.join_by_code("AAAAAA", "", who(f"p{number}"), network="a")
        with refused_with(TOO_MANY_GUESSES):
            await one.host.join_by_code(made.code, "", who("ben"), network="a")
        await one.host.join_by_code(made.code, "", who("ben"), network="b")


@in_virtual_time
async def test_codes_live_and_end_with_their_matches() -> None:
    town = Town(2, empty_match_ms=1_000)
    async with town as (one, two):
        made = await private(one)
        seated, _ = await one.join("ann", match=made.match)
        await asyncio.sleep(3 * CODE_TTL_MS / 1000)
        assert await town.codes.find(made.code) is not None
        town.codes.entries.clear()  # As after a loss of Redis.
        await asyncio.sleep(25)
        assert await town.codes.find(made.code) is not None
        await one.kill()
        await asyncio.sleep(5)
        assert two.matches == 1
        await asyncio.sleep(3 * CODE_TTL_MS / 1000)
        assert await town.codes.find(made.code) is None, "nobody came back: it is over"
        assert two.matches == 0 and seated is not None


@in_virtual_time
async def test_guests_and_reserved_seats_survive_the_loss_of_the_node() -> None:
    async with Town(2) as (one, two):
        made = await private(one, mode="two", password="sesame", reserve_ms=60_000)
        await two.host.join_by_code(made.code, "sesame", who("ben"))
        await one.kill()
        await asyncio.sleep(5)
        assert two.matches == 1
        with refused_with(ErrorCode.MATCH_FULL):
            await two.host.join_by_code(made.code, "sesame", who("cid"))
        for player in ("ben", "ann"):
            seated, _ = await two.join(player, match=made.match)
            assert seated.joined.match == made.match
        await kept_out(two, "cid", ErrorCode.MATCH_FULL, match=made.match)


@in_virtual_time
async def test_a_kicked_guest_needs_the_code_again() -> None:
    async with Town(1) as (one,):
        made = await private(one)
        await one.join("ben", code=made.code)
        await one.operations.kick(made.match, BEN)
        await kept_out(one, "ben", ErrorCode.NOT_INVITED, match=made.match)
        await one.join("ben", code=made.code)


@in_virtual_time
async def test_a_busy_or_draining_node_opens_it_elsewhere() -> None:
    async with Town(2) as (one, two):
        one.cluster._pulse.load = 1.0
        await create(one)
        assert (one.matches, two.matches) == (0, 1)
        await one.house.service.drain(1)
        await create(one)
        assert two.matches == 2
        await two.maintenance.turn_on(Notice(message="Back at noon."), by="op")
        with refused_with("maintenance"):
            await create(two)


@in_virtual_time
async def test_a_player_has_a_few_matches_open_and_no_more() -> None:
    async with Town(1, hosted_matches_max=2) as (one,):
        await create(one)
        await create(one)
        with refused_with(BAD_TERMS):
            await create(one)
        await create(one, "ben")


@in_virtual_time
async def test_what_is_not_durable_is_not_created(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(2)
    async with town as (one, two):
        made = await private(one)
        one.house.store.down = True
        with pytest.raises(StoreUnavailable):
            await create(one)
        one.house.store.down = False
        town.codes.failure = StoreUnavailable("down")
        with pytest.raises(StoreUnavailable):
            await private(one)
        await asyncio.sleep(host_module.CODE_KEPT_EVERY_S * 2)
        town.codes.failure = None
        town.hub.cut.add(frozenset(("n1", "n2")))
        with pytest.raises(NodeSilent):
            await two.host.is_guest(made.match, ANN)


@in_virtual_time
async def test_a_match_that_a_silent_node_should_have_is_opened_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = Town(2)
    async with town as (one, two):
        monkeypatch.setattr(one.host, "_place", lambda: "n2")
        made = await create(one)
        assert two.matches == 1 and one.matches == 0, made
        town.hub.cut.add(frozenset(("n1", "n2")))
        other = await create(one)
        assert one.matches == 1
        assert await town.store.holder(other.match) == "n1"


@in_virtual_time
async def test_seats_are_kept_for_all_who_are_brought_or_for_nobody() -> None:
    async with Town(2) as (one, two):
        made = await create(one, mode="eight", players_max=4)
        await two.join("eve", match=made.match)
        with refused_with(ErrorCode.MATCH_FULL):
            await two.host.bring(made.match, [BEN, CID, PlayerId("dan")])
        until_ms = await two.host.bring(made.match, [BEN, CID])
        assert until_ms > 0
        await two.host.bring(made.match, [BEN, CID])  # Again, as after a lost answer.
        await kept_out(one, "dan", ErrorCode.MATCH_FULL, match=made.match)
        await one.kill()
        await asyncio.sleep(5)
        for player in ("ben", "cid", "ann"):
            seated, _ = await two.join(player, match=made.match)
            assert seated.joined.match == made.match
        await two.host.bring(made.match, [BEN])
        with refused_with(ErrorCode.UNKNOWN_MATCH):
            await two.host.bring(MatchId("m-never"), [BEN])


@in_virtual_time
async def test_a_party_comes_into_a_match_that_nobody_has_created() -> None:
    async with Town(1) as (one,):
        seated, _ = await one.join("eve")
        match = MatchId(seated.joined.match)
        others = [PlayerId(f"p{n}") for n in range(7)]
        with refused_with(ErrorCode.MATCH_FULL):
            await one.host.bring(match, [*others, BEN])
        await one.host.bring(match, others)
        other, _ = await one.join("dan")
        assert other.joined.match != match, "quick join passes it by"
        came, _ = await one.join("p6", match=match)
        assert came.joined.match == match
        assert (await one.bulletin.current()).get(match) is not None


@in_virtual_time
async def test_a_private_match_is_for_those_who_may_bring_others() -> None:
    async with Town(1) as (one,):
        made = await private(one)
        with refused_with(ErrorCode.NOT_INVITED):
            await one.host.bring(made.match, [BEN, CID])
        await one.host.join_by_code(made.code, "", who("ben"))
        await one.host.bring(made.match, [BEN, CID])
        came, _ = await one.join("cid", match=made.match)
        assert came.joined.match == made.match
        await one.maintenance.turn_on(Notice(message="Back at noon."), by="op")
        with refused_with(ErrorCode.MAINTENANCE):
            await one.host.bring(made.match, [BEN, PlayerId("dan")])
