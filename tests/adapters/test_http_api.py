"""What the HTTP API answers, over real sockets."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import trustme

from gameserver.adapters.http_endpoints import ENDPOINTS
from gameserver.adapters.http_routes import Nothing
from gameserver.errors import IdentityUnavailable, StoreUnavailable, TokenRefused
from tests.adapters.http_world import (
    BEARER,
    LONG_MS,
    PAGE,
    RIGHT,
    SECRET,
    Client,
    World,
    info,
    serving,
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def ask(world: World) -> AsyncIterator[Client]:
    async with serving(world) as client:
        yield client


# ── operations ───────────────────────────────────────────────────────────────────────────────────


async def test_alive_whatever_is_behind_is_not(ask: Client, world: World) -> None:
    world.failure, world.reason = StoreUnavailable("down"), "draining"
    body, _ = await ask("GET", "/healthz")
    assert body == {"status": "ok"}


async def test_ready_says_why_not(ask: Client, world: World) -> None:
    assert (await ask("GET", "/readyz"))[0] == {"status": "ready"}
    world.reason = "server_full"
    body, _ = await ask("GET", "/readyz", expect=503)
    assert body == {"status": "not_ready", "reason": "server_full"}


async def test_head_is_get_without_the_body(ask: Client) -> None:
    body, headers = await ask("HEAD", "/healthz")
    assert (body, headers["Content-Type"]) == (b"", "application/json")
    await ask("HEAD", "/v1/matches", expect=401)
    await ask("HEAD", "/v1/tickets", expect=405)


async def test_metrics_are_prometheus_text(ask: Client, world: World) -> None:
    world.metrics.ticks += 7
    body, headers = await ask("GET", "/metrics")
    assert b"gameserver_ticks_total 7.0" in body
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_a_request_id_is_kept_if_it_is_harmless(ask: Client) -> None:
    _, headers = await ask("GET", "/healthz", headers={"X-Request-Id": "abc-1"})
    assert headers["X-Request-Id"] == "abc-1"
    _, headers = await ask("GET", "/healthz", headers={"X-Request-Id": "<script>"})
    assert headers["X-Request-Id"] != "<script>"


# ── log-in ───────────────────────────────────────────────────────────────────────────────────────


async def test_log_in_and_refresh(ask: Client) -> None:
    tokens, headers = await ask("POST", "/v1/auth/login", json=RIGHT)
    assert tokens == {
        "access_token": "a",
        "id_token": "i",
        "refresh_token": "r",
        "expires_in": 3600,
    }
    assert headers["Cache-Control"] == "no-store"
    tokens, _ = await ask("POST", "/v1/auth/refresh", json={"refresh_token": "r"})
    assert (tokens["access_token"], tokens["refresh_token"]) == ("a2", "r")


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"json": {"username": "ann", "password": "no"}}, 401, "wrong_credentials"),
        ({"json": {"username": "ann"}}, 400, "bad_body"),
        ({"json": {"username": "", "password": "x"}}, 400, "bad_body"),
        ({"json": {"username": "a" * 129, "password": "x"}}, 400, "bad_body"),
        ({"json": {**RIGHT, "more": 1}}, 400, "bad_body"),
        ({"json": [1]}, 400, "bad_body"),
        ({"data": b"\xff", "headers": {"Content-Type": "application/json"}}, 400, "bad_body"),
        ({"data": b"[" * 9000, "headers": {"Content-Type": "application/json"}}, 400, "bad_body"),
        ({"data": b"username=ann"}, 415, "bad_content_type"),
        ({"json": {"username": "ann", "password": "x" * 20_000}}, 413, "body_too_big"),
    ],
)
async def test_a_log_in_is_refused(
    ask: Client, options: dict[str, Any], status: int, code: str
) -> None:
    problem, _ = await ask("POST", "/v1/auth/login", expect=status, **options)
    assert problem["code"] == code


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (IdentityUnavailable("down"), 503, "unavailable"),
        (TokenRefused("user_not_confirmed", "Confirm first.", status=403), 403, None),
        (RuntimeError("a defect"), 500, "internal"),
    ],
)
async def test_failures_behind_become_problems(
    ask: Client, world: World, failure: Exception, status: int, code: str | None
) -> None:
    world.failure = failure
    problem, headers = await ask("POST", "/v1/auth/login", expect=status, json=RIGHT)
    assert problem["code"] == (code or "user_not_confirmed")
    assert "a defect" not in json.dumps(problem)
    assert ("Retry-After" in headers) == (status == 503)


async def test_a_slow_request_ends(world: World) -> None:
    world.delay_s = 60
    async with serving(world, http_timeout_ms=100) as ask:
        problem, _ = await ask("POST", "/v1/auth/login", expect=503, json=RIGHT)
        assert problem["code"] == "timeout"


async def test_attempts_are_limited_per_address(world: World) -> None:
    async with serving(world, auth_per_minute=2, proxies_trusted=1) as ask:

        async def attempt(address: str, expect: int) -> Any:
            headers = {"X-Forwarded-For": f"1.1.1.1, {address}"}
            return await ask("POST", "/v1/auth/login", expect=expect, json=RIGHT, headers=headers)

        await attempt("10.0.0.1", 200)
        await attempt("10.0.0.1", 200)
        problem, headers = await attempt("10.0.0.1", 429)
        assert problem["code"] == "too_many_requests"
        assert 1 <= int(headers["Retry-After"]) <= 30
        await attempt("10.0.0.2", 200)


async def test_secrets_stay_out_of_the_log(
    ask: Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await ask("POST", "/v1/auth/login", json=RIGHT)
    await ask("POST", "/v1/auth/refresh", json={"refresh_token": SECRET})
    await ask("POST", "/v1/tickets", expect=401, headers={"Authorization": f"Bearer {SECRET}"})
    await ask("POST", "/v1/auth/login", expect=400, json={"username": 1, "password": SECRET})
    world.failure = RuntimeError("a defect")
    await ask("POST", "/v1/auth/login", expect=500, json=RIGHT)
    assert any(record.name.startswith("gameserver") for record in caplog.records)
    for record in caplog.records:
        assert SECRET not in record.getMessage() + repr(vars(record))


# ── with a token ─────────────────────────────────────────────────────────────────────────────────


async def test_a_ticket(ask: Client) -> None:
    body, _ = await ask("POST", "/v1/tickets", expect=201, headers=BEARER)
    assert body["ticket"] == "ticket-of-ann"
    assert 0 < body["expires_ms"] < LONG_MS


@pytest.mark.parametrize("path", ["/v1/tickets", "/v1/matches"])
@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "token_missing"),
        ("Basic abc", "token_missing"),
        ("Bearer ", "token_missing"),
        ("Bearer old", "expired"),
    ],
)
async def test_a_token_is_needed(ask: Client, path: str, header: str | None, code: str) -> None:
    method = "POST" if path == "/v1/tickets" else "GET"
    headers = {"Authorization": header} if header else {}
    problem, got = await ask(method, path, expect=401, headers=headers)
    assert problem["code"] == code
    assert got["WWW-Authenticate"].startswith("Bearer")


async def test_a_store_that_is_away(ask: Client, world: World) -> None:
    world.failure = StoreUnavailable("down")
    problem, headers = await ask("POST", "/v1/tickets", expect=503, headers=BEARER)
    assert problem["code"] == "unavailable"
    assert headers["Retry-After"] == "2"


async def test_matches_are_filtered_and_bounded(ask: Client, world: World) -> None:
    world.running = [
        info(f"m{i}", mode="crowd" if i % 3 else "standard", created_ms=9 - i) for i in range(9)
    ]
    body, _ = await ask("GET", "/v1/matches?game=arena&mode=standard", headers=BEARER)
    assert [match["id"] for match in body["matches"]] == ["m0", "m3", "m6"]
    told = msgspec.to_builtins(msgspec.structs.asdict(world.running[0]))
    del told["node"]
    assert body["matches"][0] == told
    body, _ = await ask("GET", "/v1/matches?limit=2", headers=BEARER)
    assert (len(body["matches"]), body["total"]) == (2, 9)
    for query, status, code in [
        ("limit=0", 400, "bad_query"),
        ("limit=501", 400, "bad_query"),
        ("limit=%C2%B2", 400, "bad_query"),
        ("game=chess", 404, "unknown_game"),
    ]:
        problem, _ = await ask("GET", f"/v1/matches?{query}", expect=status, headers=BEARER)
        assert problem["code"] == code


async def test_games_and_their_modes(ask: Client) -> None:
    body, _ = await ask("GET", "/v1/games")
    (arena,) = body["games"]
    assert (arena["name"], arena["tick_rate"]) == ("arena", 20)
    assert [mode["name"] for mode in arena["modes"]][:3] == ["standard", "duel", "crowd"]
    assert arena["modes"][2]["players_max"] == 64
    pauses = {mode["name"]: mode["pauses"] for mode in arena["modes"]}
    assert (pauses["practice"], pauses["duel"]) == (3, 0)


async def test_the_schema_of_a_game(ask: Client) -> None:
    shown, _ = await ask("GET", "/v1/games/arena/schema")
    assert (shown["name"], shown["tick_rate"], shown["hidden"]) == ("arena", 20, False)
    assert shown["modes"][2]["name"] == "crowd"
    move = shown["$defs"][shown["input"]["$ref"].rpartition("/")[2]]
    assert [item["title"] for item in move["prefixItems"]] == ["dx", "dy", "aim", "fire"]
    assert set(shown["events"]) == {"kill", "lead"}
    assert shown["result"] and shown["view"]
    refused, _ = await ask("GET", "/v1/games/chess/schema", expect=404)
    assert refused["code"] == "unknown_game"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/auth/login", 405, "method_not_allowed"),
    ],
)
async def test_wrong_paths_are_problems_too(
    ask: Client, method: str, path: str, status: int, code: str
) -> None:
    problem, headers = await ask(method, path, expect=status)
    assert problem["code"] == code
    assert (headers.get("Allow") == "POST") == (status == 405)


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_page_of_an_allowed_origin_may_read_every_answer(ask: Client) -> None:
    preflight = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    _, headers = await ask("OPTIONS", "/v1/auth/login", expect=204, headers=preflight)
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert "content-type" in headers["Access-Control-Allow-Headers"]
    assert "POST" in headers["Access-Control-Allow-Methods"]
    wrong = {"username": "ann", "password": "no"}
    for body, status in [(RIGHT, 200), (wrong, 401)]:
        _, headers = await ask(
            "POST", "/v1/auth/login", expect=status, json=body, headers={"Origin": PAGE}
        )
        assert headers["Access-Control-Allow-Origin"] == PAGE
        assert headers["Vary"] == "Origin"


async def test_a_page_may_make_every_call_that_is_declared(ask: Client) -> None:
    for endpoint in ENDPOINTS:
        headers = {"Origin": PAGE, "Access-Control-Request-Method": endpoint.method}
        path = endpoint.path.replace("{", "").replace("}", "")
        _, got = await ask("OPTIONS", path, expect=204, headers=headers)
        assert endpoint.method in got["Access-Control-Allow-Methods"].split(", "), str(endpoint)
        sent = {"authorization", *(header.name.lower() for header in endpoint.takes)}
        sent |= {"content-type"} if endpoint.body is not Nothing else set()
        sent |= {"idempotency-key"} if endpoint.idempotent else set()
        assert sent <= set(got["Access-Control-Allow-Headers"].split(", ")), str(endpoint)
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} == {each.method for each in ENDPOINTS}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", PAGE + ".evil.example"])
async def test_a_page_of_another_origin_is_refused(ask: Client, origin: str) -> None:
    for method, extra in [("POST", {}), ("OPTIONS", {"Access-Control-Request-Method": "POST"})]:
        headers = {"Origin": origin, "Content-Type": "application/json", **extra}
        problem, got = await ask(method, "/v1/auth/login", expect=403, headers=headers)
        assert problem["code"] == "origin_not_allowed"
        assert "Access-Control-Allow-Origin" not in got


async def test_tls(world: World, tmp_path: Any) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with serving(world, tls_cert_file=str(cert), tls_key_file=str(key)) as ask:
        ask.ssl = context
        assert (await ask("GET", "/healthz"))[0] == {"status": "ok"}
