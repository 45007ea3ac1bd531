"""The matches of all nodes, for lists.

    every node, once a second ─► Directory ─► whoever is asked for a list, at most twice a second

A list is not the truth: a match may have filled up or ended since. It is at most ``FRESH_S`` old: a
node writes every ``SHOW_S``, and a reader keeps what it read for ``KEEP_S``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from gameserver.cluster.peers import Peers
from gameserver.game.contract import AnyGame
from gameserver.listing import Catalogue
from gameserver.ports import Directory, Entropy, LocalMatches
from gameserver.rounds import Rounds, about

logger = logging.getLogger(__name__)

SHOW_S = 1.0
KEEP_S = 0.5
SHOWN_MS = 4_000
"""A node that has not written for so long has no matches in lists."""


class ClusterBulletin:
    """Implements ``listing.Bulletin``."""

    def __init__(
        self,
        *,
        node: str,
        local: LocalMatches,
        directory: Directory,
        peers: Peers,
        entropy: Entropy,
    ) -> None:
        self._node = node
        self._local = local
        self._directory = directory
        self._peers = peers
        self._loop = asyncio.get_running_loop()
        self._catalogue = Catalogue([])
        self._until = float("-inf")
        self._reading: asyncio.Task[Catalogue] | None = None
        self._shown = 0
        self._rounds = Rounds(
            self._show,
            wait_s=about(SHOW_S, entropy, spread=0.1),
            logger=logger,
            failed="matches not shown",
            on_defect=local.fail,
        )

    @property
    def games(self) -> Mapping[str, AnyGame]:
        return self._local.games

    async def current(self) -> Catalogue:
        """See ``Bulletin``. Callers at the same time share one call."""
        if self._loop.time() < self._until:
            return self._catalogue
        task = self._reading
        if task is None:
            task = self._reading = self._loop.create_task(self._read())
            task.add_done_callback(self._read_done)
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Something has changed here that the next list should show."""
        self._until = float("-inf")

    async def _read(self) -> Catalogue:
        nodes = sorted(self._peers.names)
        elsewhere = await self._directory.shown(nodes) if nodes else []
        own = self._local.listing()
        here = {one.id for one in own}  # One that has just moved here may still be shown there.
        found = {one.id: one for one in elsewhere if one.id not in here}
        self._catalogue = Catalogue([*own, *found.values()])
        self._until = self._loop.time() + KEEP_S
        return self._catalogue

    def _read_done(self, task: asyncio.Task[Catalogue]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # Whoever waits raises it.

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Show this node's matches from now on. Idempotent."""
        self._rounds.start()

    async def stop(self) -> None:
        """Show nothing more. Idempotent."""
        await self._rounds.stop()
        if self._reading is not None:
            self._reading.cancel()

    async def _show(self) -> None:
        """Nothing is written where nobody is there to read it, or there never was anything."""
        if not self._peers.names:
            return
        matches = self._local.listing()
        if matches or self._shown:
            await self._directory.show(self._node, matches, ttl_ms=SHOWN_MS)
        self._shown = len(matches)
