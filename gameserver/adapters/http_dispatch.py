"""From a request to a handler: every check that an endpoint declares, in this order.

    rate of the address ─► token ─► rate of the player ─► parameters ─► headers ─► body
        ─► Idempotency-Key ─► handler

What refuses first is what costs least to ask.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from aiohttp import hdrs, web
from aiohttp.http_exceptions import PayloadEncodingError

from gameserver.adapters import http_idempotency, http_problem
from gameserver.adapters.client_address import limit_key
from gameserver.adapters.http_audit import Auditor
from gameserver.adapters.http_idempotency import Answer, Idempotency
from gameserver.adapters.http_limits import HttpLimits
from gameserver.adapters.http_middleware import ENDPOINT, REQUEST_ID
from gameserver.adapters.http_problem import Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Rate, Reply, Text
from gameserver.adapters.http_services import Services
from gameserver.ports import Identity

_JSON = "application/json"
_REPLAYED = "Idempotency-Replayed"


class Dispatcher:
    """Makes aiohttp's handlers of endpoints."""

    def __init__(self, services: Services, limits: HttpLimits) -> None:
        self._services = services
        self._limits = limits
        config = services.config
        self._proxies_trusted = config.proxies_trusted
        self._auditor = Auditor(services.audit, clock=services.clock)
        self._address_header = config.http_address_header
        self._idempotency = Idempotency(
            services.answers,
            ttl_ms=config.idempotency_ttl_ms,
            claim_ms=2 * config.http_timeout_ms,
        )

    def handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What answers the requests to ``endpoint``."""

        async def handle(request: web.Request) -> web.StreamResponse:
            request[ENDPOINT] = endpoint
            call, told = await self._checked(endpoint, request)
            if endpoint.streamed:
                return await _streamed(endpoint, request, await self._reply(endpoint, call), told)
            given = request.headers.get(http_idempotency.HEADER) if endpoint.idempotent else None
            if given is None:
                return _response(await self._carry_out(endpoint, call), told)
            answer, earlier = await self._idempotency.once(
                given=given,
                scope=f"{call.player.player_id}\0{endpoint}",
                request=request.raw_path.encode() + b"\0" + await request.read(),
                carry_out=lambda: self._carry_out(endpoint, call),
            )
            return _response(answer, {**told, _REPLAYED: "true"} if earlier else told)

        return handle

    async def _carry_out(self, endpoint: Endpoint, call: Call[Any, Any]) -> Answer:
        return _answer(endpoint, await self._reply(endpoint, call))

    async def _reply(self, endpoint: Endpoint, call: Call[Any, Any]) -> Reply:
        if endpoint.caller is Caller.OPERATOR:
            return await self._auditor.recorded(
                endpoint, call, lambda: self._handled(endpoint, call)
            )
        return await self._handled(endpoint, call)

    async def _handled(self, endpoint: Endpoint, call: Call[Any, Any]) -> Reply:
        reply = await endpoint.handler(self._services, call)
        return reply if isinstance(reply, Reply) else Reply(value=reply)

    def _address(self, request: web.Request) -> str:
        """What the caller is counted by. Amazon API Gateway drops ``X-Forwarded-For``, so that what
        is in front may name the caller in a header of its own."""
        if self._address_header and (named := request.headers.get(self._address_header)):
            return limit_key(named, None, proxies_trusted=0)
        return limit_key(
            request.remote,
            ",".join(request.headers.getall("X-Forwarded-For", [])),
            proxies_trusted=self._proxies_trusted,
        )

    async def _checked(
        self, endpoint: Endpoint, request: web.Request
    ) -> tuple[Call[Any, Any], Mapping[str, str]]:
        now_s = asyncio.get_running_loop().time()
        address = self._address(request)
        told: Mapping[str, str] = {}
        if endpoint.rate is not Rate.NONE:
            told = self._limits.spend_address(endpoint.rate, address, now_s)
        identity, token = None, ""
        if endpoint.authenticated:
            token = _bearer(request)
            identity = await self._services.verifier.verify(token)
            self._check_caller(endpoint, identity)
            if endpoint.rate is not Rate.NONE:
                told = self._limits.spend_player(endpoint.rate, identity.player_id, now_s)
        return (
            Call(
                params=_params(endpoint, request),
                headers=_headers(endpoint, request),
                body=await _body(endpoint, request),
                request_id=request[REQUEST_ID],
                address=address,
                token=token,
                identity=identity,
            ),
            told,
        )

    def _check_caller(self, endpoint: Endpoint, identity: Identity) -> None:
        # An ID token says who somebody is, not what its bearer may do (AWS, "Understanding the
        # access token").
        if identity.token_use != "access" and not endpoint.id_token:
            raise Problem(http_problem.ACCESS_TOKEN_NEEDED)
        group = self._services.config.admin_group
        if endpoint.caller is Caller.OPERATOR and group not in identity.groups:
            raise Problem(http_problem.NOT_AN_OPERATOR, f"Only members of {group} may do this.")


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Problem(http_problem.TOKEN_MISSING, headers={"WWW-Authenticate": "Bearer"})
    return token


def _params(endpoint: Endpoint, request: web.Request) -> msgspec.Struct:
    given = dict(request.match_info)
    if request.query_string and endpoint.caller is not Caller.INTERNAL:
        for name, value in request.query.items():
            if name in given:
                raise Problem(http_problem.BAD_QUERY, f"{name[:64]} is given twice.")
            given[name] = value
    try:
        return msgspec.convert(given, endpoint.params, strict=False)
    except msgspec.ValidationError as error:
        where = str(error).partition(" - at `$.")[2]
        if where.rstrip("`") in endpoint.in_path:
            raise Problem(http_problem.NOT_FOUND) from None
        raise Problem(http_problem.BAD_QUERY, f"The query is not as asked: {error}.") from None


def _headers(endpoint: Endpoint, request: web.Request) -> Mapping[str, str]:
    found = {}
    for header in endpoint.takes:
        value = request.headers.get(header.name)
        if value is None:
            if header.required:
                raise Problem(http_problem.BAD_HEADER, f"{header.name} is missing.")
            continue
        if header.pattern and not re.search(header.pattern, value):
            raise Problem(http_problem.BAD_HEADER, f"{header.name} is malformed.")
        found[header.name] = value
    return found


async def _body(endpoint: Endpoint, request: web.Request) -> msgspec.Struct:
    if not endpoint.has_body:
        return endpoint.body()
    # Only this content type makes a browser ask for permission first (WHATWG Fetch).
    if request.content_type != _JSON:
        raise Problem(http_problem.BAD_CONTENT_TYPE)
    try:
        raw = await request.read()
    except (ConnectionError, web.RequestPayloadError, PayloadEncodingError):
        # Its sender is gone in the middle of it, or it is no chunks or no gzip: no failure of ours.
        raise Problem(http_problem.BAD_BODY, "The body did not arrive as a whole.") from None
    try:
        return _decode(raw, endpoint.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # msgspec names the field and the bound, never the value.
        detail = f"The body is not what is asked for: {error}."
        raise Problem(http_problem.BAD_BODY, detail) from None


def _decode(raw: bytes, body: type[msgspec.Struct]) -> msgspec.Struct:
    """Raises msgspec's errors, or ``RecursionError``."""
    try:
        return msgspec.json.decode(raw, type=body)
    except msgspec.ValidationError:
        # To JSON Schema 5.0 is an integer, and some languages write all numbers so; not to msgspec.
        return msgspec.convert(_with_integers(msgspec.json.decode(raw)), body)


def _with_integers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _with_integers(each) for key, each in value.items()}
        case list():
            return [_with_integers(each) for each in value]
        case _:
            return value


def _answer(endpoint: Endpoint, reply: Reply) -> Answer:
    """Raises ``LookupError`` for an answer that is not declared: a defect of the handler."""
    status = reply.status or next(iter(endpoint.answers))
    declared, content_type = endpoint.answers[status], _JSON
    match declared, reply.value:
        case None, None:
            body, content_type = b"", ""
        case Text(content_type=content_type), bytes() as body:
            pass
        case type(), value if type(value) is declared:
            body = msgspec.json.encode(value)
        case _:
            raise LookupError(f"{endpoint} does not declare {type(reply.value)} for {status}")
    return Answer(status=status, headers=dict(reply.headers), body=body, content_type=content_type)


def _response(answer: Answer, told: Mapping[str, str]) -> web.Response:
    headers = {**told, **answer.headers}
    if answer.content_type:
        headers[hdrs.CONTENT_TYPE] = answer.content_type
    return web.Response(body=answer.body or None, status=answer.status, headers=headers)


async def _streamed(
    endpoint: Endpoint, request: web.Request, reply: Reply, told: Mapping[str, str]
) -> web.StreamResponse:
    """Begins with the first part, for until then a refusal is an answer of its own."""
    declared = next(iter(endpoint.answers.values()))
    if reply.parts is None or not isinstance(declared, Text):
        raise LookupError(f"{endpoint} is declared as streamed")
    response = web.StreamResponse(
        headers={
            **told,
            **reply.headers,
            hdrs.CONTENT_TYPE: declared.content_type,
            hdrs.CACHE_CONTROL: "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request[REQUEST_ID],
        }
    )
    try:
        async with aclosing(reply.parts) as parts:
            async for part in parts:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(part)
        await response.write_eof()
    except ConnectionError:
        if not response.prepared:
            raise
    except BaseException:
        if response.prepared and request.transport is not None:
            # What has begun cannot become another answer: it must not look whole.
            request.transport.abort()
        raise
    return response
