"""What is left of a match after its end: a lease, and events that the queue has not taken yet."""

from __future__ import annotations

import asyncio
import logging

from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.match.backoff import delay_s
from gameserver.match.outbox import Outbox
from gameserver.match.relay import Relay
from gameserver.ports import Entropy, Lease, MatchStore

logger = logging.getLogger(__name__)


class Remains:
    """Held under its lease until its outbox is empty, so that nobody else relays it again."""

    __slots__ = ("confirmed_at", "lease", "lost", "outbox")

    def __init__(self, lease: Lease, outbox: Outbox, *, confirmed_at: float) -> None:
        self.lease = lease
        self.outbox = outbox
        self.confirmed_at = confirmed_at
        self.lost = False

    def confirm(self, sent_at: float) -> None:
        """See ``lease.Leased``."""
        self.confirmed_at = max(self.confirmed_at, sent_at)

    def lapse(self) -> None:
        """Another owner would only relay the same events again, which does no harm."""

    def refuse(self) -> None:
        """Another owner relays them."""
        self.lost = True
        if self.outbox.on_relayed is not None:
            self.outbox.on_relayed()


class Undertaker:
    """Forgets matches whose end is relayed; ``run`` as a task."""

    def __init__(self, store: MatchStore, relay: Relay, *, entropy: Entropy) -> None:
        self._store = store
        self._relay = relay
        self._entropy = entropy
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.all: dict[MatchId, Remains] = {}

    def take(self, remains: Remains) -> None:
        """The match has ended, durably."""
        self.all[remains.lease.match_id] = remains
        self._empty.clear()
        remains.outbox.on_relayed = self._wake.set
        self._wake.set()

    async def run(self) -> None:
        """Forget what can be forgotten, until cancelled."""
        attempt = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._forget_relayed()
                attempt = 0
            except StoreUnavailable as error:
                logger.warning("ended matches stay for now", extra={"error": str(error)})
                pause_s = delay_s(attempt, self._entropy.jitter())
                attempt += 1
                await asyncio.sleep(pause_s)
                self._wake.set()

    async def leave(self, *, within_s: float) -> None:
        """Wait until all is forgotten, and leave the rest to whoever sweeps next."""
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        except TimeoutError:
            pass
        for match_id, remains in list(self.all.items()):
            self._drop(match_id, remains)
            try:
                await self._store.release(remains.lease)
            except StoreUnavailable as error:
                logger.warning("lease not released", extra={"error": str(error)})
                return  # They run out by themselves.

    async def _forget_relayed(self) -> None:
        for match_id, remains in list(self.all.items()):
            if remains.lost:
                self._drop(match_id, remains)
            elif not remains.outbox:
                await self._store.trim(match_id, up_to_seq=remains.outbox.relayed_seq)
                # False means that another owner has it by now; either way it is not ours.
                await self._store.forget(remains.lease)
                self._drop(match_id, remains)

    def _drop(self, match_id: MatchId, remains: Remains) -> None:
        self.all.pop(match_id, None)
        if not self.all:
            self._empty.set()
        self._relay.close(remains.outbox)
