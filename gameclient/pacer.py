"""An input in every tick."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

MISSED_MAX = 3
"""So many missed ticks are made up for; more are left out."""


class Pacer:
    """Calls ``act(due)`` once in every ``period_s``, without drift: as often as the server ticks.
    Times are ``time.monotonic()``'s."""

    def __init__(
        self,
        period_s: float,
        act: Callable[[float], object],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._period_s = period_s
        self._act = act
        self._now = now
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """From one period on, until ``stop``."""
        self.stop()
        self._due = self._now() + self._period_s
        self._wait()

    def stop(self) -> None:
        """No more calls."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._timer = None

    def run(self) -> None:
        """Make the calls that are due."""
        now = self._now()
        if self._due is not None and now - self._due > MISSED_MAX * self._period_s:
            self._due = now
        while self._due is not None and self._due <= now:
            due = self._due
            self._due += self._period_s
            self._act(due)

    def _wait(self) -> None:
        if self._due is not None:
            wait_s = max(0.0, self._due - self._now())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._fire)

    def _fire(self) -> None:
        self.run()
        self._wait()
