"""Carries committed events to the queue: at least once, many in a call.

    Outbox ─┐                     ┌ taken ──► Outbox.relayed ──► store.trim (rides on a commit)
    Outbox ─┼─ bundles ─► send ───┤
    Outbox ─┘  (≤ 10 a call)      └ failed, or no answer ──► again, after a pause with jitter

One call is under way at a time, and a match's events go in their order; after a failure a later
bundle may overtake, which the worker does not mind. What is lost here with the process is still in
the store's outbox, and the next owner of the match relays it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gameserver.errors import QueueUnavailable, StoreUnavailable
from gameserver.ids import MatchId
from gameserver.match.backoff import delay_s
from gameserver.match.bundles import Bundle, Packer
from gameserver.match.outbox import Outbox
from gameserver.match.traced import MatchTraces
from gameserver.metrics import Metrics
from gameserver.ports import Entropy, EventQueue, MatchStore

logger = logging.getLogger(__name__)

LINGER_S = 0.25
"""Wait for more after the first event, in s: SQS bills by the call, each costs 2 ms of CPU, and the
worker's batches grow."""
TRIM_IDLE_S = 5.0
"""A match that commits no more has its outbox trimmed after about this long."""


class Relay:
    """``open`` an outbox for each match, ``run`` as a task."""

    def __init__(
        self,
        queue: EventQueue,
        store: MatchStore,
        *,
        entropy: Entropy,
        metrics: Metrics,
        traces: MatchTraces | None = None,
    ) -> None:
        self._queue = queue
        self._traces = traces
        self._store = store
        self._entropy = entropy
        self._metrics = metrics
        self._waiting: dict[MatchId, Outbox] = {}
        self._untrimmed: dict[MatchId, Outbox] = {}
        self._wake = asyncio.Event()
        self.idle = asyncio.Event()
        """Set while nothing waits."""
        self.idle.set()

    @property
    def unrelayed(self) -> int:
        """Events committed and not yet taken by the queue."""
        return sum(map(len, self._waiting.values()))

    @property
    def unrelayed_bytes(self) -> int:
        """Their records' bytes."""
        return sum(outbox.bytes for outbox in self._waiting.values())

    @property
    def oldest_at(self) -> float | None:
        """The loop's time in s of the step that stated the oldest of them."""
        firsts = (outbox.first for outbox in self._waiting.values())
        return min((one.at for one in firsts if one is not None), default=None)

    def open(self, match_id: MatchId, *, last_seq: int) -> Outbox:
        """The outbox of a match whose events up to ``last_seq`` need no relay."""
        return Outbox(match_id, last_seq=last_seq, wake=self._woken)

    def close(self, outbox: Outbox) -> None:
        """The match is another's, or forgotten."""
        self._waiting.pop(outbox.match_id, None)
        self._untrimmed.pop(outbox.match_id, None)
        if not self._waiting:
            self.idle.set()

    def _woken(self, outbox: Outbox) -> None:
        self._waiting[outbox.match_id] = outbox
        self._wake.set()
        self.idle.clear()

    async def run(self) -> None:
        """Relay until cancelled."""
        attempt = 0
        while True:
            await self._wake.wait()
            await asyncio.sleep(delay_s(attempt, self._entropy.jitter()) if attempt else LINGER_S)
            attempt = 0 if await self._send_some() else attempt + 1
            if not self._waiting:
                self._wake.clear()
                self.idle.set()

    async def _send_some(self) -> bool:
        """One call; false where a pause is due."""
        bundles = self._pack()
        if not bundles:
            return True
        try:
            taken = await self._send(bundles)
        except QueueUnavailable as error:
            logger.warning("queue unavailable", extra={"error": str(error)})
            return False
        now = asyncio.get_running_loop().time()
        for bundle, ok in zip(bundles, taken, strict=True):
            if ok:
                self._taken(bundle, now)
        return all(taken)

    async def _send(self, bundles: Sequence[Bundle]) -> list[bool]:
        bodies = [bundle.body for bundle in bundles]
        if self._traces is None:
            return await self._queue.send(bodies)
        sendings = [self._traces.sending(bundle.parts) for bundle in bundles]
        try:
            taken = await self._queue.send(bodies, [each.attribute for each in sendings])
        except BaseException as error:
            for each in sendings:
                each.ended(type(error).__name__)
            raise
        for bundle, each, ok in zip(bundles, sendings, taken, strict=True):
            each.ended("" if ok else "not taken")
            if ok:
                self._traces.sent(bundle.parts)
        return taken

    def _taken(self, bundle: Bundle, now: float) -> None:
        for outbox, entries in bundle.parts.items():
            self._metrics.events_relayed += len(entries)
            for one in entries:
                self._metrics.relay_ms.observe((now - one.at) * 1000)
            outbox.relayed(one.entry.seq for one in entries)
            self._untrimmed.setdefault(outbox.match_id, outbox)
            if not outbox:
                self._waiting.pop(outbox.match_id, None)

    def _pack(self) -> list[Bundle]:
        """Up to one call's worth. A match that had its turn goes behind the others."""
        packer = Packer()
        for match_id, outbox in list(self._waiting.items()):
            for one in outbox.entries():
                if not packer.add(outbox, one):
                    return packer.finish()
            self._waiting[match_id] = self._waiting.pop(match_id)
        return packer.finish()

    async def run_trim(self) -> None:
        """Trim for matches that do not commit any more, until cancelled."""
        while True:
            await asyncio.sleep(TRIM_IDLE_S * (0.75 + self._entropy.jitter() / 2))
            # What was seen the last time and has not been trimmed by a commit since.
            for match_id, outbox in list(self._untrimmed.items()):
                if outbox.trimmed_seq >= outbox.relayed_seq:
                    self._untrimmed.pop(match_id, None)
                    continue
                seq = outbox.relayed_seq
                try:
                    await self._store.trim(match_id, up_to_seq=seq)
                except StoreUnavailable as error:
                    logger.warning("trim failed", extra={"error": str(error)})
                    break
                outbox.trimmed_seq = max(outbox.trimmed_seq, seq)
