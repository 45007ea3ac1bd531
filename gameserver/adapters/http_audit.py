"""Every call of an operator leaves a record: who, what, when, why, and which request.

A call that changes something is written down before it is carried out; where that cannot be done,
it is not carried out. What came of it, if it was not what was asked, is a second record with the
same request id. Calls that only look are in the log alone, or they would push the others out.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from gameserver.adapters.http_page import LIMIT_DEFAULT, Cursor, Limit, place_after, place_of
from gameserver.adapters.http_problem import BAD_CURSOR, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services
from gameserver.errors import StoreUnavailable, TokenRefused, Unavailable
from gameserver.operating import ASKED, AuditLog, AuditRecord
from gameserver.ports import Clock

logger = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")
GIVEN_CHARS_MAX = 1_000
LOGGED = ("at_ms", "player", "by", "call", "subject", "request_id", "outcome")
StreamId = Annotated[str, Meta(pattern=r"^[0-9]{1,20}-[0-9]{1,20}\Z")]


class Auditor:
    """Stands around the operators' calls."""

    def __init__(self, log: AuditLog, *, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def recorded(
        self, endpoint: Endpoint, call: Call[Any, Any], carry_out: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """What ``carry_out`` returns or raises; ``StoreUnavailable`` where nothing was done because
        it could not be written down."""
        if endpoint.polled:
            return await carry_out()
        record = self._record(endpoint, call)
        if endpoint.method == "GET":
            _tell(record)
            return await carry_out()
        await self._log.add(record)
        _tell(record)
        try:
            return await carry_out()
        except Exception as error:
            failed = msgspec.structs.replace(
                record, at_ms=self._clock.wall_ms(), outcome=_outcome(error)
            )
            _tell(failed)
            try:
                await self._log.add(failed)
            except StoreUnavailable:
                logger.warning("an outcome is only in the log")
            raise

    def _record(self, endpoint: Endpoint, call: Call[Any, Any]) -> AuditRecord:
        given = "" if isinstance(call.body, Nothing) else msgspec.json.encode(call.body).decode()
        reason = getattr(call.body, "reason", "") or getattr(call.params, "reason", "")
        subject = "/".join(str(getattr(call.params, name)) for name in sorted(endpoint.in_path))
        return AuditRecord(
            at_ms=self._clock.wall_ms(),
            player=call.player.player_id,
            by=call.player.name,
            call=str(endpoint),
            subject=subject,
            reason=reason,
            given=given[:GIVEN_CHARS_MAX],
            about=_about(call),
            request_id=call.request_id,
            outcome=ASKED,
        )


def _about(call: Call[Any, Any]) -> str:
    """The player whom the call names."""
    return str(getattr(call.params, "player_id", "") or getattr(call.body, "player", ""))


def _tell(record: AuditRecord) -> None:
    """Without what was said of somebody: that is for the record alone."""
    fields = msgspec.structs.asdict(record)
    logger.warning("operator", extra={name: fields[name] for name in LOGGED})


def _outcome(error: Exception) -> str:
    match error:
        case Problem():
            return error.kind.code
        case TokenRefused():
            return error.code
        case Unavailable():
            return "unavailable"
        case _:
            return "internal"


class AuditAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Newest first."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = ""


class AuditShown(msgspec.Struct, frozen=True, kw_only=True):
    """A call of an operator. ``outcome``: ``asked``, or the code of the problem that came of it.
    ``about``: the player whom it concerned. Of a player who was erased it says nothing more:
    ``subject``, ``reason``, ``given`` and ``about`` are empty."""

    at_ms: int
    player: str
    by: str
    call: str
    subject: str
    reason: str
    given: str
    request_id: str
    outcome: str
    about: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """The newest records; older ones are in the logs."""

    records: list[AuditShown]
    next: str | None


async def _list(services: Services, call: Call[AuditAsked, Nothing]) -> AuditPage:
    before, limit = place_of(call.params.cursor, StreamId), call.params.limit
    found = await services.audit.page(before or "", limit + 1)
    page = found[:limit]
    return AuditPage(
        records=[AuditShown(**msgspec.structs.asdict(record)) for _, record in page],
        next=place_after(page[-1][0] if len(found) > limit else None),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/audit",
        tag="operators",
        summary="What operators have changed, newest first",
        description="Only the newest are kept here; all are in the logs, without what was said.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_list,
        params=AuditAsked,
        answers={200: AuditPage},
        problems=(BAD_CURSOR,),
    ),
)
