"""Friends: an act is a step of the table, carried out at both sides in one transaction.

act ──► pair ──after──► within the bounds? ──► change, where ``pair`` is still what is there
            ▲                                     │
            └──────── somebody was quicker ───────┘
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from gameserver.cache.port import Cache
from gameserver.cache.typed import Cached
from gameserver.errors import StoreUnavailable, TableUnavailable
from gameserver.friendship import (
    Act,
    ActRefused,
    Friend,
    FriendStore,
    Pair,
    Refusal,
    Side,
    Tie,
    after,
    shown,
)
from gameserver.ids import PlayerId
from gameserver.notification import DAY_MS, Notification, Notifier
from gameserver.players.port import BLOCKS_KIND, ProfileDesk
from gameserver.ports import Clock
from gameserver.whereabouts import Finder

TRIES = 4
KEEP_MS = DAY_MS
REQUEST = "friend_request"
ACCEPTED = "friend_accepted"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a kind a player may have. Looked at before a change: as many more may come about
    as are made at the very same time."""

    friends: int
    requests: int
    """Of each direction."""
    blocks: int

    def of(self, side: Side) -> int | None:
        """Of one kind; ``None``: it has no bound of its own."""
        match side:
            case Side.FRIENDS:
                return self.friends
            case Side.ASKED | Side.ASKED_BY:
                return self.requests
            case Side.BLOCKED:
                return self.blocks
            case _:
                return None


class Blocked(msgspec.Struct, frozen=True, array_like=True):
    """Whom a player has blocked, as the cache has it."""

    players: list[PlayerId]


class Friends:
    """Implements ``friendship.FriendDesk`` and ``friendship.Blocks``. Without ``profiles`` any id
    is taken for a player's. ``blocks_ttl_ms``: how old an answer of ``blocked_by`` may be where an
    invalidation was lost."""

    def __init__(
        self,
        store: FriendStore,
        finder: Finder,
        notifier: Notifier,
        cache: Cache,
        *,
        profiles: ProfileDesk | None,
        bounds: Bounds,
        clock: Clock,
        blocks_ttl_ms: int,
    ) -> None:
        self._store = store
        self._finder = finder
        self._notifier = notifier
        self._profiles = profiles
        self._bounds = bounds
        self._clock = clock
        self._blocks = Cached(cache, BLOCKS_KIND, Blocked, ttl_ms=blocks_ttl_ms)

    # ── FriendDesk ───────────────────────────────────────────────────────────────────────────

    async def act(self, player_id: PlayerId, other_id: PlayerId, act: Act) -> Side:
        """See ``friendship.FriendDesk``."""
        if player_id == other_id:
            raise ActRefused(Refusal.ONESELF)
        for _ in range(TRIES):
            before = await self._store.pair(player_id, other_id)
            then = after(before, act)
            if then is None:
                blocking = before[0] is Side.BLOCKED and act is Act.REQUEST
                raise ActRefused(Refusal.YOU_BLOCK_THEM if blocking else Refusal.NOT_ASKED)
            if then == before:
                return shown(then[0])
            await self._check(player_id, other_id, before, then)
            if await self._change(player_id, other_id, before, then):
                self._tell(player_id, other_id, then, act)
                return shown(then[0])
        raise TableUnavailable("the two have changed all the time")

    async def listed(self, player_id: PlayerId, side: Side) -> list[Friend]:
        """See ``friendship.FriendDesk``."""
        return [
            Friend(player_id=tie.other_id, side=side, since_ms=tie.since_ms)
            for tie in await self._store.ties(player_id)
            if shown(tie.side) is side
        ]

    async def located(self, friends: Sequence[Friend]) -> list[Friend]:
        """See ``friendship.FriendDesk``."""
        asked = [each.player_id for each in friends if each.side is Side.FRIENDS]
        try:
            found = await self._finder.find(asked) if asked else {}
        except StoreUnavailable:
            found = {}
        return [
            msgspec.structs.replace(each, whereabouts=found.get(each.player_id)) for each in friends
        ]

    # ── Blocks ───────────────────────────────────────────────────────────────────────────────

    async def blocked_by(self, player_id: PlayerId) -> frozenset[PlayerId]:
        """See ``friendship.Blocks``."""

        async def load() -> Blocked:
            ties = await self._store.ties(player_id)
            return Blocked([tie.other_id for tie in ties if tie.side is Side.BLOCKED])

        found = await self._blocks.get_or_load(player_id, load)
        return frozenset(() if found is None else found.players)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _check(
        self, player_id: PlayerId, other_id: PlayerId, before: Pair, then: Pair
    ) -> None:
        """Raises ``ActRefused`` where a list has no room, or there is no such player."""
        if before == (Side.NONE, Side.NONE) and self._profiles is not None:
            if await self._profiles.public(other_id) is None:
                raise ActRefused(Refusal.UNKNOWN_PLAYER)
        own, theirs = Refusal.LIST_FULL, Refusal.THEIR_LIST_FULL
        for owner, was, side, refusal in (
            (player_id, before[0], then[0], own),
            (other_id, before[1], then[1], theirs),
        ):
            most = None if shown(was) is shown(side) else self._bounds.of(shown(side))
            if most is not None and _count(await self._store.ties(owner), shown(side)) >= most:
                raise ActRefused(refusal)

    async def _change(
        self, player_id: PlayerId, other_id: PlayerId, before: Pair, then: Pair
    ) -> bool:
        try:
            return await self._store.change(
                player_id, other_id, before, then, at_ms=self._clock.wall_ms()
            )
        finally:
            # Whatever came of it: it may have happened.
            if Side.BLOCKED in (before[0], then[0]):
                await self._blocks.invalidate(player_id)

    def _tell(self, player_id: PlayerId, other_id: PlayerId, then: Pair, act: Act) -> None:
        if act not in (Act.REQUEST, Act.ACCEPT):
            return
        kind = {Side.ASKED_BY: REQUEST, Side.FRIENDS: ACCEPTED}.get(then[1])
        if kind is not None:
            self._notifier.notify(
                other_id, Notification(kind=kind, sender=player_id, keep_ms=KEEP_MS)
            )


def _count(ties: Sequence[Tie], side: Side) -> int:
    return Counter(shown(tie.side) for tie in ties)[side]
