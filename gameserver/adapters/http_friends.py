"""Friends: ask, answer, remove, block, and see where they are."""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_page import Cursor, page_of
from gameserver.adapters.http_problem import BAD_CURSOR, Kind, Problem
from gameserver.adapters.http_profiles import UNKNOWN_PLAYER
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.friendship import Act, ActRefused, Friend, FriendDesk, Refusal, Side
from gameserver.ids import PlayerId
from gameserver.whereabouts import Where

PAGE_MAX = 50
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX, description="Players at once.")]
Player = Annotated[str, Meta(pattern=r"^[!-~]{1,128}$")]

NO_FRIENDS = Kind("no_friends", 404, "This server keeps no friends.")
ONESELF = Kind("oneself", 422, "This is you.")
NOT_ASKED = Kind("no_request", 409, "This player has not asked you.")
YOU_BLOCK_THEM = Kind("you_block_them", 409, "You have blocked this player; unblock them first.")
LIST_FULL = Kind("list_full", 409, "Your list is full.")
THEIR_LIST_FULL = Kind("their_list_full", 409, "The other player's list is full.")

_KINDS = {
    Refusal.ONESELF: ONESELF,
    Refusal.NOT_ASKED: NOT_ASKED,
    Refusal.YOU_BLOCK_THEM: YOU_BLOCK_THEM,
    Refusal.LIST_FULL: LIST_FULL,
    Refusal.THEIR_LIST_FULL: THEIR_LIST_FULL,
    Refusal.UNKNOWN_PLAYER: UNKNOWN_PLAYER,
}


class Shown(StrEnum):
    """What another player is to the caller."""

    NONE = "none"
    ASKED = "asked"
    ASKED_BY = "asked_by"
    FRIENDS = "friends"
    BLOCKED = "blocked"


class ListOf(StrEnum):
    """Which list."""

    FRIENDS = "friends"
    ASKED = "asked"
    ASKED_BY = "asked_by"
    BLOCKED = "blocked"


class FriendsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``show``: friends, whom one has asked, by whom one was asked, or whom one has blocked."""

    show: ListOf = ListOf.FRIENDS
    cursor: Cursor = ""
    limit: Limit = PAGE_MAX


class OtherAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The other player."""

    player_id: Player


class FriendWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is asked to be a friend."""

    player_id: Player


class FriendAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Yes or no to a request."""

    accept: bool


class WhereaboutsShown(msgspec.Struct, frozen=True, kw_only=True):
    """``where``: offline, online, queued or match. ``game``: of the queue or the match."""

    where: Where
    game: str | None
    match: str | None


class FriendShown(msgspec.Struct, frozen=True, kw_only=True):
    """``since_ms``: of the last change. ``whereabouts``: of friends only, and null while it is not
    known."""

    player_id: str
    since_ms: int
    whereabouts: WhereaboutsShown | None


class FriendsShown(msgspec.Struct, frozen=True, kw_only=True):
    """A page, by id. ``total``: of the whole list; ``next``: cursor of the next page."""

    players: list[FriendShown]
    total: int
    next: str | None


class TieShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the other player is to the caller now."""

    player_id: str
    state: Shown


async def _list(services: Services, call: Call[FriendsAsked, Nothing]) -> FriendsShown:
    desk, asked = _desk(services), call.params
    found = await desk.listed(call.player.player_id, Side(asked.show))
    page, after = page_of(
        found, key=attrgetter("player_id"), cursor=asked.cursor, limit=asked.limit
    )
    located = await desk.located(page)
    return FriendsShown(players=[_shown(each) for each in located], total=len(found), next=after)


async def _request(services: Services, call: Call[Nothing, FriendWanted]) -> TieShown:
    return await _act(services, call, call.body.player_id, Act.REQUEST)


async def _answer(services: Services, call: Call[OtherAsked, FriendAnswer]) -> TieShown:
    act = Act.ACCEPT if call.body.accept else Act.DECLINE
    return await _act(services, call, call.params.player_id, act)


async def _remove(services: Services, call: Call[OtherAsked, Nothing]) -> Reply:
    await _act(services, call, call.params.player_id, Act.REMOVE)
    return Reply()


async def _block(services: Services, call: Call[OtherAsked, Nothing]) -> Reply:
    await _act(services, call, call.params.player_id, Act.BLOCK)
    return Reply()


async def _unblock(services: Services, call: Call[OtherAsked, Nothing]) -> Reply:
    await _act(services, call, call.params.player_id, Act.UNBLOCK)
    return Reply()


async def _act(
    services: Services,
    call: Call[OtherAsked, Nothing] | Call[Nothing, FriendWanted] | Call[OtherAsked, FriendAnswer],
    other: str,
    act: Act,
) -> TieShown:
    try:
        side = await _desk(services).act(call.player.player_id, PlayerId(other), act)
    except ActRefused as refused:
        raise Problem(_KINDS[refused.refusal]) from None
    return TieShown(player_id=other, state=Shown(side))


def _shown(friend: Friend) -> FriendShown:
    found = friend.whereabouts
    return FriendShown(
        player_id=friend.player_id,
        since_ms=friend.since_ms,
        whereabouts=None
        if found is None
        else WhereaboutsShown(where=found.where, game=found.game, match=found.match),
    )


def _desk(services: Services) -> FriendDesk:
    if services.friends is None:
        raise Problem(NO_FRIENDS)
    return services.friends


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/friends",
        tag="friends",
        summary="The own friends with their whereabouts, requests, or whom one has blocked",
        caller=Caller.PLAYER,
        rate=Rate.READ,
        handler=_list,
        params=FriendsAsked,
        answers={200: FriendsShown},
        problems=(NO_FRIENDS, BAD_CURSOR),
    ),
    Endpoint(
        method="POST",
        path="/v1/friends",
        tag="friends",
        summary="Ask a player to be friends",
        description="One who has asked already becomes a friend at once. The other is notified.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_request,
        body=FriendWanted,
        answers={201: TieShown},
        problems=(
            NO_FRIENDS, ONESELF, YOU_BLOCK_THEM, LIST_FULL, THEIR_LIST_FULL, UNKNOWN_PLAYER,
        ),
        idempotent=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/friends/{player_id}/answer",
        tag="friends",
        summary="Accept or decline a request",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_answer,
        params=OtherAsked,
        body=FriendAnswer,
        answers={200: TieShown},
        problems=(NO_FRIENDS, ONESELF, NOT_ASKED, LIST_FULL, THEIR_LIST_FULL),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/friends/{player_id}",
        tag="friends",
        summary="Remove a friend, or a request in either direction",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_remove,
        params=OtherAsked,
        answers={204: None},
        problems=(NO_FRIENDS, ONESELF),
    ),
    Endpoint(
        method="PUT",
        path="/v1/blocks/{player_id}",
        tag="friends",
        summary="Block a player, who is a friend no more and is told nothing",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_block,
        params=OtherAsked,
        answers={204: None},
        problems=(NO_FRIENDS, ONESELF, LIST_FULL, UNKNOWN_PLAYER),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/blocks/{player_id}",
        tag="friends",
        summary="Block a player no more",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_unblock,
        params=OtherAsked,
        answers={204: None},
        problems=(NO_FRIENDS, ONESELF),
    ),
)  # fmt: skip
