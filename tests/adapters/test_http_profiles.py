"""Profiles over HTTP: read, changed by version, refused as problems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gameserver.adapters.identity_sealer import IdentitySealer
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.players.profiles import Profiles
from tests.adapters.http_world import BEARER, PAGE, Client, World, serving
from tests.fakes.clock import EPOCH_MS, SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.fakes.memory_tables import MemoryProfiles


class Wall:
    def wall_ms(self) -> int:
        return EPOCH_MS


def desk(store: MemoryProfiles) -> Profiles:
    cache = SharedCache(
        MemoryCacheHub().store(), Config(), entropy=SeededEntropy(1), metrics=Metrics()
    )
    return Profiles(store, cache, IdentitySealer(), clock=Wall(), ttl_ms=60_000)


@pytest.fixture
def store() -> MemoryProfiles:
    return MemoryProfiles()


@pytest.fixture
async def ask(store: MemoryProfiles) -> AsyncIterator[Client]:
    async with serving(World(profiles=desk(store))) as client:
        yield client


MUCH = {f"s{number}": "x" * 1_000 for number in range(5)}


def of(version: int) -> dict[str, str]:
    return {**BEARER, "If-Match": f'"{version}"'}


async def test_the_own_profile_is_made_and_changed(ask: Client) -> None:
    profile, headers = await ask("GET", "/v1/profile", headers=BEARER)
    assert profile == {
        "player_id": "ann",
        "display_name": "Ann",
        "email": None,
        "avatar": "",
        "settings": {},
        "version": 1,
        "created_ms": EPOCH_MS,
        "updated_ms": EPOCH_MS,
    }
    assert headers["ETag"] == '"1"'
    change = {"display_name": "Änne", "email": "a@b.example", "settings": {"sound": 0.5}}
    changed, headers = await ask("PATCH", "/v1/profile", headers=of(1), json=change)
    assert changed == {**profile, **change, "version": 2}
    assert headers["ETag"] == '"2"'
    assert (await ask("GET", "/v1/profile", headers=BEARER))[0] == changed


async def test_others_see_the_public_part(ask: Client) -> None:
    await ask("PATCH", "/v1/profile", headers=of(1), json={"email": "a@b.example", "avatar": "fox"})
    shown, headers = await ask("GET", "/v1/profiles/ann", headers=BEARER)
    assert shown == {"player_id": "ann", "display_name": "Ann", "avatar": "fox"}
    assert "ETag" not in headers
    for player, code in (("bob", "unknown_player"), ("x" * 129, "not_found")):
        problem, _ = await ask("GET", f"/v1/profiles/{player}", headers=BEARER, expect=404)
        assert problem["code"] == code


async def test_a_change_of_an_older_version_is_told_the_newer_one(ask: Client) -> None:
    await ask("PATCH", "/v1/profile", headers=of(1), json={"avatar": "fox"})
    for version in (1, 3):
        problem, headers = await ask(
            "PATCH", "/v1/profile", headers=of(version), json={"avatar": "owl"}, expect=412
        )
        assert problem["code"] == "version_conflict"
        assert headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("headers", "options", "status", "code"),
    [
        ({}, {"json": {}}, 400, "bad_header"),
        ({"If-Match": "1"}, {"json": {}}, 400, "bad_header"),
        ({"If-Match": "*"}, {"json": {}}, 400, "bad_header"),
        ({"If-Match": 'W/"1"'}, {"json": {}}, 400, "bad_header"),
        ({"If-Match": '"1"'}, {"data": b"{}"}, 415, "bad_content_type"),
        ({"If-Match": '"1"'}, {"json": {"version": 7}}, 400, "bad_body"),
        ({"If-Match": '"1"'}, {"json": {"display_name": "a\u202eb"}}, 422, "bad_profile"),
        ({"If-Match": '"1"'}, {"json": {"display_name": "x" * 33}}, 400, "bad_body"),
        ({"If-Match": '"1"'}, {"json": {"settings": MUCH}}, 422, "bad_profile"),
    ],
)
async def test_a_bad_change_is_refused(
    ask: Client, headers: dict[str, str], options: dict[str, Any], status: int, code: str
) -> None:
    given = {**BEARER, **headers}
    problem, _ = await ask("PATCH", "/v1/profile", headers=given, expect=status, **options)
    assert problem["code"] == code


async def test_each_call_asks_for_a_token(ask: Client) -> None:
    for method, path in (
        ("GET", "/v1/profile"),
        ("PATCH", "/v1/profile"),
        ("GET", "/v1/profiles/ann"),
    ):
        problem, _ = await ask(method, path, expect=401)
        assert problem["code"] == "token_missing"
        wrong = {"Authorization": "Bearer bad"}
        assert (await ask(method, path, expect=401, headers=wrong))[0]["code"] == "expired"


async def test_a_table_that_does_not_answer_is_503(ask: Client, store: MemoryProfiles) -> None:
    store.down = True
    for method, path in (("GET", "/v1/profile"), ("GET", "/v1/profiles/ann")):
        problem, headers = await ask(method, path, headers=BEARER, expect=503)
        assert problem["code"] == "unavailable" and "Retry-After" in headers


async def test_without_a_table_there_are_none() -> None:
    async with serving(World()) as ask:
        problem, _ = await ask("GET", "/v1/profile", headers=BEARER, expect=404)
        assert problem["code"] == "no_profiles"


async def test_a_page_may_send_a_version_and_read_it(ask: Client) -> None:
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "PATCH"}
    _, headers = await ask("OPTIONS", "/v1/profile", headers=preflight, expect=204)
    assert "PATCH" in headers["Access-Control-Allow-Methods"]
    assert "if-match" in headers["Access-Control-Allow-Headers"]
    _, headers = await ask("GET", "/v1/profile", headers={**BEARER, "Origin": PAGE})
    assert "etag" in headers["Access-Control-Expose-Headers"]
