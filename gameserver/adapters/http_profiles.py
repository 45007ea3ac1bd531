"""Profiles: what players say of themselves, and what others may see."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_problem import Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Header, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.ids import PlayerId
from gameserver.players.port import (
    BadChange,
    Conflict,
    Profile,
    ProfileChange,
    ProfileDesk,
    PublicProfile,
)

OWN_PATH = "/v1/profile"
IF_MATCH = Header(
    name="If-Match",
    meaning='The version that is to be changed, as in "3".',
    pattern=r'^"[0-9]{1,15}"$',
    required=True,
)
ETAG = Header(name="ETag", meaning='The version, as in "3".', pattern=r'^"[0-9]{1,15}"$')
NO_PROFILES = Kind("no_profiles", 404, "This server keeps no profiles.")
UNKNOWN_PLAYER = Kind("unknown_player", 404, "There is no profile of this player.")
VERSION_CONFLICT = Kind(
    "version_conflict", 412, "The profile has changed since; read it and try again."
)
BAD_PROFILE = Kind("bad_profile", 422, "A profile cannot be like this.")


class PlayerAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose profile."""

    player_id: Annotated[str, Meta(pattern=r"^[!-~]{1,128}$")]


async def _show(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    return _with_version(await _desk(services).own(call.player))


async def _change(services: Services, call: Call[Nothing, ProfileChange]) -> Reply:
    version = int(call.headers[IF_MATCH.name].strip('"'))
    try:
        answer = await _desk(services).change(call.player, call.body, version=version)
    except BadChange as error:
        raise Problem(BAD_PROFILE, f"A profile cannot be like this: {error}.") from None
    if isinstance(answer, Conflict):
        raise Problem(VERSION_CONFLICT, headers={ETAG.name: f'"{answer.version}"'})
    return _with_version(answer)


async def _show_public(services: Services, call: Call[PlayerAsked, Nothing]) -> PublicProfile:
    profile = await _desk(services).public(PlayerId(call.params.player_id))
    if profile is None:
        raise Problem(UNKNOWN_PLAYER)
    return profile


def _desk(services: Services) -> ProfileDesk:
    if services.profiles is None:
        raise Problem(NO_PROFILES)
    return services.profiles


def _with_version(profile: Profile) -> Reply:
    return Reply(value=profile, headers={ETAG.name: f'"{profile.version}"'})


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=OWN_PATH,
        tag="profiles",
        summary="The own profile; made if there is none",
        caller=Caller.PLAYER,
        rate=Rate.READ,
        handler=_show,
        answers={200: Profile},
        gives=(ETAG,),
        problems=(NO_PROFILES,),
    ),
    Endpoint(
        method="PATCH",
        path=OWN_PATH,
        tag="profiles",
        summary="Change the own profile",
        description="What is left out stays. Settings are merged by name, and null takes one away.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_change,
        body=ProfileChange,
        answers={200: Profile},
        takes=(IF_MATCH,),
        gives=(ETAG,),
        problems=(NO_PROFILES, VERSION_CONFLICT, BAD_PROFILE),
    ),
    Endpoint(
        method="GET",
        path="/v1/profiles/{player_id}",
        tag="profiles",
        summary="What everybody may see of a player",
        caller=Caller.PLAYER,
        rate=Rate.READ,
        handler=_show_public,
        params=PlayerAsked,
        answers={200: PublicProfile},
        problems=(NO_PROFILES, UNKNOWN_PLAYER),
    ),
)
