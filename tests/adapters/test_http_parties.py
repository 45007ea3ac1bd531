"""Parties over HTTP, at two servers over one store: what is answered, and which problem is told."""

from __future__ import annotations

from typing import Any

import pytest

from gameserver.errors import StoreUnavailable
from gameserver.hosting import HostRefused
from gameserver.ids import PlayerId
from gameserver.operating import Ban
from gameserver.ports import Identity
from gameserver.wire.to_client import ErrorCode
from tests.adapters.http_world import LONG_MS, Client, World, serving

PARTY, INVITATIONS = "/v1/party", "/v1/invitations"


class Players(World):
    """The token is the player's name."""

    async def verify(self, token: str) -> Identity:
        return Identity(
            player_id=PlayerId(token),
            name=token,
            groups=(),
            expires_ms=LONG_MS,
            token_use="access",
        )


class As:
    """One player, at one server."""

    def __init__(self, ask: Client, player: str) -> None:
        self._ask = ask
        self._player = player

    async def __call__(
        self, method: str, path: str, body: Any = None, *, expect: int = 200, key: str = ""
    ) -> Any:
        headers = {"Authorization": f"Bearer {self._player}"}
        headers |= {"Idempotency-Key": key} if key else {}
        given = {} if body is None else {"json": body}
        return (await self._ask(method, path, expect=expect, headers=headers, **given))[0]

    async def refused(self, method: str, path: str, body: Any = None, *, status: int) -> str:
        return str((await self(method, path, body, expect=status))["code"])


async def test_a_party_outlives_the_server_that_began_it() -> None:
    world = Players()
    async with serving(world) as second:
        async with serving(world) as first:
            made = await As(first, "ann")("POST", PARTY, expect=201)
            assert (made["leader"], made["members"], made["invites"]) == ("ann", ["ann"], [])
            invited = await As(first, "ann")("POST", f"{PARTY}/invites", {"player": "bob"})
            assert [each["player"] for each in invited["invites"]] == ["bob"]
        bob = As(second, "bob")
        [invitation] = (await bob("GET", INVITATIONS))["invitations"]
        assert (invitation["party"], invitation["leader"]) == (made["id"], "ann")
        await bob("POST", f"{INVITATIONS}/{made['id']}/accept")
        assert (await As(second, "ann")("GET", PARTY))["members"] == ["ann", "bob"]
        assert (await bob("GET", INVITATIONS)) == {"invitations": []}


async def test_a_party_that_is_begun_again_by_the_same_key_is_one() -> None:
    world = Players()
    async with serving(world) as ask:
        ann = As(ask, "ann")
        made = await ann("POST", PARTY, expect=201, key="k1")
        assert await ann("POST", PARTY, expect=201, key="k1") == made
        assert await ann.refused("POST", PARTY, status=409) == "already_in_party"


async def test_members_come_go_and_lead() -> None:
    world = Players()
    async with serving(world) as ask:
        ann, bob, cid = (As(ask, name) for name in ("ann", "bob", "cid"))
        party = (await ann("POST", PARTY, expect=201))["id"]
        for guest in ("bob", "cid", "dan", "eve"):
            await ann("POST", f"{PARTY}/invites", {"player": guest})
        await bob("POST", f"{INVITATIONS}/{party}/accept")
        await cid("POST", f"{INVITATIONS}/{party}/accept")
        await As(ask, "dan")("POST", f"{INVITATIONS}/{party}/decline", expect=204)
        assert (await ann("DELETE", f"{PARTY}/invites/eve"))["invites"] == []
        for refused in (
            await bob.refused("POST", f"{PARTY}/invites", {"player": "x"}, status=403),
            await bob.refused("DELETE", f"{PARTY}/invites/x", status=403),
            await bob.refused("DELETE", f"{PARTY}/members/ann", status=403),
            await bob.refused("PUT", f"{PARTY}/leader", {"player": "bob"}, status=403),
            await bob.refused("DELETE", PARTY, status=403),
        ):
            assert refused == "not_leader"
        assert await ann.refused("PUT", f"{PARTY}/leader", {"player": "x"}, status=422) == (
            "not_a_member"
        )
        assert (await ann("PUT", f"{PARTY}/leader", {"player": "bob"}))["leader"] == "bob"
        assert (await bob("DELETE", f"{PARTY}/members/cid"))["members"] == ["ann", "bob"]
        assert await bob.refused("DELETE", f"{PARTY}/members/bob", status=422) == "not_a_member"
        await bob("POST", f"{PARTY}/leave", expect=204)
        assert (await ann("GET", PARTY))["leader"] == "ann"
        await ann("DELETE", PARTY, expect=204)
        for method, path in (("GET", PARTY), ("POST", f"{PARTY}/leave"), ("DELETE", PARTY)):
            assert await ann.refused(method, path, status=404) == "no_party"
    assert world.party_news.kinds("cid") == ["invited", "joined", "leader", "kicked"]


async def test_a_full_party_and_an_invite_that_is_none() -> None:
    world = Players()
    async with serving(world) as ask:
        ann = As(ask, "ann")
        party = (await ann("POST", PARTY, expect=201))["id"]
        for n in range(7):
            await ann("POST", f"{PARTY}/invites", {"player": f"p{n}"})
        assert (
            await As(ask, "x").refused("POST", f"{INVITATIONS}/{party}/accept", status=404)
            == "no_invite"
        )
        assert (
            await As(ask, "x").refused("POST", f"{INVITATIONS}/unknown/decline", status=404)
            == "no_invite"
        )
        for n in range(7):
            await As(ask, f"p{n}")("POST", f"{INVITATIONS}/{party}/accept")
        assert await ann.refused("POST", f"{PARTY}/invites", {"player": "x"}, status=409) == (
            "party_full"
        )


async def test_a_party_queues() -> None:
    world = Players()
    async with serving(world) as ask:
        ann, bob = As(ask, "ann"), As(ask, "bob")
        party = (await ann("POST", PARTY, expect=201))["id"]
        await ann("POST", f"{PARTY}/invites", {"player": "bob"})
        await bob("POST", f"{INVITATIONS}/{party}/accept")
        body = {"game": "arena", "mode": "standard", "key": "x"}
        assert await bob.refused("POST", f"{PARTY}/ticket", body, status=403) == "not_leader"
        ticket = await ann("POST", f"{PARTY}/ticket", body, expect=201)
        assert ticket["players"] == ["ann", "bob"]
        assert await ann("POST", f"{PARTY}/ticket", body, expect=201) == ticket | {
            "waited_ms": pytest.approx(ticket["waited_ms"], abs=10_000)
        }
        assert (await bob("GET", "/v1/matchmaking/tickets"))["ticket"] == ticket["ticket"]
        assert (
            await ann.refused(
                "POST", f"{PARTY}/ticket", {"game": "arena", "mode": "no"}, status=404
            )
            == "unknown_queue"
        )
        await bob("POST", f"{PARTY}/leave", expect=204)
        code = await ann.refused("GET", "/v1/matchmaking/tickets", status=404)
        assert code == "no_ticket", "it is given up for all"


async def test_a_party_makes_a_match_and_enters_one() -> None:
    world = Players()
    async with serving(world) as ask:
        ann, bob = As(ask, "ann"), As(ask, "bob")
        party = (await ann("POST", PARTY, expect=201))["id"]
        await ann("POST", f"{PARTY}/invites", {"player": "bob"})
        await bob("POST", f"{INVITATIONS}/{party}/accept")
        body = {"game": "arena", "title": "Us", "visibility": "private", "password": "x"}
        made = await ann("POST", f"{PARTY}/matches", body, expect=201)
        assert (made["id"], made["title"], made["code"]) == ("new1", "Us", "ACDEFG")
        assert world.hosting.wanted[0][0].reserve == ["bob"]
        small = {"game": "arena", "players_max": 1}
        assert await ann.refused("POST", f"{PARTY}/matches", small, status=422) == "bad_terms"
        seats = f"{PARTY}/matches/m1/seats"
        assert (await ann("POST", seats))["match"] == "m1"
        assert world.hosting.brought == [("m1", "ann", "bob")]
        for why, status, code in (
            (ErrorCode.MATCH_FULL, 409, "match_full"),
            (ErrorCode.UNKNOWN_MATCH, 409, "match_over"),
            (ErrorCode.NOT_INVITED, 403, "not_invited"),
            (ErrorCode.MAINTENANCE, 409, "maintenance"),
        ):
            world.hosting.refusal = HostRefused(why, "no")
            assert await ann.refused("POST", seats, status=status) == code
        ban = Ban(player=PlayerId("ann"), reason="x", told="you are banned", by="op", at_ms=1)
        await world.bans.ban(ban)
        assert await ann.refused("POST", seats, status=403) == "banned"


async def test_redis_away_is_503() -> None:
    world = Players()

    async def fail() -> None:
        raise StoreUnavailable("away")

    world.parties._leg = fail
    async with serving(world) as ask:
        assert await As(ask, "ann").refused("GET", PARTY, status=503) == "unavailable"
        assert await As(ask, "ann").refused("GET", INVITATIONS, status=503) == "unavailable"
