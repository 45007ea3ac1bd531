"""Keeps a node's idea of the maintenance mode that of the whole cluster.

operator ─► HTTP API of any node ─► MaintenanceWatch ─┐
operator ─► command line ─────────────────────────────┴─► Directory ─► the watch of every node
"""

from __future__ import annotations

import logging

from gameserver.maintenance import Maintenance, Notice, begun
from gameserver.metrics import Metrics
from gameserver.ports import Clock, Directory, LocalMatches
from gameserver.rounds import Rounds, shared

logger = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often a node looks; every one knows of a change after that and one call."""


class MaintenanceWatch:
    """Implements ``ports.MaintenanceControl``. While the directory does not answer, what it said
    last stays: an outage neither opens a closed cluster nor closes an open one."""

    def __init__(
        self,
        *,
        node: str,
        local: LocalMatches,
        directory: Directory,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._node = node
        self._local = local
        self._directory = directory
        self._clock = clock
        self._changes = 0
        self._rounds = Rounds(
            self._look,
            wait_s=shared(LOOK_S),
            logger=logger,
            failed="maintenance mode not known",
            on_defect=local.fail,
        )
        metrics.gauge(
            "maintenance",
            "1 while the cluster is in maintenance, as far as this node knows",
            lambda: float(self.current is not None),
        )

    @property
    def current(self) -> Maintenance | None:
        return self._local.maintenance

    async def turn_on(self, notice: Notice, *, by: str) -> Maintenance:
        """See ``ports.MaintenanceControl``."""
        wanted = begun(notice, earlier=self.current, by=by, now_ms=self._clock.wall_ms())
        await self._change(wanted)
        return wanted

    async def turn_off(self) -> None:
        """See ``ports.MaintenanceControl``."""
        await self._change(None)

    async def _change(self, wanted: Maintenance | None) -> None:
        await self._directory.set_maintenance(wanted)
        self._changes += 1
        self._hear(wanted)

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Look once, so that nobody is let in by a node that does not know yet, then keep looking.
        Idempotent. Raises ``StoreUnavailable``."""
        await self._look()
        self._rounds.start()

    async def stop(self) -> None:
        """Look no more. Idempotent."""
        await self._rounds.stop()

    async def _look(self) -> None:
        changes = self._changes
        found = await self._directory.maintenance()
        if changes == self._changes:  # Else the answer may be older than what was changed here.
            self._hear(found)

    def _hear(self, found: Maintenance | None) -> None:
        if found == self.current:
            return
        self._local.maintenance = found
        if found is None:
            logger.warning("maintenance off", extra={"node": self._node})
            return
        logger.warning(
            "maintenance on",
            extra={
                "node": self._node,
                "notice": found.message,
                "since_ms": found.since_ms,
                "until_ms": found.until_ms,
                "by": found.by,
            },
        )
