"""Replays of recorded matches: what there is to see, and the frames.

The stream is what a WebSocket of that match would have carried: whole binary frames (RFC 6455,
unmasked) with msgpack messages, from ``Joined`` to ``Left``, whose reason says how it ended.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_problem import NOT_AN_OPERATOR, Kind
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply, Text
from gameserver.adapters.http_services import Services
from gameserver.ids import PlayerId
from gameserver.ports import ReplayShown

MatchName = Annotated[str, Meta(pattern=r"^[0-9a-z]{1,64}\Z")]
_FRAMES = Text("application/octet-stream")
_REFUSALS = (
    Kind("not_a_player", 403, "Only who has played in it may watch."),
    Kind("no_recording", 404, "Nothing is stored of such a match."),
    Kind("not_over", 409, "The end of the match is not stored yet."),
    Kind("bad_recording", 422, "The recording is damaged."),
    Kind("game_not_installed", 422, "The match's game is not installed on this node."),
    Kind("replay_too_long", 422, "The match is longer than what is shown."),
    Kind("busy", 429, "Another replay is being shown; wait a moment."),
)


class ReplayAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The match's id."""

    match: MatchName


class FramesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``seen_by``: through which player's eyes an operator looks; empty: what everyone sees, or
    what the caller may see."""

    match: MatchName
    seen_by: Annotated[str, Meta(max_length=128)] = ""


async def _describe(services: Services, call: Call[ReplayAsked, Nothing]) -> ReplayShown:
    return await services.replays.describe(call.params.match, call.player)


async def _frames(services: Services, call: Call[FramesAsked, Nothing]) -> Reply:
    asked = call.params
    seen_by = PlayerId(asked.seen_by) if asked.seen_by else None
    return Reply(parts=services.replays.frames(asked.match, call.player, seen_by=seen_by))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/replays/{match}",
        tag="replays",
        summary="What there is to see of a recorded match",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_describe,
        params=ReplayAsked,
        answers={200: ReplayShown},
        problems=_REFUSALS,
    ),
    Endpoint(
        method="GET",
        path="/v1/replays/{match}/frames",
        tag="replays",
        summary="A recorded match, played again",
        description="What a WebSocket of the match would have carried: whole unmasked binary "
        "frames, with the messages of `gameserver.v1.msgpack`. One replay at a time is shown.",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_frames,
        params=FramesAsked,
        answers={200: _FRAMES},
        problems=(*_REFUSALS, NOT_AN_OPERATOR),
        streamed=True,
    ),
)
