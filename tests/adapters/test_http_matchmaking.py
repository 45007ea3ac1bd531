"""Matchmaking over HTTP: what is answered, and which problem is told."""

from __future__ import annotations

import pytest

from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import Place, Proposal, Queue, TicketId
from gameserver.ports import Identity
from tests.adapters.http_world import BEARER, LONG_MS, World, serving

TICKETS = "/v1/matchmaking/tickets"
DUEL = {"game": "arena", "mode": "duel"}


def identity(name: str) -> Identity:
    return Identity(
        player_id=PlayerId(name), name=name, groups=(), expires_ms=LONG_MS, token_use="access"
    )


async def test_a_ticket_from_its_taking_to_its_end() -> None:
    async with serving(World()) as ask:
        body = {**DUEL, "key": "x", "latency_ms": {"eu": 20.5}}
        taken, _ = await ask("POST", TICKETS, expect=201, headers=BEARER, json=body)
        assert (taken["state"], taken["players"], taken["match"]) == ("waiting", ["ann"], None)
        again, _ = await ask("POST", TICKETS, expect=201, headers=BEARER, json=body)
        assert again["ticket"] == taken["ticket"]
        problem, _ = await ask("POST", TICKETS, expect=409, headers=BEARER, json=DUEL)
        assert problem["code"] == "already_queued"
        seen, _ = await ask("GET", f"{TICKETS}?why=true", headers=BEARER)
        assert seen["ticket"] == taken["ticket"] and seen["why"] is None, "nobody leads the queue"
        problem, _ = await ask(
            "POST", f"{TICKETS}/ready", expect=409, headers=BEARER, json={"ready": True}
        )
        assert problem["code"] == "not_asked"
        gone, _ = await ask("DELETE", TICKETS, headers=BEARER)
        assert gone["state"] == "cancelled"
        problem, _ = await ask("GET", TICKETS, expect=404, headers=BEARER)
        assert problem["code"] == "no_ticket"


async def test_a_ready_check_and_a_penalty() -> None:
    world, queue = World(), Queue("arena", "duel")
    async with serving(world) as ask:
        taken, _ = await ask("POST", TICKETS, expect=201, headers=BEARER, json=DUEL)
        mastery = await world.queues.lead(queue, owner="n", lease_ttl_ms=60_000)
        assert mastery is not None
        proposal = Proposal(
            id=MatchId("m"),
            match=MatchId("m"),
            tickets=(TicketId(taken["ticket"]),),
            sizes=(1,),
            places=(Place(PlayerId("ann"), 0, ""),),
        )
        await world.queues.claim(queue, mastery.fence, [proposal], ready_ms=15_000)
        seen, _ = await ask("GET", TICKETS, headers=BEARER)
        assert seen["state"] == "ready_check" and seen["until_ms"] is not None
        problem, _ = await ask("DELETE", TICKETS, expect=409, headers=BEARER)
        assert problem["code"] == "too_late"
        answered, _ = await ask("POST", f"{TICKETS}/ready", headers=BEARER, json={"ready": False})
        assert answered["state"] == "declined"
        problem, _ = await ask("POST", TICKETS, expect=409, headers=BEARER, json=DUEL)
        assert problem["code"] == "penalty"


async def test_a_party_is_of_those_who_gave_a_pass() -> None:
    world = World()
    world.passes = {"p-bob": identity("bob"), "p-ann": identity("ann")}
    body = {"game": "arena", "mode": "standard", "party": [{"pass": "p-bob"}]}
    async with serving(world) as ask:
        taken, _ = await ask("POST", TICKETS, expect=201, headers=BEARER, json=body)
        assert taken["players"] == ["ann", "bob"]
        await ask("DELETE", TICKETS, headers=BEARER)
        problem, _ = await ask("POST", TICKETS, expect=422, headers=BEARER, json=body)
        assert problem["code"] == "bad_pass"
        twice = {**body, "party": [{"pass": "p-ann"}]}
        problem, _ = await ask("POST", TICKETS, expect=422, headers=BEARER, json=twice)
        assert problem["code"] == "bad_ticket"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"game": "arena", "mode": "bench"}, 404, "unknown_queue"),
        ({**DUEL, "accepts": {"map": ["x"]}}, 422, "bad_ticket"),
        ({**DUEL, "roles": ["healer"]}, 422, "bad_ticket"),
        ({**DUEL, "colour": 1}, 400, "bad_body"),
    ],
)
async def test_what_is_refused(body: dict[str, object], status: int, code: str) -> None:
    async with serving(World()) as ask:
        problem, _ = await ask("POST", TICKETS, expect=status, headers=BEARER, json=body)
        assert problem["code"] == code


async def test_the_queues_say_what_they_ask_for() -> None:
    async with serving(World()) as ask:
        found, _ = await ask("GET", "/v1/matchmaking/queues", headers=BEARER)
        duel = next(each for each in found["queues"] if each["mode"] == "duel")
        assert (duel["teams"], duel["team_size"], duel["players_min"]) == (2, 1, 2)
        assert (duel["ready_s"], duel["waiting"], duel["estimate"]) == (15, 0, None)
