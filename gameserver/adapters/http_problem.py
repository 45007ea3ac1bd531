"""What every HTTP answer has in common: a request id, CORS, a time limit, errors as RFC 9457."""

from __future__ import annotations

import asyncio
import http
import logging
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gameserver.errors import TokenRefused, Unavailable

logger = logging.getLogger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
_REQUEST_ID_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_big"}
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Problem(Exception):
    """An answer that is not the one asked for; ``code`` is a stable word for programs."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def retry_after(wait_s: float) -> dict[str, str]:
    """The ``Retry-After`` header (RFC 9110, 10.2.3): whole seconds, at least one."""
    return {"Retry-After": str(max(1, math.ceil(wait_s)))}


def json_response(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """``value`` as JSON."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def _problem_response(problem: Problem, request_id: str) -> web.Response:
    body = {
        "type": "about:blank",
        "title": http.HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "request_id": request_id,
    }
    return web.Response(
        body=msgspec.json.encode(body),
        status=problem.status,
        headers=problem.headers,
        content_type="application/problem+json",
    )


def _translate(error: Exception) -> Problem | None:
    """The problem that an expected error means; ``None`` for a bug."""
    match error:
        case Problem():
            return error
        case TokenRefused():
            # RFC 6750, 3: the challenge tells a client whether a new token would help.
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            headers = challenge if error.status == 401 else {}
            return Problem(error.status, error.code, error.message, headers=headers)
        case Unavailable():
            detail = "A service behind this one does not answer; try again shortly."
            return Problem(503, "unavailable", detail, headers=retry_after(2))
        case TimeoutError():
            detail = "The request took too long; try again."
            return Problem(503, "timeout", detail, headers=retry_after(2))
        case web.HTTPException():
            kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            code = _CODES.get(error.status, "bad_request" if error.status < 500 else "internal")
            return Problem(error.status, code, error.reason, headers=kept)
        case _:
            return None


def errors_and_log(*, timeout_s: float) -> Middleware:
    """Gives the request an id and a time limit, turns errors into problems, logs one line."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID_GIVEN.fullmatch(given) else secrets.token_hex(8)
        request[REQUEST_ID] = request_id
        started_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout_s):
                response = await handler(request)
        except Exception as error:
            problem = _translate(error)
            if problem is None:
                logger.exception("request failed", extra={"request_id": request_id})
                problem = Problem(500, "internal", "Something went wrong on our side.")
            response = _problem_response(problem, request_id)
        response.headers["X-Request-Id"] = request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        resource = request.match_info.route.resource
        path = resource.canonical if resource else "(unknown)"
        logger.log(
            logging.DEBUG if path in _QUIET else logging.INFO,
            "request",
            extra={
                "request_id": request_id,
                "method": request.method,
                "path": path,
                "status": response.status,
                "ms": round((asyncio.get_running_loop().time() - started_s) * 1000, 1),
            },
        )
        return response

    return middleware


def check_origin(origins: frozenset[str]) -> Middleware:
    """Answers preflights, and refuses pages of other origins outright, as the WebSocket does."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            raise Problem(403, "origin_not_allowed", "Pages of this origin may not call this API.")
        preflight = origin is not None and "Access-Control-Request-Method" in request.headers
        if preflight and request.method == "OPTIONS":
            return web.Response(
                status=204,
                headers={
                    "Access-Control-Allow-Methods": "GET, POST",
                    "Access-Control-Allow-Headers": "authorization, content-type, x-request-id",
                    "Access-Control-Max-Age": "600",
                },
            )
        return await handler(request)

    return middleware


def allow_origin(
    origins: frozenset[str],
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Lets pages of ``origins`` read every answer, errors too (WHATWG Fetch, "CORS protocol")."""

    async def on_response_prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Vary"] = "Origin"
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "retry-after, x-request-id"

    return on_response_prepare
