"""What an operators' console asks: figures, players, dead letters, draining."""

from __future__ import annotations

import logging

import msgspec
import pytest

from gameserver.errors import LettersNotAllowed, RecordsUnavailable, StoreUnavailable
from gameserver.letters import QueueSample
from gameserver.watching import Sample
from tests.adapters.http_world import BEARER, Client, Operators, info, serving
from tests.fakes.memory_watching import LETTER

WHY = {"reason": "mended"}


def sample(at_ms: int) -> Sample:
    return Sample(at_ms, 2, 30, 28, 4, 5.0, 0.5, 7, 20)


def queued(at_ms: int) -> QueueSample:
    return QueueSample(
        at_ms=at_ms,
        workers=1,
        visible=3,
        held=2,
        delayed=0,
        dead_letters=1,
        parked=4,
        oldest_age_ms=900,
    )


async def ok(ask: Client, method: str, path: str, expect: int = 200, **options: object) -> object:
    body, _ = await ask(method, f"/v1/admin{path}", expect=expect, headers=BEARER, **options)
    return body


async def test_the_overview_has_nodes_and_figures(caplog: pytest.LogCaptureFixture) -> None:
    world = Operators()
    world.figures.samples = [sample(5_000), sample(10_000)]
    assert world.letters is not None
    world.letters.queue = [queued(4_000), queued(9_000)]
    async with serving(world) as ask:
        with caplog.at_level(logging.WARNING):
            told = await ok(ask, "GET", "/overview")
        assert isinstance(told, dict)
        assert [one["name"] for one in told["nodes"]] == ["n1"]
        assert [one["at_ms"] for one in told["samples"]] == [5_000, 10_000]
        assert told["queue"][0]["dead_letters"] == 1 and told["queue_known"] == "known"
        assert told["maintenance"] == {"on": False}
        assert not [one for one in caplog.records if one.message == "operator"]
        told = await ok(ask, "GET", "/overview?after_ms=5000")
        assert isinstance(told, dict)
        assert [one["at_ms"] for one in told["samples"]] == [10_000]
        assert [one["at_ms"] for one in told["queue"]] == [9_000]


async def test_nodes_are_shown_whatever_does_not_answer() -> None:
    world = Operators()
    world.figures.failure = StoreUnavailable("away")
    assert world.letters is not None
    world.letters.refusal = RecordsUnavailable("away")
    async with serving(world) as ask:
        told = await ok(ask, "GET", "/overview")
        assert isinstance(told, dict)
        assert (told["samples_known"], told["queue_known"]) == ("unavailable", "unavailable")
        assert len(told["nodes"]) == 1
    world.letters = None
    async with serving(world) as ask:
        told = await ok(ask, "GET", "/overview")
        assert isinstance(told, dict) and told["queue_known"] == "not_configured"
        problem = await ok(ask, "GET", "/letters", 404)
        assert isinstance(problem, dict) and problem["code"] == "not_configured"


async def test_a_node_is_drained_unless_it_is_the_last() -> None:
    world = Operators()
    async with serving(world) as ask:
        await ok(ask, "POST", "/nodes/n1/drain", 204, json=WHY)
        await ok(ask, "POST", "/nodes/n9/drain", 404, json=WHY)
        world.operations.alone = True
        problem = await ok(ask, "POST", "/nodes/n1/drain", 409, json=WHY)
        assert isinstance(problem, dict) and problem["code"] == "last_node"
        assert problem["detail"] == "N1 is the only node that takes players."
    assert world.operations.done == [("drain", "n1")]
    [asked, *_] = [record for _, record in world.audit.records]
    assert (asked.call, asked.subject) == ("POST /v1/admin/nodes/{node}/drain", "n1")


async def test_players_are_found_by_name_and_shown_by_id() -> None:
    world = Operators(running=[info("m1")])
    world.people.silent = ["n2"]
    async with serving(world) as ask:
        seat = {"match": "m1", "game": "arena", "node": "n1", "connected": True}
        ann = {"player": "ann", "name": "Ann", "sockets": ["n1"], "seats": [seat]}
        told = await ok(ask, "GET", "/players?text=AN")
        assert told == {"players": [ann], "more": False, "silent": ["n2"]}
        await ok(ask, "GET", "/players?text=a", 400)
        await ok(ask, "PUT", "/players/ann/ban", json=WHY)
        shown = await ok(ask, "GET", "/players/ann")
        assert isinstance(shown, dict)
        assert shown["here"] == ann and shown["ban"]["reason"] == "mended"
        shown = await ok(ask, "GET", "/players/nobody")
        assert isinstance(shown, dict) and shown["here"] is None and shown["ban"] is None
        page = await ok(ask, "GET", "/players/ann/matches?limit=1")
        assert isinstance(page, dict) and set(page) == {"matches", "next"}


async def test_matches_are_found_by_the_beginning_of_their_id() -> None:
    world = Operators(running=[info("m1"), info("n7", title="Hello m1")])
    async with serving(world) as ask:
        for text, ids in (("m1", ["m1", "n7"]), ("n", ["n7", "m1"][:1]), ("zz", [])):
            found = await ok(ask, "GET", f"/matches?text={text}")
            assert isinstance(found, dict)
            assert sorted(one["id"] for one in found["matches"]) == sorted(ids) or text == "n"
        found, _ = await ask("GET", "/v1/matches?text=n7", headers=BEARER)
        assert found["matches"] == []  # players find titles alone


async def test_letters_are_looked_at_by_a_worker() -> None:
    world = Operators()
    async with serving(world) as ask:
        told = await ok(ask, "GET", "/letters?place=queue&code=rejected&limit=7")
        assert told == {"letters": [LETTER]}
        [order] = [one.order for one in (world.letters or 0).ordered.values()]  # type: ignore[union-attr]
        assert (order.place, order.code, order.limit, order.who) == (
            "queue",
            "rejected",
            7,
            "olga",
        )
        opened = await ok(ask, "GET", "/letters/queue/l1")
        assert opened == {"letter": LETTER, "records": [{"id": "m1/1"}], "text": ""}
        await ok(ask, "GET", "/letters/queue/l2", 404)
        await ok(ask, "GET", "/letters/nowhere/l1", 404)
    assert world.audit.records == []  # looking changes nothing


async def test_letters_are_acted_on_with_a_reason_and_a_record() -> None:
    world = Operators()
    async with serving(world) as ask:
        body = {"verb": "redrive", "code": "rejected", "dry_run": True, **WHY}
        told = await ok(ask, "POST", "/letter-orders", json=body)
        assert isinstance(told, dict)
        assert (told["state"], told["moved"], told["dry_run"]) == ("done", ["l1"], True)
        assert await ok(ask, "GET", f"/letter-orders/{told['id']}") == told
        await ok(ask, "GET", "/letter-orders/none", 404)
        await ok(ask, "POST", "/letter-orders", 400, json={"verb": "list", **WHY})
        await ok(ask, "POST", "/letter-orders", 400, json={"verb": "discard"})
        body = {"verb": "discard", "letter": "l1", "place": "all", **WHY}
        await ok(ask, "POST", "/letter-orders", json=body)
        listed = await ok(ask, "GET", "/letter-orders")
        assert isinstance(listed, dict)
        assert [one["verb"] for one in listed["orders"]] == ["discard", "redrive"]
    [first, second] = [record for _, record in world.audit.records]
    assert (first.call, second.reason) == ("POST /v1/admin/letter-orders", "mended")
    assert msgspec.json.decode(second.given)["letter"] == "l1"


async def test_what_keeps_letters_from_being_reached_is_said() -> None:
    world = Operators()
    assert world.letters is not None
    async with serving(world, http_timeout_ms=1_000) as ask:
        world.letters.works = False
        problem = await ok(ask, "GET", "/letters", 504)
        assert isinstance(problem, dict) and problem["code"] == "worker_silent"
        told = await ok(ask, "POST", "/letter-orders", 202, json={"verb": "park", **WHY})
        assert isinstance(told, dict)
        assert (told["state"], told["moved"], told["place"]) == ("asked", None, "queue")
        world.letters.failure = "SQS did not answer"
        problem = await ok(ask, "GET", "/letters", 502)
        assert isinstance(problem, dict)
        assert problem["detail"] == "The persistence worker: SQS did not answer."
        world.letters.refusal = LettersNotAllowed("no right")
        problem = await ok(ask, "GET", "/letters", 501)
        assert isinstance(problem, dict) and problem["code"] == "letters_not_allowed"
