"""How an endpoint of the HTTP API is declared: once, as an ``Endpoint``.

    Endpoint ─► the router            (http_api)
             ─► the checks before it  (http_dispatch: rate, token, parameters, headers, body)
             ─► the OpenAPI document  (http_openapi) and docs/http-api.md

A handler runs after all checks and gets a ``Call``. It returns the Struct that the endpoint's first
status declares, or a ``Reply``; it raises ``Problem`` with a kind that the endpoint declares.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from gameserver.adapters import http_problem as problem
from gameserver.adapters.http_problem import Kind
from gameserver.adapters.http_services import Services
from gameserver.ports import Identity

ParamsT = TypeVar("ParamsT", bound=msgspec.Struct)
BodyT = TypeVar("BodyT", bound=msgspec.Struct)


class Caller(Enum):
    """Who may call. A new endpoint has to say; nothing is open by default."""

    PUBLIC = "public"  # anybody
    PLAYER = "player"  # the bearer of a token of the user pool
    OPERATOR = "operator"  # the bearer of an access token whose groups hold the admin group
    INTERNAL = "internal"  # probes and scrapers inside the network; not for the internet


class Rate(StrEnum):
    """Which limits a call counts for; ``http_limits`` reads them from the settings."""

    NONE = "none"
    AUTH = "auth"  # credentials are tried
    MAIL = "mail"  # a message is sent to somebody
    READ = "read"
    WRITE = "write"
    OPERATE = "operate"


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters, or no body."""


class Text(msgspec.Struct, frozen=True):
    """An answer that is not JSON, as its content type."""

    content_type: str


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A header that an endpoint reads, or answers with."""

    name: str
    meaning: str
    pattern: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[ParamsT, BodyT]):
    """A request that has passed the checks of its endpoint. ``headers``: the declared ones that
    were sent, by the names of the declaration. ``address``: what the caller is counted by."""

    params: ParamsT
    body: BodyT
    headers: Mapping[str, str]
    request_id: str
    address: str
    token: str = field(default="", repr=False)
    identity: Identity | None = None

    @property
    def player(self) -> Identity:
        """Who calls. Raises ``LookupError`` where the endpoint asks for no token."""
        if self.identity is None:
            raise LookupError("this endpoint asks for no token")
        return self.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with more to say than its value. ``status`` 0: the first one declared. ``parts``:
    of a streamed one."""

    value: msgspec.Struct | bytes | None = None
    parts: AsyncGenerator[bytes, None] | None = None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Services, Call[Any, Any]], Awaitable[Reply | msgspec.Struct]]

_IN_PATH = re.compile(r"\{([a-z_]+)\}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path. Raises ``ValueError`` for a declaration that contradicts itself.

    ``params``: a field named in ``path`` is part of it, any other stands in the query.
    ``answers``: what each status carries, the usual one first; ``None`` for no body.
    ``idempotent``: takes an Idempotency-Key (for calls that create something).
    ``id_token``: an ID token will do as well as an access token. ``streamed``: the answer is
    ``Reply.parts``, and may take as long as a replay. ``polled``: it tells operators figures alone
    and is asked every few seconds, so that the log does not note who has looked."""

    method: str
    path: str
    tag: str
    summary: str
    caller: Caller
    rate: Rate
    handler: Handler
    answers: Mapping[int, type[msgspec.Struct] | Text | None]
    params: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] = Nothing
    description: str = ""
    problems: tuple[Kind, ...] = ()
    takes: tuple[Header, ...] = ()
    gives: tuple[Header, ...] = ()
    idempotent: bool = False
    id_token: bool = False
    streamed: bool = False
    polled: bool = False

    def __post_init__(self) -> None:
        names = {one.name for one in msgspec.structs.fields(self.params)}
        if self.method not in _METHODS or not self.path.startswith("/"):
            raise ValueError(f"{self}: no such method, or no path")
        if missing := self.in_path - names:
            raise ValueError(f"{self}: params lacks {sorted(missing)}")
        for struct in (self.params, self.body):
            if not struct.__struct_config__.forbid_unknown_fields:
                raise ValueError(f"{self}: {struct.__name__} takes fields that it does not know")
        if self.has_body and self.method in ("GET", "DELETE"):
            raise ValueError(f"{self}: a body has no meaning here (RFC 9110, 9.3.1)")
        if self.idempotent and self.caller not in (Caller.PLAYER, Caller.OPERATOR):
            raise ValueError(f"{self}: keys are kept by player, and it has none")
        if self.id_token and self.caller is not Caller.PLAYER:
            raise ValueError(f"{self}: only players may show an ID token")
        codes = [kind.code for kind in self.kinds]
        if len(codes) != len(set(codes)):
            raise ValueError(f"{self}: a problem is declared twice, or implied anyway")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def in_path(self) -> frozenset[str]:
        """The names of the path's parameters."""
        return frozenset(_IN_PATH.findall(self.path))

    @property
    def has_body(self) -> bool:
        return self.body is not Nothing

    @property
    def authenticated(self) -> bool:
        """Whether it asks for a token."""
        return self.caller in (Caller.PLAYER, Caller.OPERATOR)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All problems that it can give: the declared ones, and those of its checks."""
        found = [*self.problems, problem.ORIGIN_NOT_ALLOWED]
        if self.authenticated:
            found += problem.BAD_TOKEN
            if not self.id_token:
                found.append(problem.ACCESS_TOKEN_NEEDED)
        if self.caller is Caller.OPERATOR:
            found.append(problem.NOT_AN_OPERATOR)
        if self.caller is not Caller.INTERNAL:
            found.append(problem.BAD_QUERY)
        if self.in_path:
            found.append(problem.NOT_FOUND)
        if self.takes:
            found.append(problem.BAD_HEADER)
        if self.has_body:
            found += (problem.BAD_BODY, problem.BODY_TOO_BIG, problem.BAD_CONTENT_TYPE)
        if self.rate is not Rate.NONE:
            found.append(problem.TOO_MANY_REQUESTS)
        if self.idempotent:
            found += problem.BAD_KEYS
        return (*found, problem.INTERNAL, problem.UNAVAILABLE, problem.TIMEOUT)
