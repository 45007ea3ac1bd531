"""Parties: come together, and go into queues and matches as one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from gameserver.adapters import http_lobby, http_matchmaking
from gameserver.adapters.http_lobby import CreatedShown, SeatKept
from gameserver.adapters.http_matchmaking import TicketShown
from gameserver.adapters.http_party_shapes import (
    ALREADY_IN_PARTY,
    BUSY,
    KINDS,
    NO_INVITE,
    NO_PARTY,
    NOT_A_MEMBER,
    NOT_INVITED,
    NOT_LEADER,
    PARTY_FULL,
    TOO_MANY_INVITES,
    InvitationShown,
    InvitationsShown,
    InviteShown,
    MatchAsked,
    PartyAsked,
    PartyMatchBody,
    PartyShown,
    PartyTicketAsked,
    PlayerAsked,
    PlayerBody,
)
from gameserver.adapters.http_problem import NODE_SILENT, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.hosting import HostRefused, Wanted
from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import Queue, Wish
from gameserver.parties import Party, PartyId, PartyRefused
from gameserver.wire.to_client import ErrorCode

ValueT = TypeVar("ValueT")


# ── come together ────────────────────────────────────────────────────────────────────────────────


async def _create(services: Services, call: Call[Nothing, Nothing]) -> PartyShown:
    return _shown(services, await _done(services.parties.create(call.player.player_id)))


async def _look(services: Services, call: Call[Nothing, Nothing]) -> PartyShown:
    return _shown(services, await _done(services.parties.look(call.player.player_id)))


async def _disband(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    await _done(services.parties.disband(call.player.player_id))
    return Reply()


async def _leave(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    await _done(services.parties.leave(call.player.player_id))
    return Reply()


async def _invite(services: Services, call: Call[Nothing, PlayerBody]) -> PartyShown:
    guest = PlayerId(call.body.player)
    return _shown(services, await _done(services.parties.invite(call.player.player_id, guest)))


async def _withdraw(services: Services, call: Call[PlayerAsked, Nothing]) -> PartyShown:
    guest = PlayerId(call.params.player_id)
    return _shown(services, await _done(services.parties.withdraw(call.player.player_id, guest)))


async def _invitations(services: Services, call: Call[Nothing, Nothing]) -> InvitationsShown:
    found = await services.parties.invitations(call.player.player_id)
    return InvitationsShown(
        invitations=[
            InvitationShown(
                party=one.party.id,
                leader=one.party.leader,
                members=list(one.party.members),
                until_ms=one.until_ms,
            )
            for one in found
        ]
    )


async def _accept(services: Services, call: Call[PartyAsked, Nothing]) -> PartyShown:
    party = PartyId(call.params.party)
    return _shown(services, await _done(services.parties.accept(call.player.player_id, party)))


async def _decline(services: Services, call: Call[PartyAsked, Nothing]) -> Reply:
    await _done(services.parties.decline(call.player.player_id, PartyId(call.params.party)))
    return Reply()


async def _kick(services: Services, call: Call[PlayerAsked, Nothing]) -> PartyShown:
    member = PlayerId(call.params.player_id)
    return _shown(services, await _done(services.parties.kick(call.player.player_id, member)))


async def _promote(services: Services, call: Call[Nothing, PlayerBody]) -> PartyShown:
    member = PlayerId(call.body.player)
    return _shown(services, await _done(services.parties.promote(call.player.player_id, member)))


# ── go somewhere ─────────────────────────────────────────────────────────────────────────────────


async def _queue(services: Services, call: Call[Nothing, PartyTicketAsked]) -> TicketShown:
    asked = call.body
    wish = Wish(
        latency_ms={region: round(ms) for region, ms in asked.latency_ms.items()},
        accepts=asked.accepts,
        ranges=asked.ranges,
    )
    roles = {PlayerId(player): names for player, names in asked.roles.items()}
    ticket = services.parties.queue(
        call.player.player_id,
        Queue(asked.game, asked.mode),
        wish,
        roles=roles,
        key=asked.key or call.request_id,
    )
    return http_matchmaking.shown(await http_matchmaking.or_problem(_done(ticket)))


async def _create_match(services: Services, call: Call[Nothing, PartyMatchBody]) -> CreatedShown:
    await http_lobby.check_banned(services, call.player)
    body = call.body
    wanted = Wanted(
        game=body.game,
        mode=body.mode,
        title=body.title,
        visibility=body.visibility,
        players_max=body.players_max or 0,
        options=body.options,
        password=body.password or "",
        reserve_ms=body.reserve_s * 1000,
    )
    try:
        created = await _done(services.parties.create_match(call.player, wanted))
    except HostRefused as refused:
        raise http_lobby.problem_of(refused) from None
    return http_lobby.created_shown(wanted, created)


async def _enter_match(services: Services, call: Call[MatchAsked, Nothing]) -> SeatKept:
    await http_lobby.check_banned(services, call.player)
    match = MatchId(call.params.match)
    try:
        gathering = await _done(services.parties.enter_match(call.player, match))
    except HostRefused as refused:
        if refused.code == ErrorCode.NOT_INVITED:
            raise Problem(NOT_INVITED) from None
        raise http_lobby.problem_of(refused) from None
    return SeatKept(match=gathering.match, reserved_until_ms=gathering.until_ms)


async def _done(call: Awaitable[ValueT]) -> ValueT:
    try:
        return await call
    except PartyRefused as refused:
        told = f"{refused.message[:1].upper()}{refused.message[1:]}."
        raise Problem(KINDS[refused.code], told) from None


def _shown(services: Services, party: Party) -> PartyShown:
    return PartyShown(
        id=party.id,
        leader=party.leader,
        members=list(party.members),
        invites=[InviteShown(player=one, until_ms=ms) for one, ms in party.invites.items()],
        players_max=services.config.party_size_max,
    )


_PATH = "/v1/party"
_LEADS = (NO_PARTY, NOT_LEADER, BUSY)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path=_PATH,
        tag="parties",
        summary="Begin a party, and lead it",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_create,
        answers={201: PartyShown},
        problems=(ALREADY_IN_PARTY,),
        idempotent=True,
    ),
    Endpoint(
        method="GET",
        path=_PATH,
        tag="parties",
        summary="One's party; also a sign of life",
        caller=Caller.PLAYER,
        rate=Rate.READ,
        handler=_look,
        answers={200: PartyShown},
        problems=(NO_PARTY, BUSY),
    ),
    Endpoint(
        method="DELETE",
        path=_PATH,
        tag="parties",
        summary="Disband the party, as its leader",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_disband,
        answers={204: None},
        problems=_LEADS,
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/leave",
        tag="parties",
        summary="Leave the party",
        description="Where the leader leaves, who has been in it the longest leads.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_leave,
        answers={204: None},
        problems=(NO_PARTY, BUSY),
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/invites",
        tag="parties",
        summary="Invite a player, as the leader",
        description="Again: for longer.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_invite,
        body=PlayerBody,
        answers={200: PartyShown},
        problems=(*_LEADS, PARTY_FULL, TOO_MANY_INVITES),
    ),
    Endpoint(
        method="DELETE",
        path=f"{_PATH}/invites/{{player_id}}",
        tag="parties",
        summary="Take an invite back, as the leader",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_withdraw,
        params=PlayerAsked,
        answers={200: PartyShown},
        problems=_LEADS,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_PATH}/members/{{player_id}}",
        tag="parties",
        summary="Put a member out, as the leader",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_kick,
        params=PlayerAsked,
        answers={200: PartyShown},
        problems=(*_LEADS, NOT_A_MEMBER),
    ),
    Endpoint(
        method="PUT",
        path=f"{_PATH}/leader",
        tag="parties",
        summary="Let another member lead",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_promote,
        body=PlayerBody,
        answers={200: PartyShown},
        problems=(*_LEADS, NOT_A_MEMBER),
    ),
    Endpoint(
        method="GET",
        path="/v1/invitations",
        tag="parties",
        summary="The parties that invite one",
        caller=Caller.PLAYER,
        rate=Rate.READ,
        handler=_invitations,
        answers={200: InvitationsShown},
    ),
    Endpoint(
        method="POST",
        path="/v1/invitations/{party}/accept",
        tag="parties",
        summary="Come into a party",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_accept,
        params=PartyAsked,
        answers={200: PartyShown},
        problems=(NO_INVITE, PARTY_FULL, ALREADY_IN_PARTY, BUSY),
    ),
    Endpoint(
        method="POST",
        path="/v1/invitations/{party}/decline",
        tag="parties",
        summary="Do not come",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_decline,
        params=PartyAsked,
        answers={204: None},
        problems=(NO_INVITE, BUSY),
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/ticket",
        tag="parties",
        summary="Take a matchmaking ticket for the party, as its leader",
        description="From then on it is a ticket as any other: under `/v1/matchmaking/tickets` "
        "each member can look at it, answer its ready check, and give it up.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_queue,
        body=PartyTicketAsked,
        answers={201: TicketShown},
        problems=(*_LEADS, NOT_A_MEMBER, *http_matchmaking.ENTER_PROBLEMS),
        idempotent=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/matches",
        tag="parties",
        summary="Create a match with a seat for each member, as the leader",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_create_match,
        body=PartyMatchBody,
        answers={201: CreatedShown},
        problems=(*_LEADS, *http_lobby.CREATE_PROBLEMS),
        idempotent=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_PATH}/matches/{{match}}/seats",
        tag="parties",
        summary="Keep a seat for each member in a match that runs, or for none, as the leader",
        description="Each member then joins it over the socket. Of a private match the leader has "
        "to be a guest: give its code first. Again: for longer.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_enter_match,
        params=MatchAsked,
        answers={200: SeatKept},
        problems=(
            *_LEADS,
            NOT_INVITED,
            http_lobby.PROBLEMS[ErrorCode.UNKNOWN_MATCH],
            http_lobby.PROBLEMS[ErrorCode.MATCH_FULL],
            http_lobby.PROBLEMS[ErrorCode.MAINTENANCE],
            http_lobby.PROBLEMS[ErrorCode.BANNED],
            NODE_SILENT,
        ),
    ),
)
