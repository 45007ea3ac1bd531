"""What goes wrong over HTTP, as RFC 9457 has it: ``application/problem+json`` with a stable code.

Every code is a ``Kind``: an endpoint declares the ones it can give, so that the OpenAPI document
lists them. What many endpoints share stands here, the rest beside the endpoint.
"""

from __future__ import annotations

import http
import math
from collections.abc import Mapping

import msgspec

CONTENT_TYPE = "application/problem+json"


class Kind(msgspec.Struct, frozen=True):
    """One way to fail. ``code``: a stable word for programs; ``meaning``: for people, told where
    there is nothing more exact to say."""

    code: str
    status: int
    meaning: str


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """What is told of a problem. ``request_id`` is in the server's log too."""

    kind: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    request_id: str


class Problem(Exception):
    """An answer that is not the one asked for."""

    def __init__(
        self, kind: Kind, detail: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or kind.meaning)
        self.kind = kind
        self.detail = detail or kind.meaning
        self.headers = dict(headers or {})

    def encoded(self, request_id: str) -> bytes:
        """The body of the answer."""
        return msgspec.json.encode(
            ProblemBody(
                title=http.HTTPStatus(self.kind.status).phrase,
                status=self.kind.status,
                code=self.kind.code,
                detail=self.detail,
                request_id=request_id,
            )
        )


def retry_after(wait_s: float) -> dict[str, str]:
    """The ``Retry-After`` header (RFC 9110, 10.2.3): whole seconds, at least one."""
    return {"Retry-After": str(max(1, math.ceil(wait_s)))}


def by_code(kinds: tuple[Kind, ...]) -> dict[str, Kind]:
    """``kinds`` by their codes."""
    return {kind.code: kind for kind in kinds}


# ── the request ──────────────────────────────────────────────────────────────────────────────────

BAD_REQUEST = Kind("bad_request", 400, "The request is malformed.")
BAD_QUERY = Kind("bad_query", 400, "A parameter is unknown, missing or out of bounds.")
BAD_CURSOR = Kind("bad_cursor", 422, "The cursor is not one that this list has given.")
BAD_HEADER = Kind("bad_header", 400, "A header is missing or malformed.")
BAD_BODY = Kind("bad_body", 400, "The body is not what is asked for.")
NOT_FOUND = Kind("not_found", 404, "There is nothing of that name.")
METHOD_NOT_ALLOWED = Kind("method_not_allowed", 405, "Another method is asked for here.")
BODY_TOO_BIG = Kind("body_too_big", 413, "The body is over the limit.")
BAD_CONTENT_TYPE = Kind("bad_content_type", 415, "Send the body as application/json.")
EXPECTATION_FAILED = Kind(
    "expectation_failed", 417, "Nothing but 100-continue may be expected here."
)
HEADERS_TOO_LARGE = Kind(
    "headers_too_large", 431, "The request line or a header is over the limit."
)
TOO_MANY_REQUESTS = Kind("too_many_requests", 429, "Too many requests; wait.")
INTERNAL = Kind("internal", 500, "Something went wrong on our side.")
UNAVAILABLE = Kind("unavailable", 503, "A service behind this one does not answer; try again soon.")
TIMEOUT = Kind("timeout", 503, "The request took too long; try again.")

NOT_CONFIGURED = Kind("not_configured", 404, "This server does not read match records.")
NODE_SILENT = Kind(
    "node_silent", 504, "Another node has not answered in time; it may have done what was asked."
)

# ── who asks ─────────────────────────────────────────────────────────────────────────────────────

ORIGIN_NOT_ALLOWED = Kind("origin_not_allowed", 403, "Pages of this origin may not call this API.")
TOKEN_MISSING = Kind(
    "token_missing", 401, "Send the access token as Authorization: Bearer <token>."
)
ACCESS_TOKEN_NEEDED = Kind("access_token_needed", 403, "Send the access token, not the ID token.")
NOT_AN_OPERATOR = Kind("not_an_operator", 403, "Only members of the operators' group may do this.")
BAD_TOKEN = (
    TOKEN_MISSING,
    Kind("too_long", 401, "The token is longer than any that is issued."),
    Kind("malformed", 401, "This is not a JWT."),
    Kind("wrong_alg", 401, "The token must be signed with RS256."),
    Kind("unknown_key", 401, "The token is not signed by this user pool."),
    Kind("bad_signature", 401, "The token's signature is wrong."),
    Kind("wrong_issuer", 401, "The token is from another user pool."),
    Kind("wrong_use", 401, "Neither an access token nor an ID token."),
    Kind("wrong_client", 401, "The token is for another app client."),
    Kind("missing_claim", 401, "The token lacks exp or sub."),
    Kind("expired", 401, "The token has expired: get a new one."),
    Kind("not_yet_valid", 401, "The token is not valid yet: check the clock."),
    Kind("revoked", 401, "The session was ended: log in again."),
)

# ── Idempotency-Key ──────────────────────────────────────────────────────────────────────────────

BAD_IDEMPOTENCY_KEY = Kind(
    "bad_idempotency_key", 400, "Idempotency-Key is 1 to 64 letters, digits or any of . _ : -"
)
REQUEST_IN_PROGRESS = Kind(
    "request_in_progress", 409, "The first request with this Idempotency-Key is still under way."
)
IDEMPOTENCY_KEY_REUSED = Kind(
    "idempotency_key_reused", 422, "This Idempotency-Key was used with another request."
)
ANSWER_NOT_KEPT = Kind(
    "answer_not_kept", 409, "The call was carried out before; its answer was too long to keep."
)
BAD_KEYS = (BAD_IDEMPOTENCY_KEY, REQUEST_IN_PROGRESS, ANSWER_NOT_KEPT, IDEMPOTENCY_KEY_REUSED)
