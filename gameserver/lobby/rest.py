"""How long a table rests between two rounds: a moment, or, with nobody waiting, until one comes."""

from __future__ import annotations

import asyncio

from gameserver.ports import Entropy
from gameserver.rounds import shared

ROUND_S = 0.25
IDLE_S = 1.0
"""Between the rounds of an empty queue. Its first ticket is told by the node that takes it
(``notice``), so that it waits for so long only where that message is lost."""


class Rest:
    """Of one table."""

    __slots__ = ("_entropy", "_idle_s", "_noticed", "_wake")

    def __init__(self, entropy: Entropy, *, lease_ttl_ms: int) -> None:
        self._entropy = entropy
        self._noticed = False
        self._wake = asyncio.Event()
        # A short lease has to be renewed sooner.
        self._idle_s = shared(min(IDLE_S, max(ROUND_S, lease_ttl_ms / 2000)))

    def notice(self) -> None:
        """The first ticket has come to an empty queue: look soon."""
        self._noticed = True
        self._wake.set()

    async def take(self, *, idle: bool) -> None:
        """Until the next round. ``idle``: nobody waits and nothing is under way."""
        if not idle:
            await asyncio.sleep(ROUND_S * (0.9 + self._entropy.jitter() / 5))
            return
        if not self._noticed:
            timer = asyncio.get_running_loop().call_later(self._idle_s(), self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
        self._wake.clear()
        if self._noticed:
            self._noticed = False
            await asyncio.sleep(ROUND_S / 2)  # Whoever comes with the first is seen with the first.
