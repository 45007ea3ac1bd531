"""The operators' calls about nodes, matches and players, and the record that they leave."""

from __future__ import annotations

import logging

import pytest

from gameserver.errors import NodeSilent, StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.listing import Visibility
from tests.adapters.http_world import BEARER, Client, Operators, info, serving

FAR_MS = 4_000_000_000_000
WHY = {"reason": "he asked"}


def world() -> Operators:
    made = Operators(
        running=[
            info("m1", created_ms=3),
            info("m2", created_ms=2, visibility=Visibility.PRIVATE, node="n2"),
            info("m3", created_ms=1, visibility=Visibility.UNLISTED, game="echo"),
        ]
    )
    made.operations.matches = {"m1", "m2"}
    return made


async def ok(ask: Client, method: str, path: str, expect: int = 200, **options: object) -> object:
    body, _ = await ask(method, f"/v1/admin{path}", expect=expect, headers=BEARER, **options)
    return body


async def test_nodes_and_all_matches_are_listed() -> None:
    async with serving(world()) as ask:
        told = await ok(ask, "GET", "/nodes")
        assert told == {
            "nodes": [
                {
                    "name": "n1",
                    "state": "ready",
                    "load": 0.25,
                    "sessions": 3,
                    "matches": 2,
                    "players": 3,
                    "region": "",
                    "version": "",
                    "started_ms": 0,
                    "lateness_p99_ms": 0.0,
                    "outbox_events": 0,
                    "outbox_age_ms": 0,
                }
            ]
        }
        for query, ids in [
            ("", ["m1", "m2", "m3"]),
            ("?node=n2", ["m2"]),
            ("?game=echo", ["m3"]),
            ("?order=oldest", ["m3", "m2", "m1"]),
        ]:
            body = await ok(ask, "GET", f"/matches{query}")
            assert [one["id"] for one in body["matches"]] == ids  # type: ignore[index]


async def test_a_match_is_inspected_signalled_and_ended() -> None:
    made = world()
    async with serving(made) as ask:
        told = await ok(ask, "GET", "/matches/m1")
        assert told["view"] == {"phase": "play"} and told["game_state"] is None  # type: ignore[index]
        assert told["players"] == [  # type: ignore[index]
            {"player": "ann", "name": "Ann", "seat": 0, "connected": True}
        ]
        body = {"message": {"op": [1, None]}, **WHY}
        answer = await ok(ask, "POST", "/matches/m1/signal", json=body)
        assert answer == {"answer": {"heard": {"op": [1, None]}}}
        await ok(ask, "POST", "/matches/m1/kick", 204, json={"player": "ann", **WHY})
        problem = await ok(ask, "POST", "/matches/m1/kick", 404, json={"player": "b", **WHY})
        assert problem["code"] == "not_seated"  # type: ignore[index]
        await ok(ask, "POST", "/matches/m1/end", 204, json=WHY)
        for path in ("/matches/m9", "/matches/NO"):
            problem = await ok(ask, "GET", path, 404)
            assert problem["code"] == "not_found"  # type: ignore[index]
    assert made.operations.done == [
        ("signal", '{"op":[1,null]}', "m1"),
        ("kick", "ann", "m1"),
        ("kick", "b", "m1"),
        ("end", "he asked", "m1"),
    ]


async def test_a_node_that_does_not_answer_is_a_504() -> None:
    made = world()
    made.operations.failure = NodeSilent("n2 has not answered about operate")
    async with serving(made) as ask:
        for method, path, body in [
            ("GET", "/matches/m2", None),
            ("POST", "/matches/m2/end", WHY),
            ("POST", "/players/ann/kick", WHY),
        ]:
            problem = await ok(ask, method, path, 504, json=body)
            assert problem["code"] == "node_silent"  # type: ignore[index]
            assert "n2" in problem["detail"].lower()  # type: ignore[index]


async def test_a_player_is_kicked_banned_and_let_in_again() -> None:
    made = world()
    async with serving(made) as ask:
        kicked = await ok(ask, "POST", "/players/ann/kick", json=WHY)
        assert kicked == {"matches": ["m1"], "sockets": 2}
        ban = await ok(ask, "PUT", "/players/ann/ban", json={"until_ms": FAR_MS, **WHY})
        assert ban["until_ms"] == FAR_MS and ban["by"] == "olga"  # type: ignore[index]
        told = made.bans.bans[PlayerId("ann")].told
        assert told == "banned until 2096-10-02 07:06 UTC: he asked"
        await ok(ask, "PUT", "/players/ben/ban", json=WHY)
        assert made.bans.bans[PlayerId("ben")].told == "banned: he asked"
        page = await ok(ask, "GET", "/bans?limit=1")
        assert (page["bans"], page["total"]) == ([ban], 2)  # type: ignore[index]
        page = await ok(ask, "GET", f"/bans?cursor={page['next']}")  # type: ignore[index]
        assert [one["player"] for one in page["bans"]] == ["ben"]  # type: ignore[index]
        await ok(ask, "DELETE", "/players/ann/ban?reason=mended", 204)
        problem = await ok(ask, "DELETE", "/players/ann/ban?reason=mended", 404)
        assert problem["code"] == "not_banned"  # type: ignore[index]
        problem = await ok(ask, "PUT", "/players/ann/ban", 422, json={"until_ms": 1, **WHY})
        assert problem["code"] == "bad_end"  # type: ignore[index]


# ── the record ───────────────────────────────────────────────────────────────────────────────────


async def test_every_change_leaves_a_record_before_it_happens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = world()
    async with serving(made) as ask:
        with caplog.at_level(logging.WARNING):
            await ask(
                "POST",
                "/v1/admin/matches/m1/end",
                expect=204,
                headers={**BEARER, "X-Request-Id": "r-1"},
                json=WHY,
            )
            await ok(ask, "GET", "/nodes")
        [(_, record)] = made.audit.records
        assert (record.player, record.by, record.outcome) == ("sub-op", "olga", "asked")
        assert (record.call, record.subject) == ("POST /v1/admin/matches/{match}/end", "m1")
        assert (record.reason, record.request_id) == ("he asked", "r-1")
        assert record.given == '{"reason":"he asked"}'
        said = [one for one in caplog.records if one.message == "operator"]
        assert not any("he asked" in str(vars(one)) for one in said), "why is in the record alone"
        assert [one.call for one in said] == [  # type: ignore[attr-defined]
            "POST /v1/admin/matches/{match}/end",
            "GET /v1/admin/nodes",
        ]

        made.audit.failure = StoreUnavailable("down")
        problem = await ok(ask, "POST", "/matches/m1/end", 503, json=WHY)
        assert problem["code"] == "unavailable"  # type: ignore[index]
        assert len(made.operations.done) == 1, "what is not written down is not done"
        await ok(ask, "GET", "/nodes")


async def test_what_came_of_it_is_a_second_record() -> None:
    made = world()
    async with serving(made) as ask:
        await ok(ask, "POST", "/matches/m9/end", 404, json=WHY)
        await ok(ask, "DELETE", "/players/ann/ban?reason=why", 404)
        await ok(ask, "PUT", "/maintenance", json={"message": "Back at noon."})
        page = await ok(ask, "GET", "/audit")
        told = [(one["outcome"], one["subject"]) for one in page["records"]]  # type: ignore[index]
        assert told == [
            ("asked", ""),
            ("not_banned", "ann"),
            ("asked", "ann"),
            ("not_found", "m9"),
            ("asked", "m9"),
        ]
        first, second = page["records"][3:]  # type: ignore[index]
        assert first["request_id"] == second["request_id"]
        assert page["records"][1]["reason"] == "why"  # type: ignore[index]
        page = await ok(ask, "GET", "/audit?limit=2")
        page = await ok(ask, "GET", f"/audit?limit=2&cursor={page['next']}")  # type: ignore[index]
        told = [(one["outcome"], one["subject"]) for one in page["records"]]  # type: ignore[index]
        assert told == [("asked", "ann"), ("not_found", "m9")]


async def test_a_record_names_the_player_whom_it_concerns() -> None:
    made = world()
    async with serving(made) as ask:
        await ok(ask, "POST", "/matches/m1/end", 204, json=WHY)
        await ok(ask, "POST", "/matches/m1/kick", 204, json={"player": "ann", **WHY})
        for method, path in (("PUT", "ban"), ("POST", "kick")):
            await ok(ask, method, f"/players/ann/{path}", json=WHY)
        await ok(ask, "DELETE", "/players/ann/ban?reason=why", 204)
        await ok(ask, "DELETE", "/players/ann/sessions", 204)
        about = [record.about for _, record in made.audit.records]
        assert about == ["", "ann", "ann", "ann", "ann", "ann"]


async def test_what_is_refused_before_it_is_looked_at_leaves_none() -> None:
    made = world()
    async with serving(made) as ask:
        await ok(ask, "POST", "/matches/m1/end", 400, json={"reason": ""})
        await ok(ask, "PUT", "/players/ann/ban", 400, json={"reason": "x", "by": "me"})
        await ask("POST", "/v1/admin/matches/m1/end", expect=401, json=WHY)
    assert made.audit.records == made.operations.done == []
