"""The lease of one match, as far as its node can know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gameserver.match.ledger import Ledger
from gameserver.match.pause import Pause
from gameserver.match.services import LEASE_TRUSTED, Services
from gameserver.ports import Lease

if TYPE_CHECKING:
    from gameserver.match.runner import Runner


class Tenure:
    """Implements ``lease.Leased`` for a ``Runner``: while the lease cannot be trusted, its match
    stands still."""

    __slots__ = (
        "_beat",
        "_ledger",
        "_loop",
        "_metrics",
        "_runner",
        "_trusted_s",
        "confirmed_at",
        "doubted",
    )

    def __init__(
        self, runner: Runner, ledger: Ledger, services: Services, *, confirmed_at: float
    ) -> None:
        self.confirmed_at = confirmed_at
        """When the lease was last confirmed, or rather asked for: the loop's time in s."""
        self.doubted = False
        """Whether the store is not where the match left it: no answer of it confirms anything."""
        self._runner = runner
        self._ledger = ledger
        self._metrics = services.metrics
        self._loop = asyncio.get_running_loop()
        self._trusted_s = services.config.lease_ttl_ms / 1000 * LEASE_TRUSTED
        self._beat = runner.play.beat
        self.trusted_until = confirmed_at + self._trusted_s

    @property
    def trusted_until(self) -> float:
        """By the loop's time in s: after that the lease may have run out."""
        return self._beat.trusted_until

    @trusted_until.setter
    def trusted_until(self, until: float) -> None:
        self._beat.trusted_until = until

    @property
    def lease(self) -> Lease:
        return Lease(self._runner.match_id, self._ledger.fence)

    def confirm(self, sent_at: float) -> None:
        """The store has prolonged the lease, asked at ``sent_at``."""
        self.confirmed_at = max(self.confirmed_at, sent_at)
        self.trusted_until = self.confirmed_at + self._trusted_s
        if not self.doubted and self._loop.time() <= self.trusted_until:
            self._runner.resume(Pause.LEASE)

    def has_lapsed(self) -> bool:
        """Whether the lease has run out, as far as this node can know; then the match stands still.
        To be asked whenever the process may have been asleep."""
        lapsed = self._loop.time() > self.trusted_until
        if lapsed:
            self.lapse()
        return lapsed

    def lapse(self) -> None:
        """The lease cannot be trusted any more: another owner may be about to take over."""
        if not self._runner.stands_still_for(Pause.LEASE):
            self._metrics.leases_lost += 1
            self._runner.pause(Pause.LEASE)

    def refuse(self) -> None:
        """The store does not know the lease. A commit will tell why: fenced, or store emptied."""
        self.lapse()
        self._ledger.dirty = True
        self._runner.commits.hurry()
