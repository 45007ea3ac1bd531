"""aiohttp's side of a connection, with our words for what is no request at all.

What aiohttp cannot parse never reaches a middleware. By itself it answers with the bytes that it
stumbled over, as plain text, and logs them as an error, with the address of whoever sent them: a
scanner would fill the log and call operators, and a line that is broken in one place may hold a
token in another.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong, PayloadEncodingError

from gameserver.adapters import http_problem
from gameserver.adapters.http_problem import Kind, Problem

logger = logging.getLogger(__name__)


def _meant(status: int, error: BaseException | None) -> Kind:
    if isinstance(error, LineTooLong):
        return http_problem.HEADERS_TOO_LARGE
    return http_problem.BAD_REQUEST if status < 500 else http_problem.INTERNAL


class Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what no handler has answered; the connection closes after it."""
        request_id = secrets.token_hex(8)
        kind = _meant(status, exc)
        fields = {"remote": request.remote, "request_id": request_id, "why": type(exc).__name__}
        if kind.status < 500:
            logger.debug("not a request", extra=fields)
        else:
            logger.error("request failed", exc_info=exc, extra=fields)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun and cannot be taken back")
        return _refusal(kind, request_id)

    def log_exception(self, *args: Any, **fields: Any) -> None:
        """What aiohttp meets in the rest of a body that nobody wants is no failure of ours."""
        error = fields.get("exc_info")
        if isinstance(error, ConnectionError | web.RequestPayloadError | PayloadEncodingError):
            logger.debug("a body broke off", extra={"why": type(error).__name__})
        else:
            logger.error("connection failed", exc_info=error)


def _refusal(kind: Kind, request_id: str) -> web.Response:
    response = web.Response(
        body=Problem(kind).encoded(request_id),
        status=kind.status,
        headers={
            "X-Request-Id": request_id,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
        content_type=http_problem.CONTENT_TYPE,
    )
    response.force_close()
    return response


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def _expecting(handler: Handler) -> Handler:
    """What is expected is judged before any middleware, and aiohttp would repeat it."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            return _refusal(http_problem.EXPECTATION_FAILED, secrets.token_hex(8))
        return await handler(request)

    return handle


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application whose connections are ours."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            _expecting(made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
