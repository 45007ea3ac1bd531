"""Operators look at nodes and matches, and act on matches."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gameserver.adapters.http_matches import MatchAsked, Name, Seats, Text
from gameserver.adapters.http_page import LIMIT_DEFAULT, Cursor, Limit, place_after, place_of
from gameserver.adapters.http_problem import BAD_CURSOR, NODE_SILENT, NOT_FOUND, Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import FRESH_S, Order, Place, Query, Visibility
from gameserver.operating import (
    NOT_SEATED,
    REASON_CHARS_MAX,
    SIGNAL_FAILED,
    SIGNAL_REFUSED,
    OperationRefused,
)
from gameserver.ports import NodeInfo

Reason = Annotated[str, Meta(min_length=1, max_length=REASON_CHARS_MAX)]
PlayerName = Annotated[str, Meta(pattern=r"^[\x21-\x2e\x30-\x7e]{1,128}\Z")]

REFUSED = {
    NOT_SEATED: Kind(NOT_SEATED, 404, "The player has no seat in this match."),
    SIGNAL_REFUSED: Kind(SIGNAL_REFUSED, 422, "The game refuses the message."),
    SIGNAL_FAILED: Kind(SIGNAL_FAILED, 422, "The game has failed on the message; it is over."),
}


class NodeShown(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: ``ready`` or ``draining``. ``load``: the share of one core in use.
    ``lateness_p99_ms``: an upper bound of how late steps began, over the last seconds;
    ``outbox_events``: key events that the queue does not have yet; ``outbox_age_ms``: of the
    oldest. A node of an earlier version says 0 of what it does not know."""

    name: str
    state: str
    load: float
    sessions: int
    matches: int
    players: int
    region: str
    version: str
    started_ms: int
    lateness_p99_ms: float
    outbox_events: int
    outbox_age_ms: int


class NodesShown(msgspec.Struct, frozen=True, kw_only=True):
    """Those whose last heartbeat is younger than two seconds."""

    nodes: list[NodeShown]


class AllMatchesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Empty: any. ``text``: in the title, or with what the id begins."""

    game: Name = ""
    mode: Name = ""
    node: Annotated[str, Meta(max_length=128)] = ""
    text: Text = ""
    seats: Seats = 0
    order: Order = Order.NEWEST
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = ""


class AnyMatchShown(msgspec.Struct, frozen=True, kw_only=True):
    """A match of any visibility."""

    id: str
    game: str
    mode: str
    title: str
    visibility: Visibility
    node: str
    players: int
    players_max: int
    seats_open: int
    tick: int
    state: str
    created_ms: int


class AllMatchesShown(msgspec.Struct, frozen=True, kw_only=True):
    """``total``: how many there are on all pages."""

    matches: list[AnyMatchShown]
    total: int
    next: str | None


class SeatShown(msgspec.Struct, frozen=True, kw_only=True):
    """``connected``: false in the grace period."""

    player: str
    name: str
    seat: int
    connected: bool


class MatchInspected(msgspec.Struct, frozen=True, kw_only=True):
    """``view``: what everyone may see; ``game_state``: all that the game keeps. Both null where
    they are too long or cannot be told as JSON. ``events``: key events so far; ``uncommitted``: of
    them not yet durable."""

    id: str
    game: str
    mode: str
    node: str
    epoch: int
    tick: int
    state: str
    created_ms: int
    players_max: int
    players: list[SeatShown]
    events: int
    uncommitted: int
    view: Any
    game_state: Any


class SignalBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``message``: whatever the game understands."""

    message: Any
    reason: Reason


class Signalled(msgspec.Struct, frozen=True, kw_only=True):
    """``answer``: the game's."""

    answer: Any


class EndBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Players are told the reason."""

    reason: Reason


class KickBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who loses the seat."""

    player: PlayerName
    reason: Reason


async def _nodes(services: Services, call: Call[Nothing, Nothing]) -> NodesShown:
    return NodesShown(nodes=[node_shown(info) for info in services.operations.nodes()])


def node_shown(info: NodeInfo) -> NodeShown:
    """A node, as it last said it is."""
    return NodeShown(
        name=info.name,
        state=info.state,
        load=round(info.load, 3),
        sessions=info.sessions,
        matches=info.matches,
        players=info.players,
        region=info.region,
        **msgspec.structs.asdict(info.vitals),
    )


async def _matches(services: Services, call: Call[AllMatchesAsked, Nothing]) -> AllMatchesShown:
    asked = call.params
    found = (await services.matches.current()).find(
        Query(
            game=asked.game,
            mode=asked.mode,
            node=asked.node,
            text=asked.text,
            seats_min=asked.seats,
            order=asked.order,
            visible=False,
        )
    )
    page, last = found.after(place_of(asked.cursor, Place), asked.limit)  # type: ignore[arg-type]
    return AllMatchesShown(
        matches=[AnyMatchShown(**msgspec.structs.asdict(one)) for one in page],
        total=len(found.matches),
        next=place_after(last),
    )


async def _inspect(services: Services, call: Call[MatchAsked, Nothing]) -> MatchInspected:
    try:
        detail = await services.operations.inspect(MatchId(call.params.match))
    except OperationRefused as refused:
        raise _problem(refused) from None
    told = msgspec.structs.asdict(detail)
    told["players"] = [SeatShown(**msgspec.structs.asdict(one)) for one in detail.players]
    for name in ("view", "game_state"):
        told[name] = None if told[name] is None else msgspec.Raw(told[name])
    return MatchInspected(**told)


async def _signal(services: Services, call: Call[MatchAsked, SignalBody]) -> Signalled:
    match = MatchId(call.params.match)
    try:
        return Signalled(answer=await services.operations.signal(match, call.body.message))
    except OperationRefused as refused:
        raise _problem(refused) from None


async def _end(services: Services, call: Call[MatchAsked, EndBody]) -> Reply:
    try:
        await services.operations.end(MatchId(call.params.match), call.body.reason)
    except OperationRefused as refused:
        raise _problem(refused) from None
    return Reply()


async def _kick(services: Services, call: Call[MatchAsked, KickBody]) -> Reply:
    match, player = MatchId(call.params.match), PlayerId(call.body.player)
    try:
        await services.operations.kick(match, player)
    except OperationRefused as refused:
        raise _problem(refused) from None
    return Reply()


def _problem(refused: OperationRefused) -> Problem:
    return Problem(REFUSED.get(refused.code, NOT_FOUND), f"{refused.message.capitalize()}.")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/nodes",
        tag="operators",
        summary="All nodes and their load",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_nodes,
        answers={200: NodesShown},
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/matches",
        tag="operators",
        summary="All matches of all nodes, private ones too",
        description=f"As they were at most {FRESH_S:g} seconds ago.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_matches,
        params=AllMatchesAsked,
        answers={200: AllMatchesShown},
        problems=(BAD_CURSOR,),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/matches/{match}",
        tag="operators",
        summary="A match from within, asked of its node",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_inspect,
        params=MatchAsked,
        answers={200: MatchInspected},
        problems=(NODE_SILENT,),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/matches/{match}/signal",
        tag="operators",
        summary="Say something to the match's game",
        description="Goes to the game's `signal`; answered once what came of it is durable.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_signal,
        params=MatchAsked,
        body=SignalBody,
        answers={200: Signalled},
        problems=(REFUSED[SIGNAL_REFUSED], REFUSED[SIGNAL_FAILED], NODE_SILENT),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/matches/{match}/end",
        tag="operators",
        summary="End a match as abandoned",
        description="Answered once that is durable. Players are told why: the key event "
        "`match_closed` precedes `match_ended`.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_end,
        params=MatchAsked,
        body=EndBody,
        answers={204: None},
        problems=(NODE_SILENT,),
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/matches/{match}/kick",
        tag="operators",
        summary="Take a player's seat in a match away",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_kick,
        params=MatchAsked,
        body=KickBody,
        answers={204: None},
        problems=(REFUSED[NOT_SEATED], NODE_SILENT),
    ),
)
