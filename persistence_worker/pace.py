"""At most so many steps a second."""

from __future__ import annotations

import asyncio


class Pace:
    """``await pace()`` before each step; ``per_s=None`` never waits. What was not used is not
    saved up."""

    def __init__(self, per_s: float | None) -> None:
        self._pause_s = 1 / per_s if per_s else 0.0
        self._next = 0.0

    async def __call__(self) -> None:
        """Wait until the next step may be taken."""
        if not self._pause_s:
            return
        now = asyncio.get_running_loop().time()
        wait_s = self._next - now
        self._next = max(now, self._next) + self._pause_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)
