"""What every HTTP answer has in common: a request id, CORS, a time limit, errors as RFC 9457."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gameserver.adapters import http_problem
from gameserver.adapters.http_problem import Kind, Problem, retry_after
from gameserver.adapters.http_routes import Caller, Endpoint
from gameserver.errors import NodeSilent, ReplayRefused, TokenRefused, Unavailable
from gameserver.metrics import Metrics

logger = logging.getLogger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
ENDPOINT = web.RequestKey("endpoint", Endpoint)
_REQUEST_ID_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BY_STATUS = {
    kind.status: kind
    for kind in (
        http_problem.NOT_FOUND,
        http_problem.METHOD_NOT_ALLOWED,
        http_problem.BODY_TOO_BIG,
    )
}
_HEADERS_READ = ("authorization", "content-type", "x-request-id")
_HEADERS_SHOWN = (
    "retry-after",
    "x-request-id",
    "ratelimit",
    "ratelimit-policy",
    "idempotency-replayed",
)


def translate(error: Exception, endpoint: Endpoint | None) -> Problem | None:
    """The problem that an expected error means; ``None`` for a bug."""
    match error:
        case Problem():
            return error
        case TokenRefused():
            kinds = http_problem.by_code(endpoint.kinds) if endpoint is not None else {}
            kind = kinds.get(error.code, Kind(error.code, error.status, error.message))
            return Problem(kind, error.message)
        case ReplayRefused():
            kinds = http_problem.by_code(endpoint.kinds) if endpoint is not None else {}
            kind = kinds.get(error.code, Kind(error.code, error.status, error.message))
            wait = retry_after(error.retry_after_s) if error.retry_after_s else {}
            return Problem(kind, error.message, headers=wait)
        case NodeSilent() if endpoint is not None and http_problem.NODE_SILENT in endpoint.kinds:
            return Problem(http_problem.NODE_SILENT, f"{str(error).capitalize()}.")
        case Unavailable():
            return Problem(http_problem.UNAVAILABLE, headers=retry_after(2))
        case TimeoutError():
            return Problem(http_problem.TIMEOUT, headers=retry_after(2))
        case web.HTTPException():
            kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            other = http_problem.BAD_REQUEST if error.status < 500 else http_problem.INTERNAL
            return Problem(_BY_STATUS.get(error.status, other), headers=kept)
        case _:
            return None


def errors_and_log(
    *, timeout_s: float, metrics: Metrics, slow_s: Mapping[str, float] | None = None
) -> Middleware:
    """Gives the request an id and a time limit, turns errors into problems, counts, logs one line.
    ``slow_s``: time limits of some paths, as they are declared."""
    limits = slow_s or {}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID_GIVEN.fullmatch(given) else secrets.token_hex(8)
        request[REQUEST_ID] = request_id
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            async with asyncio.timeout(limits.get(_path(request), timeout_s)):
                response = await handler(request)
        except Exception as error:
            response = _answer(error, request, request_id)
        headers = response.headers
        headers["X-Request-Id"] = request_id
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Cache-Control", "no-store")
        took_s = loop.time() - started_s
        _count(metrics, request, response.status, took_s)
        _log(request, request_id, response.status, took_s)
        return response

    return middleware


def _path(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _answer(error: Exception, request: web.Request, request_id: str) -> web.StreamResponse:
    endpoint = request.get(ENDPOINT)
    found = translate(error, endpoint)
    if found is None:
        logger.error("request failed", exc_info=error, extra={"request_id": request_id})
        found = Problem(http_problem.INTERNAL)
    if endpoint is not None and found.kind not in endpoint.kinds:
        logger.error(
            "an endpoint gives a problem that it does not declare",
            extra={"endpoint": str(endpoint), "code": found.kind.code, "request_id": request_id},
        )
    headers = found.headers
    if found.kind.status == 401:
        # RFC 6750, 3: the challenge tells a client whether a new token would help.
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"', **headers}
    return web.Response(
        body=found.encoded(request_id),
        status=found.kind.status,
        headers=headers,
        content_type=http_problem.CONTENT_TYPE,
    )


def _count(metrics: Metrics, request: web.Request, status: int, took_s: float) -> None:
    """A probe that asks every second would hide what clients see."""
    endpoint = request.get(ENDPOINT)
    if endpoint is not None and endpoint.caller is Caller.INTERNAL:
        return
    metrics.http_requests += 1
    metrics.http_ms.observe(took_s * 1000)
    if status >= 500:
        metrics.http_failures += 1


def _log(request: web.Request, request_id: str, status: int, took_s: float) -> None:
    endpoint = request.get(ENDPOINT)
    quiet = endpoint is not None and endpoint.caller is Caller.INTERNAL
    level = logging.DEBUG if quiet else logging.INFO
    if not logger.isEnabledFor(level):
        return
    logger.log(
        level,
        "request",
        extra={
            "request_id": request_id,
            "method": request.method,
            "path": endpoint.path if endpoint is not None else "(unknown)",
            "status": status,
            "ms": round(took_s * 1000, 1),
        },
    )


def check_origin(origins: frozenset[str], endpoints: Iterable[Endpoint]) -> Middleware:
    """Answers preflights, and refuses pages of other origins outright, as the WebSocket does.
    What a page may send are the methods and headers of ``endpoints``."""
    declared = {header.name.lower() for endpoint in endpoints for header in endpoint.takes}
    if any(endpoint.idempotent for endpoint in endpoints):
        declared.add("idempotency-key")
    allowed = {
        "Access-Control-Allow-Methods": ", ".join(sorted({each.method for each in endpoints})),
        "Access-Control-Allow-Headers": ", ".join([*_HEADERS_READ, *sorted(declared)]),
        "Access-Control-Max-Age": "600",
    }

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is None:
            return await handler(request)
        if origin not in origins:
            raise Problem(http_problem.ORIGIN_NOT_ALLOWED)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204, headers=allowed)
        return await handler(request)

    return middleware


def allow_origin(
    origins: frozenset[str], endpoints: Iterable[Endpoint]
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Lets pages of ``origins`` read every answer, errors too (WHATWG Fetch, "CORS protocol")."""
    declared = {header.name.lower() for endpoint in endpoints for header in endpoint.gives}
    shown = ", ".join([*_HEADERS_SHOWN, *sorted(declared)])

    async def on_response_prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Vary"] = "Origin"
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = shown

    return on_response_prepare
