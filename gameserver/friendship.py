"""What two players are to one another, as a table, and the ports around it.

    http_friends ──FriendDesk──► players.friends.Friends ──FriendStore──► dynamodb_friends
    whoever lets players not hear one another ──Blocks──┘

Each of two players has a side of the pair. Both sides are there or neither is, and they change
together, so what is found at one side tells the other:

    ASKED ─ ASKED_BY    FRIENDS ─ FRIENDS    BLOCKED ─ BLOCKED_BY    BLOCKED ─ BLOCKED
                                             BLOCKED ─ IGNORED

Who is blocked does not see it: BLOCKED_BY is shown to nobody, and IGNORED looks like ASKED.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from gameserver.ids import PlayerId
from gameserver.whereabouts import Whereabouts


class Side(StrEnum):
    """What one player has of a pair."""

    NONE = "none"
    ASKED = "asked"  # has asked the other, who has not answered
    ASKED_BY = "asked_by"  # has been asked
    FRIENDS = "friends"
    BLOCKED = "blocked"  # has blocked the other
    BLOCKED_BY = "blocked_by"  # was blocked, and is not told
    IGNORED = "ignored"  # has asked one who has blocked them, and is not told


Pair = tuple[Side, Side]
"""The side of the player who acts, and the other's."""

NONE, ASKED, ASKED_BY, FRIENDS = Side.NONE, Side.ASKED, Side.ASKED_BY, Side.FRIENDS
BLOCKED, BLOCKED_BY, IGNORED = Side.BLOCKED, Side.BLOCKED_BY, Side.IGNORED

NOTHING: Pair = (NONE, NONE)
PAIRS: tuple[Pair, ...] = (
    NOTHING, (ASKED, ASKED_BY), (ASKED_BY, ASKED), (FRIENDS, FRIENDS), (BLOCKED, BLOCKED),
    (BLOCKED, BLOCKED_BY), (BLOCKED_BY, BLOCKED), (BLOCKED, IGNORED), (IGNORED, BLOCKED),
)  # fmt: skip


class Act(StrEnum):
    """What a player can do about another one."""

    REQUEST = "request"
    ACCEPT = "accept"
    DECLINE = "decline"
    REMOVE = "remove"  # a friend, or a request, whosever it is
    BLOCK = "block"
    UNBLOCK = "unblock"


CHANGES: dict[Act, dict[Pair, Pair]] = {
    Act.REQUEST: {
        NOTHING: (ASKED, ASKED_BY),
        (ASKED_BY, ASKED): (FRIENDS, FRIENDS),
        (BLOCKED_BY, BLOCKED): (IGNORED, BLOCKED),
    },
    Act.ACCEPT: {(ASKED_BY, ASKED): (FRIENDS, FRIENDS)},
    Act.DECLINE: {(ASKED_BY, ASKED): NOTHING},
    Act.REMOVE: {
        (ASKED, ASKED_BY): NOTHING,
        (ASKED_BY, ASKED): NOTHING,
        (FRIENDS, FRIENDS): NOTHING,
        (IGNORED, BLOCKED): (BLOCKED_BY, BLOCKED),
    },
    Act.BLOCK: {
        NOTHING: (BLOCKED, BLOCKED_BY),
        (ASKED, ASKED_BY): (BLOCKED, BLOCKED_BY),
        (ASKED_BY, ASKED): (BLOCKED, IGNORED),
        (FRIENDS, FRIENDS): (BLOCKED, BLOCKED_BY),
        (BLOCKED_BY, BLOCKED): (BLOCKED, BLOCKED),
        (IGNORED, BLOCKED): (BLOCKED, BLOCKED),
    },
    Act.UNBLOCK: {
        (BLOCKED, BLOCKED_BY): NOTHING,
        (BLOCKED, IGNORED): NOTHING,
        (BLOCKED, BLOCKED): (BLOCKED_BY, BLOCKED),
    },
}
"""What an act changes. A pair that is not named stays as it is, or the act is refused."""

REFUSED: dict[Act, frozenset[Side]] = {
    Act.REQUEST: frozenset({BLOCKED}),
    Act.ACCEPT: frozenset({NONE, ASKED, IGNORED, BLOCKED, BLOCKED_BY}),
    Act.DECLINE: frozenset({ASKED, IGNORED, FRIENDS}),
}
"""The own sides with which an act makes no sense; with all others it may be repeated."""


def after(pair: Pair, act: Act) -> Pair | None:
    """What becomes of the pair; ``None``: the act is refused."""
    if pair[0] in REFUSED.get(act, frozenset()):
        return None
    return CHANGES[act].get(pair, pair)


def shown(side: Side) -> Side:
    """The own side as its player may see it."""
    return {IGNORED: ASKED, BLOCKED_BY: NONE}.get(side, side)


# ── what is stored ───────────────────────────────────────────────────────────────────────────────


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """One side. ``since_ms``: wall time of its last change."""

    player_id: PlayerId
    other_id: PlayerId
    side: Side
    since_ms: int


class FriendStore(Protocol):
    """Both sides of all pairs; every method may raise ``TableUnavailable``, after which what was
    asked may or may not have happened, but never half of it."""

    async def pair(self, player_id: PlayerId, other_id: PlayerId) -> Pair:
        """What they are to one another now."""

    async def change(
        self, player_id: PlayerId, other_id: PlayerId, before: Pair, after: Pair, *, at_ms: int
    ) -> bool:
        """Both sides or none; false, and nothing done, where ``before`` is not what is there. The
        same again answers true."""

    async def ties(self, player_id: PlayerId) -> list[Tie]:
        """All sides of a player, by the other's id."""


# ── what is asked ────────────────────────────────────────────────────────────────────────────────


class Refusal(StrEnum):
    """Why an act is refused."""

    ONESELF = "oneself"
    NOT_ASKED = "not_asked"
    YOU_BLOCK_THEM = "you_block_them"
    LIST_FULL = "list_full"
    THEIR_LIST_FULL = "their_list_full"
    UNKNOWN_PLAYER = "unknown_player"


class ActRefused(Exception):
    """An act that makes no sense, or is over a bound."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Friend(msgspec.Struct, frozen=True, kw_only=True):
    """Another player on one's list. ``whereabouts``: of friends only."""

    player_id: PlayerId
    side: Side
    since_ms: int
    whereabouts: Whereabouts | None = None


class FriendDesk(Protocol):
    """Friends, as the HTTP API asks for them. Every method may raise ``Unavailable``."""

    async def act(self, player_id: PlayerId, other_id: PlayerId, act: Act) -> Side:
        """What the other is to the player then, as the player may see it. Raises ``ActRefused``."""

    async def listed(self, player_id: PlayerId, side: Side) -> list[Friend]:
        """All on the player's list who are ``side``, by their ids, without their whereabouts."""

    async def located(self, friends: Sequence[Friend]) -> list[Friend]:
        """With their whereabouts, where they are friends and that is known now."""


class Blocks(Protocol):
    """Who does not want to hear of whom: for chat, matchmaking, parties."""

    async def blocked_by(self, player_id: PlayerId) -> frozenset[PlayerId]:
        """Whom the player has blocked; may be a little old. Raises ``Unavailable``."""
