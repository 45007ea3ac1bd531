"""Writes a sample of the whole cluster down every few seconds.

Every node knows all heartbeats, so one of them can speak for all: the first by name. Where two
believe that they are it, the store keeps one sample of each moment; where the first has just died,
one sample is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from gameserver.ports import Clock, NodeInfo
from gameserver.rounds import Rounds
from gameserver.watching import SAMPLE_MS, FigureStore, Sample

logger = logging.getLogger(__name__)


def sampled(at_ms: int, nodes: Sequence[NodeInfo]) -> Sample:
    """What the heartbeats of ``nodes`` say together."""
    return Sample(
        at_ms=at_ms,
        nodes=len(nodes),
        sessions=sum(one.sessions for one in nodes),
        players=sum(one.players for one in nodes),
        matches=sum(one.matches for one in nodes),
        lateness_p99_ms=max(one.vitals.lateness_p99_ms for one in nodes),
        load=round(max(one.load for one in nodes), 3),
        outbox_events=sum(one.vitals.outbox_events for one in nodes),
        outbox_age_ms=max(one.vitals.outbox_age_ms for one in nodes),
    )


class FigureKeeper:
    """``nodes``: all of them, this one (``node``) too, as of their last heartbeat."""

    def __init__(
        self,
        store: FigureStore,
        *,
        node: str,
        nodes: Callable[[], Sequence[NodeInfo]],
        clock: Clock,
    ) -> None:
        self._store = store
        self._node = node
        self._nodes = nodes
        self._clock = clock
        self._rounds = Rounds(
            self.look, wait_s=self._left_s, logger=logger, failed="figures not kept"
        )

    def start(self) -> None:
        """Begin. Idempotent."""
        self._rounds.start()

    async def stop(self) -> None:
        """Idempotent."""
        await self._rounds.stop()

    async def look(self) -> None:
        """Write a sample down, if that is for this node to do. Raises ``StoreUnavailable``."""
        nodes = self._nodes()
        if min(one.name for one in nodes) != self._node:
            return
        now_ms = int(self._clock.wall_ms())
        await self._store.add(sampled(now_ms - now_ms % SAMPLE_MS, nodes))

    def _left_s(self) -> float:
        """Until the next moment of which there is a sample."""
        return (SAMPLE_MS - self._clock.wall_ms() % SAMPLE_MS) / 1000
