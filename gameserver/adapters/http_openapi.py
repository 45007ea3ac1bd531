"""The OpenAPI 3.1 document, made from the declarations of the endpoints alone."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from gameserver.adapters import http_idempotency, http_problem
from gameserver.adapters.http_problem import Kind, ProblemBody
from gameserver.adapters.http_routes import Caller, Endpoint, Header, Nothing, Rate, Text

VERSION = "1.0.0"
"""Of the API: a change that breaks a client has a new first number, and new paths."""

Json = dict[str, Any]
_REFS = "#/components/schemas/{name}"
_TOKEN = "token"
_IDEMPOTENCY_KEY = Header(
    name=http_idempotency.HEADER,
    meaning="A string that the client makes up (a UUID), the same for every try of one call.",
    pattern=http_idempotency.PATTERN,
)

_RETRY_AFTER = Header(name="Retry-After", meaning="Seconds.", pattern=r"^[0-9]+$")
_HEADER_OF = {
    "401": Header(name="WWW-Authenticate", meaning="Bearer, and whether a new token would help."),
    "429": _RETRY_AFTER,
    "503": _RETRY_AFTER,
}


def document(endpoints: Sequence[Endpoint]) -> Json:
    """The document. Raises ``ValueError`` where two endpoints share a method and a path."""
    schemas = _components(endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(endpoint.path, {})
        if endpoint.method.lower() in operations:
            raise ValueError(f"{endpoint} is declared twice")
        operations[endpoint.method.lower()] = _operation(endpoint)
    shown: Json = _ecma(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "gameserver",
                "version": VERSION,
                "description": "Accounts, tickets for the WebSocket, and what is played. "
                "Problems are RFC 9457 with a stable `code`.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    _TOKEN: {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "A token of the Amazon Cognito user pool.",
                    }
                },
            },
        }
    )
    return shown


def _ecma(value: Any) -> Any:
    """``value`` with Python's patterns written as JSON Schema has them (ECMA-262 knows no ``\\Z``,
    and its ``$`` means the same)."""
    match value:
        case dict():
            return {
                key: each.replace(r"\Z", "$")
                if key == "pattern" and isinstance(each, str)
                else _ecma(each)
                for key, each in value.items()
            }
        case list():
            return [_ecma(each) for each in value]
        case _:
            return value


def encoded(endpoints: Sequence[Endpoint]) -> bytes:
    """The document as JSON, in the order of the declarations."""
    return msgspec.json.format(msgspec.json.encode(document(endpoints)), indent=2) + b"\n"


def _components(endpoints: Iterable[Endpoint]) -> Json:
    structs: dict[type[msgspec.Struct], None] = {ProblemBody: None}
    for endpoint in endpoints:
        answers = [one for one in endpoint.answers.values() if isinstance(one, type)]
        for struct in (endpoint.params, endpoint.body, *answers):
            structs.setdefault(struct)
    structs.pop(Nothing, None)
    _, schemas = msgspec.json.schema_components(list(structs), ref_template=_REFS)
    # Parameters are shown one by one beside their paths; the Struct of them has no other use.
    for endpoint in endpoints:
        schemas.pop(endpoint.params.__name__, None)
    return schemas


def _operation(endpoint: Endpoint) -> Json:
    shown: Json = {
        "operationId": _operation_id(endpoint),
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": _description(endpoint),
        "security": [{_TOKEN: []}] if endpoint.authenticated else [],
        "x-caller": endpoint.caller.value,
        "x-rate-limit": endpoint.rate.value,
        "x-id-token": endpoint.id_token,
    }
    if parameters := _parameters(endpoint):
        shown["parameters"] = parameters
    if endpoint.has_body:
        schema = {"$ref": _ref(endpoint.body)}
        shown["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    shown["responses"] = responses = _answers(endpoint)
    for status, told in _problems(endpoint).items():
        # One status may carry either: /readyz is 503 by itself, and where it took too long.
        answer = responses.setdefault(status, {"description": ""})
        answer["description"] = f"{answer['description']}\n{told['description']}".strip()
        answer["content"] = {**answer.get("content", {}), **told["content"]}
        if (header := _HEADER_OF.get(status)) is not None:
            answer["headers"] = {**answer.get("headers", {}), header.name: _header(header)}
    return shown


def _operation_id(endpoint: Endpoint) -> str:
    words = endpoint.path.removeprefix("/v1").replace("{", "").replace("}", "")
    return endpoint.method.lower() + "".join(
        word.capitalize() for part in words.split("/") for word in part.replace(".", "_").split("_")
    )


def _description(endpoint: Endpoint) -> str:
    who = {
        Caller.PUBLIC: "Anybody may call it.",
        Caller.PLAYER: "Players only: an access token, or an ID token."
        if endpoint.id_token
        else "Players only: an access token.",
        Caller.OPERATOR: "Operators only: an access token of a member of the admin group.",
        Caller.INTERNAL: "For probes inside the network; keep it off the internet.",
    }[endpoint.caller]
    return f"{endpoint.description} {who}".strip()


def _parameters(endpoint: Endpoint) -> list[Json]:
    shown = []
    schema = msgspec.json.schema(endpoint.params, ref_template=_REFS)
    struct = schema["$defs"][endpoint.params.__name__] if "$defs" in schema else _inline(endpoint)
    required = struct.get("required", [])
    for name, of_one in struct["properties"].items():
        in_path = name in endpoint.in_path
        one = {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or name in required,
            "schema": of_one,
        }
        if "description" in of_one:
            one["description"] = of_one.pop("description")
        shown.append(one)
    takes = [*endpoint.takes, *([_IDEMPOTENCY_KEY] if endpoint.idempotent else [])]
    return shown + [
        {"name": header.name, "in": "header", "required": header.required, **_header(header)}
        for header in takes
    ]


def _inline(endpoint: Endpoint) -> Json:
    _, defined = msgspec.json.schema_components([endpoint.params])
    found: Json = defined[endpoint.params.__name__]
    return found


def _header(header: Header) -> Json:
    schema = {"type": "string"}
    if header.pattern:
        schema["pattern"] = header.pattern
    return {"description": header.meaning, "schema": schema}


def _answers(endpoint: Endpoint) -> Json:
    shown: Json = {}
    headers = {header.name: _header(header) for header in endpoint.gives}
    if endpoint.rate is not Rate.NONE:
        for name, meaning in (("RateLimit-Policy", "The limit."), ("RateLimit", "What is left.")):
            headers[name] = {"description": meaning, "schema": {"type": "string"}}
    for status, carries in endpoint.answers.items():
        answer: Json = {"description": HTTPStatus(status).phrase}
        if headers:
            answer["headers"] = headers
        match carries:
            case None:
                pass
            case Text(content_type=content_type):
                kind = "object" if content_type.endswith("json") else "string"
                answer["content"] = {content_type: {"schema": {"type": kind}}}
            case _:
                answer["content"] = {"application/json": {"schema": {"$ref": _ref(carries)}}}
        shown[str(status)] = answer
    return shown


def _problems(endpoint: Endpoint) -> Json:
    by_status: defaultdict[int, list[Kind]] = defaultdict(list)
    for kind in endpoint.kinds:
        by_status[kind.status].append(kind)
    shown: Json = {}
    for status, kinds in sorted(by_status.items()):
        code = {"enum": [kind.code for kind in kinds]}
        schema = {"allOf": [{"$ref": _ref(ProblemBody)}, {"properties": {"code": code}}]}
        content = {http_problem.CONTENT_TYPE: {"schema": schema}}
        text = "\n".join(f"* `{kind.code}`: {kind.meaning}" for kind in kinds)
        shown[str(status)] = {"description": text, "content": content}
    return shown


def _ref(struct: type[msgspec.Struct]) -> str:
    return _REFS.format(name=struct.__name__)


def all_kinds(endpoints: Iterable[Endpoint]) -> list[Kind]:
    """Every problem there is, by status and code."""
    found = set(itertools.chain.from_iterable(each.kinds for each in endpoints))
    found |= {http_problem.METHOD_NOT_ALLOWED, http_problem.NOT_FOUND, http_problem.BAD_REQUEST}
    found |= {http_problem.HEADERS_TOO_LARGE, http_problem.EXPECTATION_FAILED}
    return sorted(found, key=lambda kind: (kind.status, kind.code))
