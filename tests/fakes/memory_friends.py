"""Friends in memory, with faults on demand."""

from __future__ import annotations

from gameserver.friendship import Pair, Side, Tie
from gameserver.ids import PlayerId
from tests.fakes.memory_tables import Faults


class MemoryFriends(Faults):
    """Implements ``friendship.FriendStore``."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[tuple[PlayerId, PlayerId], Tie] = {}

    async def pair(self, player_id: PlayerId, other_id: PlayerId) -> Pair:
        await self.call()
        return self._pair(player_id, other_id)

    async def change(
        self, player_id: PlayerId, other_id: PlayerId, before: Pair, after: Pair, *, at_ms: int
    ) -> bool:
        await self.call()
        if self._pair(player_id, other_id) != before:
            return self._pair(player_id, other_id) == after
        for own, other, was, side in (
            (player_id, other_id, before[0], after[0]),
            (other_id, player_id, before[1], after[1]),
        ):
            if side is Side.NONE:
                self.stored.pop((own, other), None)
            elif side is not was:
                tie = Tie(player_id=own, other_id=other, side=side, since_ms=at_ms)
                self.stored[own, other] = tie
        return True

    async def ties(self, player_id: PlayerId) -> list[Tie]:
        await self.call()
        return [tie for (own, _), tie in sorted(self.stored.items()) if own == player_id]

    def _pair(self, player_id: PlayerId, other_id: PlayerId) -> Pair:
        own, theirs = self.stored.get((player_id, other_id)), self.stored.get((other_id, player_id))
        return (
            Side.NONE if own is None else own.side,
            Side.NONE if theirs is None else theirs.side,
        )
