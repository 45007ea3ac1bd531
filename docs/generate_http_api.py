"""Write docs/http-api.md from the endpoints: `python -m docs.generate_http_api`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import msgspec

from gameserver.adapters.http_endpoints import ENDPOINTS
from gameserver.adapters.http_openapi import all_kinds
from gameserver.adapters.http_routes import Endpoint, Text

PAGE = Path(__file__).parent / "http-api.md"

HEAD = """# The HTTP API

`GET /v1/openapi.json` of a running server, and `python -m gameserver openapi > openapi.json`
without one, give the OpenAPI 3.1 document: every call with its parameters, bodies, answers and
problems. It is made from the declarations that the server routes and checks by, so it cannot differ
from what is served; the tests send good and bad requests made from it (schemathesis). The tables
below are made from the same declarations.

The API has a port of its own (`GAMESERVER_HTTP_PORT`). Everything under `/v1` is meant to stand
behind a load balancer or Amazon API Gateway; `/healthz`, `/readyz` and `/metrics` are for probes
inside the network.

## Who may call

`Authorization: Bearer <token>` with a token of the user pool. A call asks for an access token
unless the table says that an ID token will do. *Operators* are the members of the Cognito group
`GAMESERVER_ADMIN_GROUP`. Browsers need their page's origin in `GAMESERVER_ORIGINS`; pages of other
origins are refused with 403, and a preflight is told the methods and headers that exist.

## Accounts

Sign-up, log-in and all the rest go through the Amazon Cognito user pool, by calls that need no AWS
credentials. The app client (the first of `GAMESERVER_COGNITO_CLIENT_IDS`) is a public one without a
secret, with `ALLOW_USER_PASSWORD_AUTH` and `ALLOW_REFRESH_TOKEN_AUTH`, `EnableTokenRevocation` and
`PreventUserExistenceErrors`; the pool verifies addresses by e-mail. Challenges (MFA, a forced new
password) are refused with `challenge_required`: they belong to the pool's own pages.

Nobody learns here who has an account. Sign-up, resend and forgot-password are 202 for everybody;
all that can be wrong with a code is `wrong_code`; a wrong name and a wrong password are
`wrong_credentials`. Such answers, and failed log-ins, come no sooner than
`GAMESERVER_AUTH_ANSWER_MS` after the request, which has to be above the usual time of Cognito's
answers: what takes longer than that is not hidden. With `GAMESERVER_SIGNUP_TELLS_TAKEN_NAMES` a
taken name is `name_taken`: for games whose names are public anyway. What Cognito itself tells apart
stays: `password_reset_required`, where an administrator asked for it.

## Ending sessions

| call | ends |
|---|---|
| `POST /v1/auth/logout` | this log-in; with `refresh_token`, at Cognito too |
| `POST /v1/auth/logout-everywhere` | all of the player, at Cognito too |
| `DELETE /v1/admin/players/{player_id}/sessions` | all sessions of a player, by an operator |

From then on every node refuses the tokens, by `revoked`: in the API, at the WebSocket, and in
`Refresh`. Open sockets are closed with 4002 and the reason, on all nodes, as soon as they hear of
it: one message through Redis. Sessions are told apart by `origin_jti` and `auth_time`, which
refreshing does not change, so an operator's word holds without Cognito's help: for
`GAMESERVER_REVOCATION_DAYS`, which must be no less than the life of the app client's refresh
tokens. `auth_time` has whole seconds: a log-in in the very second of logout-everywhere is taken for
an earlier one. While Redis is away nodes keep what they know, a new revocation is 503, and a node
does not start.

## Problems

Every answer from 400 up is `application/problem+json` (RFC 9457): `{type, title, status, code,
detail, request_id}`; only `/readyz` answers 503 with its own body. Programs look at `code`, which
stays; `detail` is for people. `request_id` is also in `X-Request-Id` and in the server's log; a
client may send its own (`[A-Za-z0-9._-]{1,64}`). 401 carries `WWW-Authenticate`, 405 `Allow`, 429
and 503 `Retry-After`.

## Limits

Each call belongs to a class (column *rate*): `auth`, `mail`, `read`, `write` or `operate`, with a
limit for each address and one for each player, per minute
([configuration](configuration.md#http-api)). IPv6 counts by /64; behind load balancers set
`GAMESERVER_PROXIES_TRUSTED`, or all callers share one address. Where `X-Forwarded-For` does not
get through (API Gateway), what is in front may name the caller in a header of its own, which it
must set always: `GAMESERVER_HTTP_ADDRESS_HEADER`. Answers say what is left, as
draft-ietf-httpapi-ratelimit-headers-10 has it: `RateLimit-Policy: "read";q=600;w=60` (quota, window
in seconds) and `RateLimit: "read";r=599;t=1` (remaining, seconds until all of it is there). Over
it: 429. The counts are a node's own.

## Idempotency-Key

Calls that create something take `Idempotency-Key: "<1 to 64 letters, digits or . _ : ->"` (a UUID,
say), as draft-ietf-httpapi-idempotency-key-header-07 has it; the quotes may be left out. Keys are a
player's own for each call. The same request again gets the same answer, with `Idempotency-Replayed:
true`, for `GAMESERVER_IDEMPOTENCY_TTL_MS`; another request with the key is 422; while the first is
under way, 409 with `Retry-After`. Only successes are kept: what failed is tried again. After 503
the outcome is unknown, and so it is with a second try. Without Redis a call with a key is refused
with 503 and nothing is done.

## Matches, history and operators

[lobby.md](lobby.md): lists over all nodes, creating matches, private ones, history, leaderboards,
what operators may do and what is recorded of it; [console.md](console.md): figures, dead letters,
draining. A call that another node has to carry out and that
does not answer in time is 504 `node_silent`: it may have been done.

## Lists

`limit` (1 to 500, usually 100) and `cursor`, which is the `next` of the page before; `next` is null
on the last one. A cursor names the place where the page begins, so what comes and goes meanwhile
hides nothing else.

## Speed

At 500 requests a second on one core each of the measured calls (lists of 2,000 matches, one
match, a leaderboard, one's own profile) has a p99 of 1.4 to 1.8 ms, a bare aiohttp handler with
the same bytes 1.1 to 1.3, for 0.35 to 0.41 ms of CPU each, 2.7 to 3.2 times the bare handler's:
the token's signature and the list are most of it
([bench/results/http.md](../bench/results/http.md), `python -m bench.http`).

## Adding an endpoint

In the module of its resource (`gameserver/adapters/http_….py`) declare an `Endpoint`: method, path,
who may call, rate, the Structs of parameters, body and answers, the problems it can give, and its
handler; a new module's `ENDPOINTS` are named in `http_endpoints.py`. What the handler needs is a
field of `Services`. The tests then already refuse it every kind of bad token and send it whatever
the declaration allows and forbids. Run `python -m docs.generate_http_api` for this page.
"""


def render() -> str:
    """The page."""
    lines = [HEAD, "## Endpoints"]
    for tag, endpoints in groupby(ENDPOINTS, key=lambda each: each.tag):
        lines += [
            f"\n### {tag.capitalize()}\n",
            "| call | who | rate | sends | answers |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(each) for each in endpoints]
    lines += ["\n## Codes\n", "| status | code | meaning |", "|---|---|---|"]
    lines += [
        f"| {kind.status} | `{kind.code}` | {kind.meaning} |" for kind in all_kinds(ENDPOINTS)
    ]
    return "\n".join(lines) + "\n"


def _row(endpoint: Endpoint) -> str:
    fields = [f"`{one.name}`" for one in msgspec.structs.fields(endpoint.body)]
    query = [
        f"`?{one.name}`"
        for one in msgspec.structs.fields(endpoint.params)
        if one.name not in endpoint.in_path
    ]
    key = ["`Idempotency-Key`"] if endpoint.idempotent else []
    sends = ", ".join([*query, *fields, *(f"`{one.name}`" for one in endpoint.takes), *key])
    answers = ", ".join(
        f"{status} {carries.content_type.partition(';')[0]}"
        if isinstance(carries, Text)
        else f"{status} {'' if carries is None else _fields(carries)}".strip()
        for status, carries in endpoint.answers.items()
    )
    who = endpoint.caller.value + (" (ID token too)" if endpoint.id_token else "")
    return (
        f"| `{endpoint}`<br>{endpoint.summary} | {who} | {endpoint.rate.value} "
        f"| {sends or '–'} | {answers} |"
    )


def _fields(struct: type[msgspec.Struct]) -> str:
    return "{" + ", ".join(f"`{one.encode_name}`" for one in msgspec.structs.fields(struct)) + "}"


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE.name}")
