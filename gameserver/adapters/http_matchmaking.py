"""Matchmaking: take a ticket, look at it, answer a ready check, give it up."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_problem import Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.errors import TicketRefused, TokenRefused
from gameserver.game.matchmaking import PARTY_MAX, ROLES_MAX, VALUES_MAX
from gameserver.matchmaking import Member, Queue, TicketView, Wish

Name = Annotated[str, Meta(max_length=64)]
Pass = Annotated[str, Meta(max_length=64)]
Key = Annotated[str, Meta(max_length=128)]
Roles = Annotated[tuple[Name, ...], Meta(max_length=ROLES_MAX)]
Latency = Annotated[float, Meta(ge=0, le=60_000)]
Number = Annotated[float, Meta(ge=-1e12, le=1e12)]

UNKNOWN_QUEUE = Kind("unknown_queue", 404, "This mode has no matchmaking.")
BAD_TICKET = Kind("bad_ticket", 422, "The rules of the mode know nothing of this.")
PARTY_TOO_LARGE = Kind("party_too_large", 422, "The mode takes smaller parties.")
NO_REGION = Kind("no_region", 422, "No region of the mode is near enough.")
BAD_PASS = Kind("bad_pass", 422, "A player of the party has not given a pass that is good.")
ALREADY_QUEUED = Kind("already_queued", 409, "A player has a ticket already.")
PENALTY = Kind("penalty", 409, "A player who declined has to wait.")
QUEUE_FULL = Kind("queue_full", 503, "The queue takes no more tickets now.")
CLOSED = Kind("maintenance", 503, "No tickets are taken for a while.")
NO_TICKET = Kind("no_ticket", 404, "You are in no queue.")
TOO_LATE = Kind("too_late", 409, "A match has been found.")
NOT_ASKED = Kind("not_asked", 409, "There is no ready check to answer.")

_KINDS = {
    kind.code: kind
    for kind in (
        UNKNOWN_QUEUE, BAD_TICKET, PARTY_TOO_LARGE, NO_REGION, ALREADY_QUEUED, PENALTY, QUEUE_FULL,
        CLOSED, NO_TICKET, TOO_LATE, NOT_ASKED,
    )
}  # fmt: skip

ENTER_PROBLEMS = (
    UNKNOWN_QUEUE, BAD_TICKET, PARTY_TOO_LARGE, NO_REGION, ALREADY_QUEUED, PENALTY, QUEUE_FULL,
    CLOSED,
)  # fmt: skip


class PartyMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``pass``: what ``POST /v1/tickets`` gave that player, who thereby agrees."""

    given: Pass = msgspec.field(name="pass")
    roles: Roles = ()


class TicketAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``roles``: the caller's own; ``latency_ms``: by region, the worst of the party's; ``key``:
    the same one is the same ticket."""

    game: Name
    mode: Name
    roles: Roles = ()
    party: Annotated[tuple[PartyMember, ...], Meta(max_length=PARTY_MAX - 1)] = ()
    latency_ms: Annotated[dict[Name, Latency], Meta(max_length=32)] = {}
    accepts: Annotated[
        dict[Name, Annotated[tuple[Name, ...], Meta(max_length=VALUES_MAX)]], Meta(max_length=16)
    ] = {}
    ranges: Annotated[dict[Name, tuple[Number, Number]], Meta(max_length=8)] = {}
    key: Key = ""


class TicketLooked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``why``: say what keeps it waiting."""

    why: bool = False


class ReadyAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a ready check."""

    ready: bool


class EstimateShown(msgspec.Struct, frozen=True, kw_only=True):
    """How long tickets like this one have waited lately, in s."""

    p50_s: float
    p90_s: float


class WhyShown(msgspec.Struct, frozen=True, kw_only=True):
    """Of the ``looked_at`` tickets nearest in skill, ``fitting`` would fit by themselves, and how
    many are ruled out by what."""

    waiting: int
    looked_at: int
    fitting: int
    ruled_out: dict[str, int]
    text: str


class TicketShown(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: waiting, ready_check, opening, matched, cancelled, declined, expired or unknown;
    ``until_ms``: by when to answer a ready check; ``ready``: who has said yes."""

    ticket: str
    game: str
    mode: str
    state: str
    match: str | None
    waited_ms: int
    until_ms: int | None
    ready: list[str]
    players: list[str]
    estimate: EstimateShown | None
    why: WhyShown | None


class QueueShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue asks for. ``players_min``: with how many a match may begin."""

    game: str
    mode: str
    teams: int
    team_size: int
    players_min: int
    party_max: int
    roles: list[str]
    regions: list[str]
    accepts: dict[str, list[str]]
    ranges: dict[str, tuple[float, float]]
    ready_s: float | None
    waiting: int
    estimate: EstimateShown | None


class QueuesShown(msgspec.Struct, frozen=True, kw_only=True):
    """All queues."""

    queues: list[QueueShown]


async def _enter(services: Services, call: Call[Nothing, TicketAsked]) -> Reply:
    asked = call.body
    members = [Member(call.player.player_id, asked.roles)]
    for one in asked.party:
        try:
            identity = await services.tickets.redeem(one.given)
        except TokenRefused as refused:
            raise Problem(BAD_PASS, refused.message) from None
        members.append(Member(identity.player_id, one.roles))
    wish = Wish(
        latency_ms={region: round(ms) for region, ms in asked.latency_ms.items()},
        accepts=asked.accepts,
        ranges=asked.ranges,
    )
    queue = Queue(asked.game, asked.mode)
    key = asked.key or call.request_id
    view = await or_problem(services.matchmaking.enter(queue, members, wish, key=key))
    return Reply(value=shown(view))


async def _look(services: Services, call: Call[TicketLooked, Nothing]) -> TicketShown:
    player = call.player.player_id
    return shown(await or_problem(services.matchmaking.look(player, why=call.params.why)))


async def _cancel(services: Services, call: Call[Nothing, Nothing]) -> TicketShown:
    return shown(await or_problem(services.matchmaking.cancel(call.player.player_id)))


async def _answer(services: Services, call: Call[Nothing, ReadyAnswer]) -> TicketShown:
    player, ready = call.player.player_id, call.body.ready
    return shown(await or_problem(services.matchmaking.answer(player, ready=ready)))


async def _queues(services: Services, call: Call[Nothing, Nothing]) -> QueuesShown:
    found = []
    for view in await services.matchmaking.queues():
        rules = view.rules
        found.append(
            QueueShown(
                game=view.queue.game,
                mode=view.queue.mode,
                teams=rules.teams,
                team_size=rules.team_size,
                players_min=rules.size_min,
                party_max=rules.party_max,
                roles=[role.name for role in rules.roles],
                regions=list(rules.latency.regions) if rules.latency is not None else [],
                accepts={
                    each.name: list(each.values) for each in (*rules.required, *rules.preferred)
                },
                ranges={each.name: (each.low, each.high) for each in rules.ranges},
                ready_s=None if rules.ready is None else rules.ready.within_s,
                waiting=view.waiting,
                estimate=None
                if view.estimate is None
                else EstimateShown(p50_s=view.estimate.p50_s, p90_s=view.estimate.p90_s),
            )
        )
    return QueuesShown(queues=found)


async def or_problem(call: Awaitable[TicketView]) -> TicketView:
    """What ``call`` gives; raises ``Problem`` for what it refuses."""
    try:
        return await call
    except TicketRefused as refused:
        told = f"{refused.message[:1].upper()}{refused.message[1:]}."
        raise Problem(_KINDS[refused.code], told) from None


def shown(view: TicketView) -> TicketShown:
    """A ticket, as its players see it."""
    standing, ticket = view.standing, view.standing.ticket
    why, estimate = view.why, view.estimate
    return TicketShown(
        ticket=view.ticket,
        game=view.queue.game,
        mode=view.queue.mode,
        state=str(standing.stage),
        match=standing.match,
        waited_ms=0 if ticket is None else max(0, standing.now_ms - ticket.enqueued_ms),
        until_ms=standing.deadline_ms or None,
        ready=list(standing.ready),
        players=[] if ticket is None else [one.player for one in ticket.players],
        estimate=None
        if estimate is None
        else EstimateShown(p50_s=estimate.p50_s, p90_s=estimate.p90_s),
        why=None
        if why is None
        else WhyShown(
            waiting=why.waiting,
            looked_at=why.looked_at,
            fitting=why.fitting,
            ruled_out=why.ruled_out,
            text=why.text,
        ),
    )


_PATH = "/v1/matchmaking/tickets"

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/matchmaking/queues",
        tag="matchmaking",
        summary="The queues, what they ask for, and how long they take",
        caller=Caller.PLAYER,
        rate=Rate.READ,
        handler=_queues,
        answers={200: QueuesShown},
    ),
    Endpoint(
        method="POST",
        path=_PATH,
        tag="matchmaking",
        summary="Take a ticket, for oneself or a party",
        description="One ticket a player, over all queues.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_enter,
        body=TicketAsked,
        answers={201: TicketShown},
        problems=(*ENTER_PROBLEMS, BAD_PASS),
        idempotent=True,
    ),
    Endpoint(
        method="GET",
        path=_PATH,
        tag="matchmaking",
        summary="One's latest ticket",
        caller=Caller.PLAYER,
        rate=Rate.READ,
        handler=_look,
        params=TicketLooked,
        answers={200: TicketShown},
        problems=(NO_TICKET,),
    ),
    Endpoint(
        method="DELETE",
        path=_PATH,
        tag="matchmaking",
        summary="Give one's ticket up, for the whole party",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_cancel,
        answers={200: TicketShown},
        problems=(NO_TICKET, TOO_LATE),
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/ready",
        tag="matchmaking",
        summary="Answer a ready check",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_answer,
        body=ReadyAnswer,
        answers={200: TicketShown},
        problems=(NO_TICKET, NOT_ASKED, UNKNOWN_QUEUE),
    ),
)  # fmt: skip
