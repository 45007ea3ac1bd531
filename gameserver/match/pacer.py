"""When a match steps: on a fixed schedule, or when something happens."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from gameserver.metrics import Metrics

_GOLDEN = (5**0.5 - 1) / 2
PAST_WAKE_S = 0.01
"""A game that asks to be woken in the past is stepped at most this often."""


class Pacer(Protocol):
    """Calls a match's ``step``. Stopped at first, and restartable."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def request(self) -> None:
        """Something has happened that a step should see soon."""

    def wake_at(self, time_ms: int | None) -> None:
        """Step at match time ``time_ms`` even if nothing happens."""

    def time_ms(self, tick: int) -> int:
        """Match time of the step after ``tick`` completed ones; grows only while started."""


def phase(number: int) -> float:
    """Where in its period the ``number``-th match steps, from 0 to 1: multiples of the golden
    ratio keep any number of consecutive matches evenly spread."""
    return number * _GOLDEN % 1.0


class FixedPacer:
    """Steps at ``origin + n * period``: lateness of one step does not move the next.

    A late step is followed at once by those that are due, one a turn of the loop so that other
    matches get theirs. Further behind than ``behind_max`` steps, time is skipped and counted.
    """

    __slots__ = (
        "_behind_max",
        "_handle",
        "_loop",
        "_metrics",
        "_number",
        "_origin",
        "_period",
        "_rate",
        "_step",
    )

    def __init__(
        self,
        step: Callable[[], None],
        *,
        rate: int,
        phase: float,
        behind_max: int,
        metrics: Metrics,
    ) -> None:
        self._step = step
        self._rate = rate
        self._period = 1 / rate
        self._origin = phase * self._period
        self._behind_max = behind_max
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin with the next place on the schedule."""
        if self._handle is None:
            self._number = math.ceil((self._loop.time() - self._origin) / self._period)
            self._handle = self._loop.call_at(self._due, self._fire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def request(self) -> None:
        """The next tick comes anyway."""

    def wake_at(self, time_ms: int | None) -> None:
        """The next tick comes anyway."""

    def time_ms(self, tick: int) -> int:
        return tick * 1000 // self._rate

    @property
    def _due(self) -> float:
        return self._origin + self._number * self._period

    def _fire(self) -> None:
        late = self._loop.time() - self._due
        self._metrics.tick_lateness_ms.observe(late * 1000 if late > 0 else 0.0)
        behind = int(late / self._period)
        if behind > self._behind_max:
            self._metrics.ticks_skipped += behind
            self._number += behind
        self._number += 1
        # Armed before the step, which may stop the pacer.
        self._handle = self._loop.call_at(self._due, self._fire)
        self._step()


class OnDemandPacer:
    """Steps once for everything that arrives in one turn of the loop, or when woken."""

    __slots__ = ("_base_ms", "_handle", "_loop", "_requested", "_running", "_since", "_step")

    def __init__(self, step: Callable[[], None], *, time_ms: int) -> None:
        self._step = step
        self._loop = asyncio.get_running_loop()
        self._base_ms = time_ms
        self._since = 0.0
        self._running = False
        self._requested = False
        self._handle: asyncio.Handle | None = None

    def start(self) -> None:
        """Let time go on, and step at once: nobody knows what has happened meanwhile."""
        if not self._running:
            self._running = True
            self._since = self._loop.time()
            self.request()

    def stop(self) -> None:
        if self._running:
            self._base_ms = self.time_ms(0)
            self._running = False
            self._requested = False
            self._cancel()

    def request(self) -> None:
        if self._running and not self._requested:
            self._requested = True
            self._cancel()
            self._handle = self._loop.call_soon(self._fire)

    def wake_at(self, time_ms: int | None) -> None:
        if self._requested or not self._running:
            return
        self._cancel()
        if time_ms is not None:
            # Half a millisecond more, because match time is cut to whole ones.
            wait_s = max(PAST_WAKE_S, (time_ms - self.time_ms(0) + 0.5) / 1000)
            self._handle = self._loop.call_later(wait_s, self._fire)

    def time_ms(self, tick: int) -> int:
        if not self._running:
            return self._base_ms
        return self._base_ms + int((self._loop.time() - self._since) * 1000)

    def _fire(self) -> None:
        self._requested = False
        self._handle = None
        self._step()

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def make_pacer(
    step: Callable[[], None],
    *,
    rate: int,
    phase: float,
    time_ms: int,
    behind_max: int,
    metrics: Metrics,
) -> Pacer:
    """The pacer for a game of ``rate`` steps a second, 0 = on demand; ``time_ms``: match time."""
    if rate:
        return FixedPacer(step, rate=rate, phase=phase, behind_max=behind_max, metrics=metrics)
    return OnDemandPacer(step, time_ms=time_ms)
