"""Declarations that contradict themselves, and what the checks of a good one let through."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from gameserver.adapters import http_problem
from gameserver.adapters.http_openapi import document
from gameserver.adapters.http_problem import Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Header, Rate, Reply
from gameserver.adapters.http_services import Services
from tests.adapters.http_declared import Done, declared
from tests.adapters.http_world import BEARER, PAGE, World, serving


class Lax(msgspec.Struct):
    """Takes any field."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A path parameter and two of the query."""

    thing_id: Annotated[str, Meta(pattern=r"^[a-z]{1,8}\Z")]
    limit: Annotated[int, Meta(ge=1, le=9)] = 5
    sort: str = ""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body."""

    word: str


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "HEAD"},
        {"path": "v1/new"},
        {"path": "/v1/new/{new_id}"},
        {"params": Lax},
        {"method": "POST", "body": Lax},
        {"body": Body},
        {"caller": Caller.PUBLIC, "idempotent": True},
        {"caller": Caller.OPERATOR, "id_token": True},
        {"problems": (http_problem.BAD_QUERY,)},
        {"problems": (Kind("twice", 409, "."), Kind("twice", 400, "."))},
    ],
    ids=str,
)
def test_a_declaration_that_contradicts_itself(changes: dict[str, Any]) -> None:
    declared()
    with pytest.raises(ValueError):
        declared(**changes)


def test_one_path_has_a_method_once() -> None:
    document([declared(), declared(method="POST")])
    with pytest.raises(ValueError):
        document([declared(), declared()])


async def echo(services: Services, call: Call[Asked, Body]) -> Reply:
    if call.body.word == "missing":
        raise Problem(http_problem.NOT_FOUND, "Not there.")
    if call.body.word == "undeclared":
        raise Problem(http_problem.BAD_CURSOR)
    asked = call.params
    said = f"{call.player.name} {asked.thing_id} {asked.limit} {call.headers} {call.body.word}"
    return Reply(value=Done(of=said), status=201, headers={"ETag": '"1"'})


ECHO = declared(
    method="PUT",
    path="/v1/things/{thing_id}",
    rate=Rate.WRITE,
    handler=echo,
    params=Asked,
    body=Body,
    answers={200: Done, 201: Done},
    takes=(Header(name="If-Match", meaning="Which version.", pattern=r'^"[0-9]+"\Z'),),
    gives=(Header(name="ETag", meaning="The version."),),
)


def at(path: str = "a", word: str = "w", **headers: str) -> dict[str, Any]:
    return {"path": f"/v1/things/{path}", "json": {"word": word}, "headers": BEARER | headers}


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (at(), 201, "Ann a 5 {} w"),
        (at("abc?limit=7"), 201, "Ann abc 7 {} w"),
        (at(**{"if-match": '"12"'}), 201, "Ann a 5 {'If-Match': '\"12\"'} w"),
        (at(**{"If-Match": "12"}), 400, "bad_header"),
        (at("ABC"), 404, "not_found"),
        (at("a?limit=10"), 400, "bad_query"),
        (at("a?limit=1&limit=2"), 400, "bad_query"),
        (at("a?thing_id=b"), 400, "bad_query"),
        (at("a?other=1"), 400, "bad_query"),
        (at("a", "missing"), 404, "not_found"),
    ],
)
async def test_what_a_handler_gets(options: dict[str, Any], status: int, said: str) -> None:
    async with serving(World(), endpoints=[ECHO]) as ask:
        path = options.pop("path")
        body, headers = await ask("PUT", path, expect=status, **options)
        assert body.get("of", body.get("code")) == said
        assert ("ETag" in headers) == (status == 201)


async def test_a_problem_that_is_not_declared_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(World(), endpoints=[ECHO]) as ask:
        problem, _ = await ask("PUT", expect=422, **at("a", "undeclared"))
        assert problem["code"] == "bad_cursor"
    assert "an endpoint gives a problem that it does not declare" in caplog.messages


async def test_an_answer_that_is_not_declared_is_a_defect() -> None:
    async with serving(World(), endpoints=[declared(answers={200: Body})]) as ask:
        problem, _ = await ask("GET", "/v1/new", expect=500, headers=BEARER)
        assert problem["code"] == "internal"


async def test_pages_may_use_what_is_declared() -> None:
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
    ways = [ECHO, declared(method="DELETE"), declared(method="POST", idempotent=True)]
    async with serving(World(), endpoints=ways) as ask:
        _, headers = await ask("OPTIONS", "/v1/new", expect=204, headers=preflight)
        assert headers["Access-Control-Allow-Methods"] == "DELETE, POST, PUT"
        for name in ("authorization", "content-type", "if-match", "idempotency-key"):
            assert name in headers["Access-Control-Allow-Headers"].split(", ")
        _, headers = await ask("GET", "/v1/new", expect=405, headers={"Origin": PAGE})
        assert "etag" in headers["Access-Control-Expose-Headers"].split(", ")
