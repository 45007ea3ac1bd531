"""Every endpoint of the OpenAPI document refuses every kind of bad token.

The table is made of the document, and the document is compared with the router: an endpoint that is
added is in it from its first moment, and one that is open has to be named here.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any, get_type_hints

import aiohttp
import pytest

from gameserver.adapters.cognito import CognitoVerifier
from gameserver.adapters.http_api import HttpApi
from gameserver.adapters.http_endpoints import ENDPOINTS, openapi
from gameserver.adapters.http_routes import Call, Endpoint
from gameserver.adapters.http_services import Services
from gameserver.adapters.jwks import JwksCache
from gameserver.cluster.revocations import GuardedVerifier
from gameserver.ids import PlayerId
from gameserver.revocation import Revocation
from tests.adapters.http_declared import declared
from tests.adapters.http_world import Client, World, services_of, serving
from tests.adapters.jwks_server import JwksServer, jwk
from tests.adapters.test_cognito import ACCESS, CLIENT, ID, ISSUER, OURS, THEIRS, SetClock, signed

GROUP = "gameserver-admins"
OPERATOR = ACCESS | {"cognito:groups": [GROUP]}
REVOKED = "a session that was ended"

# Everything that may be called without a token; what is not named here asks for one.
OPEN = {
    "POST /v1/auth/login",
    "POST /v1/auth/refresh",
    "POST /v1/auth/sign-up",
    "POST /v1/auth/confirm",
    "POST /v1/auth/resend",
    "POST /v1/auth/forgot-password",
    "POST /v1/auth/reset-password",
    "GET /v1/games",
    "GET /v1/games/{game}/schema",
    "GET /v1/openapi.json",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}

# What is wrong → the Authorization header, the status and the code.
BAD: dict[str, tuple[str | None, int, str]] = {
    "missing": (None, 401, "token_missing"),
    "another scheme": (f"Basic {signed(OPERATOR)}", 401, "token_missing"),
    "empty": ("Bearer ", 401, "token_missing"),
    "malformed": ("Bearer a.b.c", 401, "malformed"),
    "no JWT": ("Bearer \u00e4", 401, "malformed"),
    "signed by others": (f"Bearer {signed(OPERATOR, key=THEIRS)}", 401, "bad_signature"),
    "foreign issuer": (f"Bearer {signed(OPERATOR | {'iss': ISSUER + '2'})}", 401, "wrong_issuer"),
    "wrong client": (f"Bearer {signed(OPERATOR | {'client_id': 'x'})}", 401, "wrong_client"),
    "expired": (f"Bearer {signed(OPERATOR | {'exp': 1})}", 401, "expired"),
    "revoked": (f"Bearer {signed(OPERATOR | {'origin_jti': REVOKED})}", 401, "revoked"),
}
ID_TOKEN = f"Bearer {signed(ID | {'cognito:groups': [GROUP]})}"
NO_OPERATOR = f"Bearer {signed(ACCESS | {'cognito:groups': ['players']})}"

DOCUMENT: dict[str, Any] = json.loads(openapi())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
CLOSED = {name: each for name, each in OPERATIONS.items() if each["security"]}
TABLE = [(name, what, *BAD[what]) for name in CLOSED for what in BAD]
TABLE += [
    (name, "ID token", ID_TOKEN, 403, "access_token_needed")
    for name, each in CLOSED.items()
    if not each["x-id-token"]
]
TABLE += [
    (name, "under-privileged", NO_OPERATOR, 403, "not_an_operator")
    for name, each in CLOSED.items()
    if each["x-caller"] == "operator"
]


@pytest.fixture
async def ask() -> AsyncIterator[Client]:
    """The API with the true verifier."""
    keys = JwksServer()
    keys.keys = [jwk(OURS, "k1")]
    await keys.start()
    world = World()
    async with aiohttp.ClientSession() as http:
        cache = JwksCache(
            keys.url, http=http, cooldown_ms=1, max_age_ms=60_000, metrics=world.metrics
        )
        world.revocations.added.append(Revocation(PlayerId(ACCESS["sub"]), REVOKED, 0, "ended"))
        world.verifier = GuardedVerifier(
            CognitoVerifier(
                cache,
                issuer=ISSUER,
                client_ids=[CLIENT],
                clock=SetClock(),
                leeway_ms=5_000,
                metrics=world.metrics,
            ),
            world.revocations,
        )
        async with serving(world) as client:
            yield client
        await cache.close()
    await keys.close()


@pytest.fixture
def services() -> Services:
    return services_of(World())


async def test_every_endpoint_refuses_every_bad_token(ask: Client) -> None:
    wrong = []
    for name, what, header, status, code in TABLE:
        method, path = name.split()
        problem, got = await ask(
            method,
            re.sub(r"\{[a-z_]+\}", "x", path),
            expect=status,
            headers={} if header is None else {"Authorization": header},
        )
        if problem["code"] != code:
            wrong.append((name, what, problem["code"]))
        assert ("WWW-Authenticate" in got) == (status == 401), name
        told = OPERATIONS[name]["responses"][str(status)]["content"]
        _, schema = told["application/problem+json"]["schema"]["allOf"]
        assert code in schema["properties"]["code"]["enum"], f"{name} does not tell of {code}"
    assert not wrong
    assert len(TABLE) >= 10 * len(CLOSED) > 0


async def test_a_good_token_is_let_in(ask: Client) -> None:
    """Else the table would pass where everything is refused."""
    for number, (name, operation) in enumerate(CLOSED.items()):
        claims = ID if operation["x-id-token"] else OPERATOR
        # Another player each, because some of these calls sign theirs out.
        header = f"Bearer {signed(claims, sub=f'player-{number}')}"
        method, path = name.split()
        path = re.sub(r"\{[a-z_]+\}", "x", path)
        headers = {"Authorization": header}
        async with ask.session.request(method, ask.url + path, headers=headers) as answer:
            assert answer.status not in (401, 403, 405), name


def test_what_is_open_is_named() -> None:
    assert {name for name, each in OPERATIONS.items() if not each["security"]} == OPEN


def routes(api: HttpApi) -> set[str]:
    """What is served, but for HEAD, which goes with every GET."""
    served = {
        f"{route.method} {route.resource.canonical}"
        for route in api.application().router.routes()
        if route.resource is not None
    }
    heads = {each for each in served if each.startswith("HEAD ")}
    assert {each.replace("HEAD", "GET", 1) for each in heads} <= served
    return served - heads


def test_the_router_and_the_document_know_the_same(services: Services) -> None:
    assert routes(HttpApi(services)) == set(OPERATIONS)


def test_that_comparison_can_fail(services: Services) -> None:
    assert routes(HttpApi(services, endpoints=(*ENDPOINTS, declared()))) != set(OPERATIONS)
    assert routes(HttpApi(services, endpoints=ENDPOINTS[1:])) != set(OPERATIONS)


@pytest.mark.parametrize("each", ENDPOINTS, ids=str)
def test_a_handler_takes_what_its_endpoint_declares(each: Endpoint) -> None:
    assert get_type_hints(each.handler)["call"] == Call[each.params, each.body]  # type: ignore[name-defined]
