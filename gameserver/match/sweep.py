"""Matches that nobody owns are looked for by nodes in turn.

    take_turn ──► orphans, page after page ──► end_turn ──► adopt
        │                              └── all looked at in one turn: it runs out by itself
        └── another node has it, or all was looked at a moment ago: asked again later

All open matches are looked at once in half a lease, by all nodes together: one node at a time, a
few pages each, from where the one before it has stopped. A turn that is not ended, because its node
has died, runs out after half a lease, and the next node looks at the same pages again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.match.registry import Registry
from gameserver.ports import Entropy, MatchStore

logger = logging.getLogger(__name__)

WALKS_PER_LEASE = 2
PAGES_PER_TURN = 16
ADOPTED_AT_ONCE = 64
"""How many matches of a lost node are taken side by side."""


class Sweep:
    """This node's part in it."""

    def __init__(
        self, registry: Registry, store: MatchStore, *, lease_ttl_ms: int, entropy: Entropy
    ) -> None:
        self._registry = registry
        self._store = store
        self._turn_ms = lease_ttl_ms // WALKS_PER_LEASE
        self._entropy = entropy

    async def run(self) -> None:
        """Look until cancelled. The first look waits for nobody's turn: it takes over what an
        earlier process has left."""
        at_once = True
        while True:
            try:
                adopted = await self.look(at_once=at_once)
                at_once = False
                if adopted:
                    continue  # There may be more.
            except StoreUnavailable as error:
                logger.warning("sweep failed", extra={"error": str(error)})
            await asyncio.sleep(self._turn_ms / 1000 * (1 + self._entropy.jitter() / 4))

    async def look(self, *, at_once: bool = False) -> bool:
        """Take a turn, if there is one (``at_once``: in any case), and continue here what nobody
        owns, as far as there is room. Whether there was any. Raises ``StoreUnavailable``."""
        if not self._registry.room:
            return False
        turn = await self._store.take_turn(turn_ms=self._turn_ms, at_once=at_once)
        if turn is None:
            return False
        place, found = turn.place, list[MatchId]()
        for _ in range(PAGES_PER_TURN):
            page = await self._store.orphans(place)
            place = page.next_place
            found = [one for one in page.orphans if not self._registry.answers_for(one)]
            if found or not place:
                break
        if turn.place or place:  # A whole walk in one turn: the turn runs out when the next is due.
            await self._store.end_turn(turn, place=place, turn_ms=self._turn_ms)
        return await self._adopt(found)

    async def _adopt(self, found: Sequence[MatchId]) -> bool:
        adopted, done = False, 0
        while done < len(found) and (room := self._registry.room):
            some = found[done : done + min(room, ADOPTED_AT_ONCE)]
            done += len(some)
            outcomes = await asyncio.gather(
                *map(self._registry.adopt, some), return_exceptions=True
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            adopted = adopted or any(outcome is not None for outcome in outcomes)
        return adopted
