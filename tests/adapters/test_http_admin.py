"""The operators' calls: who may, and what they may say."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from gameserver.errors import StoreUnavailable
from gameserver.maintenance import MESSAGE_CHARS_MAX
from tests.adapters.http_world import BEARER, Operators, serving
from tests.fakes.memory_maintenance import NOW_MS

PATH = "/v1/admin/maintenance"
ON = {"message": "Back at noon."}
CALLS = [("GET", {}), ("PUT", {"json": ON}), ("DELETE", {})]


@pytest.mark.parametrize(("method", "options"), CALLS)
async def test_without_a_good_token_nothing_is_told_or_done(
    method: str, options: dict[str, Any]
) -> None:
    world = Operators()
    async with serving(world) as ask:
        problem, headers = await ask(method, PATH, expect=401, **options)
        assert (problem["code"], headers["WWW-Authenticate"]) == ("token_missing", "Bearer")
        bad = {"Authorization": "Bearer bad"}
        problem, _ = await ask(method, PATH, expect=401, headers=bad, **options)
        assert problem["code"] == "expired"
    assert world.maintenance.current is None


@pytest.mark.parametrize(("method", "options"), CALLS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"groups": ()}, "not_an_operator"),
        ({"groups": ("admins", "gameserver-admins-not")}, "not_an_operator"),
        ({"token_use": "id"}, "access_token_needed"),
    ],
)
async def test_only_operators_may(
    method: str, options: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    world = Operators()
    world.identity = msgspec.structs.replace(world.identity, **change)
    async with serving(world) as ask:
        problem, _ = await ask(method, PATH, expect=403, headers=BEARER, **options)
        assert problem["code"] == code
    assert world.maintenance.current is None


async def test_the_group_is_a_setting() -> None:
    world = Operators()
    async with serving(world, admin_group="ops") as ask:
        problem, _ = await ask("GET", PATH, expect=403, headers=BEARER)
        assert "ops" in problem["detail"]
        world.identity = msgspec.structs.replace(world.identity, groups=("ops",))
        await ask("GET", PATH, headers=BEARER)


async def test_on_changed_and_off_again(caplog: pytest.LogCaptureFixture) -> None:
    world = Operators()
    async with serving(world) as ask:
        off, _ = await ask("GET", PATH, headers=BEARER)
        assert off == {"on": False}
        assert (await ask("GET", "/readyz"))[0] == {"status": "ready"}
        with caplog.at_level(logging.WARNING):
            on, _ = await ask("PUT", PATH, headers=BEARER, json=ON)
        told = {"message": "Back at noon.", "until_ms": None}
        assert on == {"on": True, "since_ms": NOW_MS, "by": "olga", **told}
        [record] = [one for one in caplog.records if one.message == "maintenance turned on"]
        assert record.player == "sub-op"  # type: ignore[attr-defined]
        ready, _ = await ask("GET", "/readyz")
        assert ready == {"status": "ready", "maintenance": told}, "for the load balancer it is"
        longer = {"message": "Back at one.", "until_ms": NOW_MS + 1}
        on, _ = await ask("PUT", PATH, headers=BEARER, json=longer)
        assert on == {"on": True, "since_ms": NOW_MS, "by": "olga", **longer}
        assert (await ask("GET", PATH, headers=BEARER))[0] == on
        world.reason = "draining"
        body, _ = await ask("GET", "/readyz", expect=503)
        assert body == {"status": "not_ready", "reason": "draining", "maintenance": longer}
        for _ in range(2):
            assert (await ask("DELETE", PATH, headers=BEARER))[0] == {"on": False}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": ""},
        {"message": "x" * (MESSAGE_CHARS_MAX + 1)},
        {"message": 5},
        {"message": "m", "until_ms": "noon"},
        {"message": "m", "until_ms": 1.5},
        {"message": "m", "until_ms": -1},
        {"message": "m", "until_ms": 10**15},
        {"message": "m", "by": "somebody else"},
        ["m"],
    ],
)
async def test_what_players_cannot_be_told_is_refused(body: Any) -> None:
    world = Operators()
    async with serving(world) as ask:
        problem, _ = await ask("PUT", PATH, expect=400, headers=BEARER, json=body)
        assert problem["code"] == "bad_body"
    assert world.maintenance.current is None


@pytest.mark.parametrize(
    "body",
    [
        {"message": " \t "},
        {"message": "two\nlines"},
        {"message": "\x07"},
        {"message": "m", "until_ms": NOW_MS},
    ],
)
async def test_what_no_schema_can_say_is_refused_too(body: Any) -> None:
    world = Operators()
    async with serving(world) as ask:
        problem, _ = await ask("PUT", PATH, expect=422, headers=BEARER, json=body)
        assert problem["code"] == "bad_notice"
    assert world.maintenance.current is None


@pytest.mark.parametrize("number", ["2000000000001.0", "2.000000000001e12"])
async def test_an_integer_may_be_written_with_a_point(number: str) -> None:
    world = Operators()
    async with serving(world) as ask:
        body = f'{{"message": "m", "until_ms": {number}}}'
        headers = BEARER | {"Content-Type": "application/json"}
        on, _ = await ask("PUT", PATH, headers=headers, data=body)
        assert on["until_ms"] == 2_000_000_000_001


async def test_a_message_of_the_greatest_length_is_taken() -> None:
    async with serving(Operators()) as ask:
        await ask("PUT", PATH, headers=BEARER, json={"message": "ü" * MESSAGE_CHARS_MAX})


async def test_what_is_not_written_down_is_not_on() -> None:
    world = Operators()
    world.maintenance.failure = StoreUnavailable("down")
    async with serving(world) as ask:
        problem, headers = await ask("PUT", PATH, expect=503, headers=BEARER, json=ON)
        assert problem["code"] == "unavailable" and "Retry-After" in headers
        assert (await ask("GET", PATH, headers=BEARER))[0] == {"on": False}


async def test_it_asks_for_json_and_knows_no_other_method() -> None:
    async with serving(Operators()) as ask:
        await ask("PUT", PATH, expect=415, headers=BEARER, data='{"message": "m"}')
        await ask("POST", PATH, expect=405, headers=BEARER, json=ON)
