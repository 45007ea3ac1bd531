"""Writes the matches of a node to the store, many in a call.

    changed(match) ──► due within checkpoint_interval_ms ─┐
    urgent(match)  ──► due now (an event waits) ──────────┴► one flush under way at a time

Before each flush there must be a data key to seal with (``Sealer.ready``); while there is none,
events gather until their bound pauses the match. While a flush is under way the next one gathers,
so that the load itself makes the groups. A flush without an answer has an unknown outcome: the very
same commits are sent again until there is one, and a match makes no newer commit before.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import islice
from typing import Protocol

from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.match.backoff import delay_s
from gameserver.metrics import Metrics
from gameserver.ports import Commit, Entropy, MatchStore, Outcome, Sealer

logger = logging.getLogger(__name__)

COALESCE_S = 0.015
"""How long, in s, the first event of a flush waits for others: a commit in a group costs a fraction
of one alone, and ticks of matches are spread out."""
FLUSH_EVERY_S = 0.04
"""Flushes begin at least so far apart, in s, unless a whole group waits: where there are many
matches an event waits for its flush, on average, half of that, and then for the next frame."""
GROUP_AHEAD = 0.1
"""Matches that are due within this share of the interval come along: fewer and larger calls."""
GROUP_MAX = 16
"""Checkpoints encoded in one go: the loop stands still meanwhile."""
BACKOFF_MAX_S = 1.0


class Committed(Protocol):
    """A match, seen from the committer."""

    @property
    def match_id(self) -> MatchId: ...

    def prepare_commit(self) -> Commit | None:
        """The commit whose outcome is not known yet, else one of the state as it is now;
        ``None`` where there is nothing to write any more."""

    def commit_outcome(self, outcome: Outcome, sent_at: float) -> None:
        """What became of the commit that was prepared; ``sent_at``: the loop's time in s."""


class Committer:
    """One per node; ``run`` as a task."""

    def __init__(
        self,
        store: MatchStore,
        sealer: Sealer,
        *,
        interval_ms: int,
        lease_ttl_ms: int,
        entropy: Entropy,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._interval_s = interval_ms / 1000
        self._lease_ttl_ms = lease_ttl_ms
        self._entropy = entropy
        self._metrics = metrics
        self._urgent: dict[MatchId, Committed] = {}
        # In the order of the deadlines, because the interval is the same for all.
        self._due: dict[MatchId, tuple[float, Committed]] = {}
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        """A whole group is urgent, or has waited long enough."""
        self._flushed_at = 0.0
        self._loop = asyncio.get_running_loop()

    def changed(self, match: Committed) -> None:
        """The match's state is newer than its checkpoint."""
        if match.match_id not in self._due:
            self._due[match.match_id] = (self._loop.time() + self._interval_s, match)
            if len(self._due) == 1:
                self._wake.set()

    def urgent(self, match: Committed) -> None:
        """An event of the match waits to be announced."""
        self._urgent[match.match_id] = match
        self._wake.set()
        if len(self._urgent) >= GROUP_MAX:
            self._full.set()

    def drop(self, match: Committed) -> None:
        """The match is no longer this node's."""
        self._urgent.pop(match.match_id, None)
        self._due.pop(match.match_id, None)

    async def run(self) -> None:
        """Flush until cancelled."""
        attempt = 0
        while True:
            await self._until_due()
            if self._urgent and not attempt:
                await self._gather()
            # Without a key nothing is written at all: rather a pause than a name in the clear.
            await self._sealer.ready()
            if await self._flush(self._take()):
                attempt = 0
            else:
                pause_s = delay_s(attempt, self._entropy.jitter(), max_s=BACKOFF_MAX_S)
                attempt += 1
                await asyncio.sleep(pause_s)

    async def _until_due(self) -> None:
        while not self._urgent:
            self._wake.clear()
            if not self._due:
                await self._wake.wait()
                continue
            when = next(iter(self._due.values()))[0]
            if when <= self._loop.time():
                return
            timer = self._loop.call_at(when, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()

    async def _gather(self) -> None:
        """Let others join the first one that is urgent."""
        if len(self._urgent) < GROUP_MAX:
            self._full.clear()
            until = max(self._loop.time() + COALESCE_S, self._flushed_at + FLUSH_EVERY_S)
            timer = self._loop.call_at(until, self._full.set)
            try:
                await self._full.wait()
            finally:
                timer.cancel()
        self._flushed_at = self._loop.time()

    def _take(self) -> list[Committed]:
        """Whoever is urgent first, then whoever is due or nearly so, at most ``GROUP_MAX``."""
        soon = self._loop.time() + self._interval_s * GROUP_AHEAD
        taken = list(islice(self._urgent.values(), GROUP_MAX))
        for deadline, match in islice(self._due.values(), GROUP_MAX - len(taken)):
            if deadline > soon:
                break
            if match.match_id not in self._urgent:
                taken.append(match)
        for match in taken:
            self.drop(match)
        return taken

    async def _flush(self, matches: list[Committed]) -> bool:
        """Write a group; false where the store did not answer."""
        batch = [
            (match, commit) for match in matches if (commit := match.prepare_commit()) is not None
        ]
        if not batch:
            return True
        began = self._loop.time()
        try:
            outcomes = await self._store.commit(
                [commit for _, commit in batch], lease_ttl_ms=self._lease_ttl_ms
            )
        except StoreUnavailable as error:
            logger.warning("commit has no outcome yet", extra={"error": str(error)})
            for match, _ in batch:
                self.urgent(match)
            return False
        self._metrics.commit_ms.observe((self._loop.time() - began) * 1000)
        for (match, commit), outcome in zip(batch, outcomes, strict=True):
            if outcome is Outcome.COMMITTED:
                self._metrics.commits += 1
                self._metrics.events_committed += len(commit.records)
            match.commit_outcome(outcome, began)
        return True
