"""What goes in and out of the calls on parties, and why they are refused."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters import http_matchmaking
from gameserver.adapters.http_lobby import OptionValue, Password
from gameserver.adapters.http_matches import Name
from gameserver.adapters.http_matchmaking import Latency, Number, Roles
from gameserver.adapters.http_operators import PlayerName
from gameserver.adapters.http_problem import Kind, by_code
from gameserver.game.matchmaking import PARTY_MAX, VALUES_MAX
from gameserver.listing import Visibility

PartyName = Annotated[str, Meta(pattern=r"^[a-z0-9]{1,64}\Z")]
MatchName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]

NO_PARTY = Kind("no_party", 404, "You are in no party.")
NO_INVITE = Kind("no_invite", 404, "You are not invited, or not any more.")
NOT_LEADER = Kind("not_leader", 403, "Only the leader may do this.")
NOT_A_MEMBER = Kind("not_a_member", 422, "This player is no member of the party.")
PARTY_FULL = Kind("party_full", 409, "The party takes no more players.")
TOO_MANY_INVITES = Kind("too_many_invites", 409, "Too many invites are open.")
ALREADY_IN_PARTY = Kind("already_in_party", 409, "You are in a party: leave it first.")
BUSY = Kind("party_busy", 409, "The party changes all the time; try again.")
NOT_INVITED = Kind("not_invited", 403, "A private match: give its code first.")

KINDS = by_code(
    (
        NO_PARTY, NO_INVITE, NOT_LEADER, NOT_A_MEMBER, PARTY_FULL, TOO_MANY_INVITES,
        ALREADY_IN_PARTY, BUSY,
    )
)  # fmt: skip


class PartyAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose invite."""

    party: PartyName


class PlayerAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A player, in the path."""

    player_id: PlayerName


class PlayerBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A player (`sub`)."""

    player: PlayerName


class InviteShown(msgspec.Struct, frozen=True, kw_only=True):
    """``until_ms``: ms since the Unix epoch."""

    player: str
    until_ms: int


class PartyShown(msgspec.Struct, frozen=True, kw_only=True):
    """``members``: in the order in which they came, the leader among them."""

    id: str
    leader: str
    members: list[str]
    invites: list[InviteShown]
    players_max: int


class InvitationShown(msgspec.Struct, frozen=True, kw_only=True):
    """A party that invites; ``until_ms``: ms since the Unix epoch."""

    party: str
    leader: str
    members: list[str]
    until_ms: int


class InvitationsShown(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be accepted now."""

    invitations: list[InvitationShown]


class PartyTicketAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``roles``: of those members (`sub`) who do not play any; ``latency_ms``: by region, the worst
    of the party's; ``key``: the same one is the same ticket."""

    game: Name
    mode: Name
    roles: Annotated[dict[PlayerName, Roles], Meta(max_length=PARTY_MAX)] = {}
    latency_ms: Annotated[dict[Name, Latency], Meta(max_length=32)] = {}
    accepts: Annotated[
        dict[Name, Annotated[tuple[Name, ...], Meta(max_length=VALUES_MAX)]], Meta(max_length=16)
    ] = {}
    ranges: Annotated[dict[Name, tuple[Number, Number]], Meta(max_length=8)] = {}
    key: http_matchmaking.Key = ""


class PartyMatchBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As for `POST /v1/matches`; seats are kept for the members."""

    game: Name
    mode: Name = ""
    title: Annotated[str, Meta(max_length=64)] = ""
    visibility: Visibility = Visibility.PUBLIC
    password: Password | None = None
    players_max: Annotated[int, Meta(ge=1, le=1000)] | None = None
    options: Annotated[dict[Name, OptionValue], Meta(max_length=32)] = {}
    reserve_s: Annotated[int, Meta(ge=1, le=3600)] = 120


class MatchAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A match that runs."""

    match: MatchName
