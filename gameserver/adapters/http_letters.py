"""Dead letters, for operators: looked at and acted on by a worker, which is sent an order."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gameserver.adapters.http_operators import Reason
from gameserver.adapters.http_problem import NOT_CONFIGURED, NOT_FOUND, Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.errors import LettersNotAllowed
from gameserver.letters import LetterDesk, LetterOrder, Ordered, OrderState, Place, Verb

LOOK_S = 8.0
"""A worker looks for orders every second, and walks through a queue for one or two."""
ACT_S = 4.0
ASK_AGAIN_S = 0.2
ORDERS_SHOWN = 50
LETTERS_MAX = 500

WORKER_SILENT = Kind("worker_silent", 504, "No persistence worker has answered in time.")
ORDER_FAILED = Kind("order_failed", 502, "The persistence worker could not do what was asked.")
NOT_ALLOWED = Kind(
    "letters_not_allowed", 501, "This server's database role may not order anything of workers."
)
_LOOKED = (WORKER_SILENT, ORDER_FAILED, NOT_ALLOWED, NOT_CONFIGURED)

Word = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{0,128}\Z")]
LetterId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}\Z")]
OrderId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
Letters = Annotated[int, Meta(ge=1, le=LETTERS_MAX)]


class LettersAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Empty: any. ``code``: why it became a dead letter."""

    place: Place = Place.ALL
    code: Word = ""
    game: Word = ""
    match: Word = ""
    limit: Letters = 100


class LetterShown(msgspec.Struct, frozen=True, kw_only=True):
    """``place``: ``queue``, or ``parked``. ``sent_at_ms``: when it became a dead letter. Events,
    matches and games as far as they can be read."""

    place: str
    id: str
    reason: str
    detail: str
    sent_at_ms: int
    receives: int
    redrives: int
    bytes: int
    events: list[str]
    matches: list[str]
    games: list[str]


class LettersShown(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first, ``limit`` of a place at most."""

    letters: list[LetterShown]


class LetterAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As a list names it."""

    place: Literal["queue", "parked"]
    letter: LetterId


class LetterOpened(msgspec.Struct, frozen=True, kw_only=True):
    """``records``: as they are stored, so that what is sealed stays sealed; ``text``: the body
    where no record can be read."""

    letter: LetterShown
    records: list[dict[str, Any]]
    text: str


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``letter``: only this one; else those that the rest selects, where empty is any. With
    ``dry_run`` nothing is done, and the answer names what would be."""

    verb: Literal["redrive", "park", "discard"]
    reason: Reason
    place: Place = Place.QUEUE
    letter: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,128}\Z")] = ""
    code: Word = ""
    game: Word = ""
    match: Word = ""
    limit: Letters = 100
    dry_run: bool = False


class OrderAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By its id."""

    order: OrderId


class OrderShown(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: ``asked``, ``taken``, ``done`` or ``failed``. ``moved``: what was (or would be)
    acted on; ``failed``: not completely, so that it is to be repeated; both null as long as that is
    not known, and an hour afterwards. ``failure``: why nothing came of it."""

    id: str
    verb: str
    place: str
    letter: str
    dry_run: bool
    by: str
    reason: str
    asked_ms: int
    done_ms: int | None
    state: OrderState
    moved: list[str] | None
    failed: list[str] | None
    failure: str


class OrdersShown(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    orders: list[OrderShown]


async def _list(services: Services, call: Call[LettersAsked, Nothing]) -> LettersShown:
    asked = call.params
    order = LetterOrder(
        verb=Verb.LIST,
        place=asked.place,
        code=asked.code,
        game=asked.game,
        match=asked.match,
        limit=asked.limit,
        who=call.player.name,
    )
    return msgspec.convert(await _looked(services, call.request_id, order), LettersShown)


async def _show(services: Services, call: Call[LetterAsked, Nothing]) -> LetterOpened:
    order = LetterOrder(
        verb=Verb.SHOW,
        place=Place(call.params.place),
        letter=call.params.letter,
        limit=1,
        who=call.player.name,
    )
    answer = await _looked(services, call.request_id, order)
    if not answer.get("letter"):
        raise Problem(NOT_FOUND, "No such dead letter can be seen now.")
    return msgspec.convert(answer, LetterOpened)


async def _order(services: Services, call: Call[Nothing, OrderBody]) -> Reply:
    body = call.body
    order = LetterOrder(
        verb=Verb(body.verb),
        place=Place.QUEUE if body.verb == "park" else body.place,
        letter=body.letter,
        code=body.code,
        game=body.game,
        match=body.match,
        limit=1 if body.letter else body.limit,
        dry_run=body.dry_run,
        who=call.player.name,
        why=body.reason,
    )
    found = await _asked(services, call.request_id, order, wait_s=ACT_S)
    under_way = found.state in (OrderState.ASKED, OrderState.TAKEN)
    return Reply(value=_shown(found), status=202 if under_way else 200)


async def _outcome(services: Services, call: Call[OrderAsked, Nothing]) -> OrderShown:
    found = await _desk(services).outcome(call.params.order)
    if found is None:
        raise Problem(NOT_FOUND)
    return _shown(found)


async def _orders(services: Services, call: Call[Nothing, Nothing]) -> OrdersShown:
    return OrdersShown(orders=[_shown(one) for one in await _desk(services).orders(ORDERS_SHOWN)])


async def _looked(services: Services, order_id: str, order: LetterOrder) -> dict[str, Any]:
    """The worker's answer to an order that only looks."""
    found = await _asked(services, order_id, order, wait_s=LOOK_S)
    if found.state is OrderState.FAILED:
        raise Problem(ORDER_FAILED, f"The persistence worker: {found.failure}.")
    if found.answer is None:
        raise Problem(WORKER_SILENT)
    return found.answer


async def _asked(
    services: Services, order_id: str, order: LetterOrder, *, wait_s: float
) -> Ordered:
    """How far it is after ``wait_s`` at most."""
    desk, loop = _desk(services), asyncio.get_running_loop()
    wait_s = min(wait_s, services.config.http_timeout_ms / 2000)
    try:
        await desk.order(order_id, order)
    except LettersNotAllowed:
        raise Problem(NOT_ALLOWED) from None
    until_s = loop.time() + wait_s
    while True:
        found = await desk.outcome(order_id)
        if found is None:
            raise Problem(WORKER_SILENT)
        if found.state in (OrderState.DONE, OrderState.FAILED) or loop.time() >= until_s:
            return found
        await asyncio.sleep(ASK_AGAIN_S)


def _desk(services: Services) -> LetterDesk:
    if services.letters is None:
        raise Problem(NOT_CONFIGURED)
    return services.letters


def _shown(found: Ordered) -> OrderShown:
    order, answer = found.order, found.answer or {}
    return OrderShown(
        id=found.id,
        verb=order.verb.value,
        place=order.place.value,
        letter=order.letter,
        dry_run=order.dry_run,
        by=order.who,
        reason=order.why,
        asked_ms=found.asked_ms,
        done_ms=found.done_ms,
        state=found.state,
        moved=answer.get("moved"),
        failed=answer.get("failed"),
        failure=found.failure,
    )


def _endpoint(method: str, path: str, **more: Any) -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        tag="operators",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        **more,
    )


ENDPOINTS = (
    _endpoint(
        "GET",
        "/v1/admin/letters",
        summary="Dead letters, in their queue and parked",
        description="A worker looks for them, which takes a second or two. Who receives from the "
        "queue meanwhile does not see them for up to a minute.",
        handler=_list,
        params=LettersAsked,
        answers={200: LettersShown},
        problems=_LOOKED,
    ),
    _endpoint(
        "GET",
        "/v1/admin/letters/{place}/{letter}",
        summary="One dead letter with its records; what is sealed stays so",
        handler=_show,
        params=LetterAsked,
        answers={200: LetterOpened},
        problems=_LOOKED,
    ),
    _endpoint(
        "POST",
        "/v1/admin/letter-orders",
        summary="Send dead letters back, park them, or throw them away",
        description="202: a worker is at it, or will be; ask for the order. Sending back and "
        "parking may be repeated. `park` is for those in the queue.",
        handler=_order,
        body=OrderBody,
        answers={200: OrderShown, 202: OrderShown},
        problems=(WORKER_SILENT, NOT_ALLOWED, NOT_CONFIGURED),
    ),
    _endpoint(
        "GET",
        "/v1/admin/letter-orders",
        summary="What operators have ordered, newest first",
        handler=_orders,
        answers={200: OrdersShown},
        problems=(NOT_CONFIGURED,),
    ),
    _endpoint(
        "GET",
        "/v1/admin/letter-orders/{order}",
        summary="What came of an order",
        handler=_outcome,
        params=OrderAsked,
        answers={200: OrderShown},
        problems=(NOT_CONFIGURED,),
    ),
)
