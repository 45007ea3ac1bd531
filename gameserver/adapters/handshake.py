"""The opening handshake as values: the bytes of a request in, an answer out. No I/O.

    GET /v1/play HTTP/1.1                      also "/"; everything else is 404
        ?client=<name>                         what the client calls itself, the same at reconnects
    Upgrade: websocket                         without it: 426
    Sec-WebSocket-Protocol: gameserver.v1.msgpack[, bearer.<jwt>]
    Authorization: Bearer <jwt>                or the bearer above, or ?ticket=…: exactly one
    Origin: https://…                          if there is one, it must be on the list

A JWT in the URL is refused: URLs end up in logs, histories and ``Referer`` headers (RFC 6750,
section 5.3). A ticket may stand there because it works once and for seconds only.
"""

from __future__ import annotations

import email.utils
import http
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

import msgspec
from websockets.datastructures import Headers
from websockets.exceptions import (
    HeaderLineTooLong,
    InvalidHeader,
    InvalidMethod,
    InvalidOrigin,
    InvalidProtocol,
    InvalidUpgrade,
    NegotiationError,
    RequestLineTooLong,
    TooManyHeaders,
)
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from gameserver.ports import Credentials
from gameserver.whereabouts import CLIENT_PATTERN
from gameserver.wire.codec import Format

PLAY_PATHS = frozenset({"/", "/v1/play"})
HEALTH_PATH = "/healthz"
BEARER_PREFIX = "bearer."

_FORMATS = {Subprotocol(format_.value): format_ for format_ in Format}
_OFFER = f"{Format.MSGPACK.value} or {Format.JSON.value}"
_JWT_KEYS = frozenset({"token", "jwt", "access_token", "id_token", "bearer", "authorization"})
_LOOKS_LIKE_JWT = re.compile(r"eyJ[\w-]*\.[\w-]*\.[\w-]*", re.ASCII)
_QUERY_FIELDS_MAX = 16
_CLIENT = re.compile(CLIENT_PATTERN)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer that is not an upgrade; ``code`` is a stable word for clients.

    ``code`` is empty for the health check, whose body is ``message`` as plain text.
    """

    status: int
    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        """The bytes to send; the connection closes after them."""
        if self.code:
            error = {"error": {"code": self.code, "message": self.message}}
            body, content_type = msgspec.json.encode(error), "application/json"
        else:
            body, content_type = self.message.encode(), "text/plain; charset=utf-8"
        headers = Headers(
            [
                ("Date", email.utils.formatdate(usegmt=True)),
                ("Connection", "close"),
                ("Cache-Control", "no-store"),
                ("Content-Type", content_type),
                ("Content-Length", str(len(body))),
                *self.headers,
            ]
        )
        return Response(self.status, http.HTTPStatus(self.status).phrase, headers, body).serialize()


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A handshake that is right in itself: ``response`` upgrades it once the gate admits it."""

    response: Response
    credentials: Credentials
    format: Format
    forwarded_for: str | None
    from_page: bool
    query: str = ""


def overloaded(code: str, message: str, *, retry_after_s: int) -> Answer:
    """503 with ``Retry-After`` in seconds."""
    retry = ("Retry-After", str(max(1, retry_after_s)))
    return Answer(status=503, code=code, message=message, headers=(retry,))


def unauthorized(code: str, message: str, *, status: int = 401) -> Answer:
    """401 names the scheme, as RFC 9110, section 11.6.1, wants it; 403 needs no header."""
    headers = (("WWW-Authenticate", 'Bearer realm="gameserver"'),) if status == 401 else ()
    return Answer(status=status, code=code, message=message, headers=headers)


HEADERS_TOO_LARGE = Answer(
    status=431, code="headers_too_large", message="the request's headers are over the limit"
)
BAD_CONDITIONS = Answer(
    status=400, code="bad_conditions", message="the network conditions asked for are out of bounds"
)
BAD_CLIENT = Answer(
    status=400,
    code="bad_client",
    message="client is 1 to 64 letters, digits or any of - and _, once",
)
NOT_HTTP = Answer(status=400, code="bad_request", message="this is not an HTTP/1.1 request")
TOO_SLOW = Answer(
    status=408, code="too_slow", message="the request did not arrive in time; send it at once"
)
EARLY_DATA = Answer(
    status=400,
    code="early_data",
    message="data came before the upgrade was answered (RFC 6455, section 4.1)",
)


def already_connected(message: str) -> Answer:
    """409: another session of the player stays."""
    return Answer(status=409, code="already_connected", message=message)


class GameProtocol(ServerProtocol):
    """``ServerProtocol`` that takes the first format its client lists, and keeps its bearers."""

    bearers: Sequence[str] = ()

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """The client's first format; ``None`` (msgpack) for a client that offers nothing at all.

        Raises ``NegotiationError`` where only unknown ones are offered: a browser would fail the
        connection anyway if none of its list came back.
        """
        self.bearers = [
            offered.removeprefix(BEARER_PREFIX)
            for offered in subprotocols
            if offered.startswith(BEARER_PREFIX)
        ]
        for offered in subprotocols:
            if offered in _FORMATS:
                return offered
        if subprotocols:
            raise NegotiationError("no known subprotocol")
        return None


def examine(protocol: GameProtocol, head: bytes) -> Opening | Answer:
    """What to do about the request ``head``, which ends with its empty line.

    No message repeats a header or the URL: they may hold a credential.
    """
    protocol.receive_data(head)
    events = protocol.events_received()
    if not events or not isinstance(request := events[0], Request):
        return _unreadable(protocol.handshake_exc)
    path, _, query = request.path.partition("?")
    if path == HEALTH_PATH and request.method == "GET":
        return Answer(status=200, code="", message="ok")
    if path not in PLAY_PATHS:
        return Answer(status=404, code="not_found", message="connect to /v1/play")
    response = protocol.accept(request)
    if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
        return _not_upgradable(protocol.handshake_exc)
    credentials = _credentials(request, protocol.bearers, query)
    if isinstance(credentials, Answer):
        return credentials
    chosen = Format.MSGPACK if protocol.subprotocol is None else _FORMATS[protocol.subprotocol]
    hops = request.headers.get_all("X-Forwarded-For")
    return Opening(
        response=response,
        credentials=credentials,
        format=chosen,
        forwarded_for=", ".join(hops) if hops else None,
        from_page="Origin" in request.headers,
        query=query,
    )


def _unreadable(error: Exception | None) -> Answer:
    match error:
        case RequestLineTooLong() | HeaderLineTooLong() | TooManyHeaders():
            return HEADERS_TOO_LARGE
        case _:
            return NOT_HTTP


def _not_upgradable(error: Exception | None) -> Answer:
    match error:
        case InvalidOrigin():
            return Answer(
                status=403,
                code="wrong_origin",
                message="pages of this origin may not connect; add it to GAMESERVER_ORIGINS",
            )
        case InvalidMethod():
            return Answer(
                status=405,
                code="wrong_method",
                message="connect with GET",
                headers=(("Allow", "GET"),),
            )
        case InvalidProtocol():
            return Answer(status=505, code="wrong_http_version", message="speak HTTP/1.1")
        case InvalidUpgrade():
            return Answer(
                status=426,
                code="upgrade_required",
                message="this is a WebSocket endpoint: connect with a WebSocket client",
                headers=(("Upgrade", "websocket"),),
            )
        case NegotiationError():
            return Answer(
                status=400,
                code="unknown_subprotocol",
                message=f"offer {_OFFER} in Sec-WebSocket-Protocol",
            )
        case InvalidHeader(name="Sec-WebSocket-Version"):
            return Answer(
                status=426,
                code="wrong_websocket_version",
                message="speak WebSocket version 13",
                headers=(("Sec-WebSocket-Version", "13"),),
            )
        case InvalidHeader(name=name):
            return Answer(status=400, code="bad_request", message=f"{name} is missing or malformed")
        case _:
            return Answer(status=400, code="bad_request", message="the handshake is malformed")


def _credentials(request: Request, bearers: Sequence[str], query: str) -> Credentials | Answer:
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX)
    except ValueError:
        return Answer(status=400, code="bad_request", message="the query has too many fields")
    if any(key.lower() in _JWT_KEYS or _LOOKS_LIKE_JWT.search(value) for key, value in fields):
        return Answer(
            status=400,
            code="token_in_url",
            message="never a JWT in a URL: send it as Authorization: Bearer, as the subprotocol "
            f"{BEARER_PREFIX}<jwt>, or exchange it for a one-time ticket",
        )
    tokens = list(bearers)
    for value in request.headers.get_all("Authorization"):
        scheme, _, token = value.partition(" ")
        if scheme.lower() != "bearer":
            return unauthorized("wrong_scheme", "the Authorization scheme must be Bearer")
        tokens.append(token.strip())
    tickets = [value for key, value in fields if key == "ticket"]
    clients = [value for key, value in fields if key == "client"]
    if len(clients) > 1 or not all(_CLIENT.fullmatch(value) for value in clients):
        return BAD_CLIENT
    client = "".join(clients)
    match tokens, tickets:
        case [], []:
            return unauthorized(
                "no_credentials",
                "send Authorization: Bearer <jwt>, the subprotocol "
                f"{BEARER_PREFIX}<jwt>, or ?ticket=<ticket>",
            )
        case [token], []:
            return Credentials(token=token, client=client)
        case [], [ticket]:
            return Credentials(ticket=ticket, client=client)
        case _:
            return Answer(
                status=400, code="many_credentials", message="send exactly one credential"
            )
