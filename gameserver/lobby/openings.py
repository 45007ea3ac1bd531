"""Takes proposals to a match, side by side, each until it is known what became of it.

begin ──► venue.open ──► opened ──► store.assign ───┬──► settled, and the table is told
              └──► not, after OPENING_TRIES ──► store.put_back ┘
                             no answer: again; another node is the master: lost
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gameserver.errors import StoreUnavailable, Unavailable
from gameserver.ids import MatchId
from gameserver.matchmaking import Proposal, Queue
from gameserver.matchmaking_ports import MatchmakingStore, Venue
from gameserver.ports import Entropy

logger = logging.getLogger(__name__)

OPENINGS_AT_ONCE = 32
OPENING_TRIES = 4
RETRY_S = 0.2


class Openings:
    """For ``Table``. ``lost``: another node is the master of the queue."""

    def __init__(
        self,
        queue: Queue,
        fence: int,
        *,
        store: MatchmakingStore,
        venue: Venue,
        entropy: Entropy,
        arrive_ms: int,
        settled: Callable[[Proposal, bool], None],
        failed: Callable[[], None],
    ) -> None:
        """``settled`` hears whether the match of a proposal was opened; ``failed``, that one has to
        be begun again."""
        self.lost = False
        self._queue = queue
        self._fence = fence
        self._store = store
        self._venue = venue
        self._entropy = entropy
        self._arrive_ms = arrive_ms
        self._settled = settled
        self._failed = failed
        self._tasks: dict[MatchId, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(OPENINGS_AT_ONCE)

    def __contains__(self, pid: MatchId) -> bool:
        """Whether the proposal is under way."""
        return pid in self._tasks

    def begin(self, proposal: Proposal) -> None:
        """Take it there, unless it is under way already."""
        pid = proposal.id
        if pid not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._open(proposal))
            self._tasks[pid] = task
            task.add_done_callback(lambda done: self._done(pid, done))

    async def cancel(self) -> None:
        """Leave all of them to the next master."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _open(self, proposal: Proposal) -> None:
        """Until it is known what became of it, or this node is no longer the master."""
        async with self._places:
            opened = await self._opened(proposal)
            while not self.lost:
                try:
                    if opened:
                        done = await self._store.assign(self._queue, self._fence, [proposal])
                    else:
                        done = await self._store.put_back(self._queue, self._fence, proposal)
                except StoreUnavailable:
                    await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))
                    continue
                if not done:
                    self.lost = True
                    return
                self._settled(proposal, opened)
                return

    async def _opened(self, proposal: Proposal) -> bool:
        for _ in range(OPENING_TRIES):
            try:
                return await self._venue.open(self._queue, proposal, arrive_ms=self._arrive_ms)
            except Unavailable as error:
                logger.warning(
                    "match not opened yet",
                    extra={"match": proposal.match, "error": str(error)},
                )
                await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))
        # If it has been opened after all, nobody will come, and it ends as abandoned.
        return False

    def _done(self, pid: MatchId, task: asyncio.Task[None]) -> None:
        del self._tasks[pid]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("an opening failed", exc_info=error, extra={"match": pid})
            self._failed()
