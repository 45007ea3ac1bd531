"""Keeps the leases of a node's matches, all in one call.

0 ────────── TTL/3 ─────────────── 0.8 TTL ────── TTL
confirmed    renewed from here     not trusted    others may acquire
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from gameserver.errors import StoreUnavailable
from gameserver.match.services import LEASE_TRUSTED
from gameserver.ports import Entropy, Lease, MatchStore

logger = logging.getLogger(__name__)

_ROUNDS_PER_TTL = 12
"""How often the leases are looked through: rounds of a fourth of the renewal interval."""


class Leased(Protocol):
    """Something held under a lease."""

    @property
    def lease(self) -> Lease: ...
    @property
    def confirmed_at(self) -> float:
        """When the store last confirmed the lease: the loop's time in s at which it was asked."""

    def confirm(self, sent_at: float) -> None:
        """The store has prolonged the lease."""

    def lapse(self) -> None:
        """It has not for so long that the lease cannot be trusted."""

    def refuse(self) -> None:
        """The store has another fence."""


class LeaseKeeper:
    """``run`` as a task. Commits prolong leases too, so busy matches rarely need a renewal."""

    def __init__(
        self,
        store: MatchStore,
        held: Callable[[], Iterable[Leased]],
        *,
        lease_ttl_ms: int,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._held = held
        self._ttl_ms = lease_ttl_ms
        self._ttl_s = lease_ttl_ms / 1000
        self._entropy = entropy

    async def run(self) -> None:
        """Renew until cancelled. A round without an answer is followed by the next one: the
        rounds are as far apart as a retry should be."""
        loop, held = asyncio.get_running_loop(), False
        while True:
            jitter = 0.75 + self._entropy.jitter() / 2
            # What is taken while there was nothing is looked at before it is due.
            rounds = _ROUNDS_PER_TTL if held else _ROUNDS_PER_TTL / 3
            await asyncio.sleep(self._ttl_s / rounds * jitter)
            now, held = loop.time(), False
            due: list[Leased] = []
            for one in self._held():
                held = True
                age_s = now - one.confirmed_at
                if age_s > self._ttl_s * LEASE_TRUSTED:
                    one.lapse()
                if age_s >= self._ttl_s / 3 * jitter:
                    due.append(one)
            if due:
                await self._renew(due, now)

    async def _renew(self, due: list[Leased], sent_at: float) -> None:
        try:
            answers = await self._store.renew([one.lease for one in due], lease_ttl_ms=self._ttl_ms)
        except StoreUnavailable as error:
            logger.warning("leases not renewed", extra={"error": str(error)})
            return
        for one, renewed in zip(due, answers, strict=True):
            if renewed:
                one.confirm(sent_at)
            else:
                one.refuse()
