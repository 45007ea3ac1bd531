"""When a match steps: on a fixed schedule, or when something happens."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from typing import Protocol

from gameserver import hot
from gameserver.metrics import Metrics

_GOLDEN = (5**0.5 - 1) / 2
SLOT_S = 0.005
PAST_WAKE_S = 0.01
"""A game that asks to be woken in the past is stepped at most this often."""


Step = Callable[[float], None]
"""Given the loop's time in s."""


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


class Slot:
    """A place in the period at which some matches of one rate step, one after the other.

    It fires at ``origin + n * period``: lateness of one step does not move the next. A late one is
    followed at once by those that are due, one a turn of the loop so that other slots get theirs.
    Further behind than ``behind_max`` steps, time is skipped and counted.
    """

    __slots__ = (
        "_behind_max",
        "_clock",
        "_gone",
        "_handle",
        "_loop",
        "_metrics",
        "_number",
        "_origin",
        "_pacers",
        "_period",
        "_stepping",
        "_steps",
    )

    def __init__(self, *, period: float, origin: float, behind_max: int, metrics: Metrics) -> None:
        self._period = period
        self._origin = origin
        self._behind_max = behind_max
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._pacers: dict[FixedPacer, None] = {}
        self._steps: tuple[Step, ...] | None = None
        """Of all pacers, to be made anew when it is ``None``."""
        self._stepping = False
        self._gone: list[Step] = []
        """Of pacers that have been removed during the round at hand."""
        self._number = 0
        self._handle: asyncio.TimerHandle | None = None

    def add(self, pacer: FixedPacer) -> None:
        """Call its step from the next time on."""
        self._pacers[pacer] = None
        self._steps = None
        if pacer.step in self._gone:
            self._gone.remove(pacer.step)
        if self._handle is None:
            self._number = math.ceil((self._loop.time() - self._origin) / self._period)
            self._handle = self._loop.call_at(self._due, self._fire)

    def remove(self, pacer: FixedPacer) -> None:
        """Do not call its step any more, not even in the round at hand."""
        self._pacers.pop(pacer, None)
        self._steps = None
        if self._stepping:
            self._gone.append(pacer.step)
        if not self._pacers and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    @property
    def _due(self) -> float:
        return self._origin + self._number * self._period

    def _fire(self) -> None:
        metrics, due = self._metrics, self._due
        behind = int((self._clock() - due) / self._period)
        if behind > self._behind_max:
            metrics.ticks_skipped += behind * len(self._pacers)
            self._number += behind
        self._number += 1
        # Armed before the steps, which may stop the last pacer.
        self._handle = self._loop.call_at(self._due, self._fire)
        if self._steps is None:
            self._steps = tuple(pacer.step for pacer in self._pacers)
        self._stepping = True
        try:
            hot.step_all(
                self._steps,
                self._gone,
                due,
                self._clock,
                metrics.tick_lateness_ms,
                metrics.step_ms,
                self._failed,
            )
        finally:
            self._stepping = False
            self._gone.clear()

    def _failed(self) -> None:
        """A defect of ours in one match must not hold up those after it."""
        error = sys.exception()
        self._loop.call_exception_handler({"message": "a step has failed", "exception": error})


class Slots:
    """The slots of a node. Matches of one rate are spread over ``SLOT_S`` wide ones: that bounds
    how long one round of steps keeps the loop, and a timer for each match would cost more than its
    share of the loop."""

    def __init__(self, *, behind_max: int, metrics: Metrics) -> None:
        self.metrics = metrics
        self._behind_max = behind_max
        self._slots: dict[tuple[int, int], Slot] = {}

    def at(self, rate: int, phase: float) -> Slot:
        """The slot for steps at ``rate`` Hz that lie at ``phase`` (0 to 1) of the period."""
        period = 1 / rate
        count = max(1, round(period / SLOT_S))
        index = int(phase * count)
        slot = self._slots.get((rate, index))
        if slot is None:
            slot = self._slots[rate, index] = Slot(
                period=period,
                origin=index * period / count,
                behind_max=self._behind_max,
                metrics=self.metrics,
            )
        return slot


class FixedPacer:
    """Steps with a slot."""

    __slots__ = ("_rate", "_slot", "step")

    def __init__(self, step: Step, *, rate: int, slot: Slot) -> None:
        self.step = step
        self._rate = rate
        self._slot = slot

    def start(self) -> None:
        """Begin with the next place on the schedule."""
        self._slot.add(self)

    def stop(self) -> None:
        self._slot.remove(self)

    def request(self) -> None:
        """The next tick comes anyway."""

    def wake_at(self, time_ms: int | None) -> None:
        """The next tick comes anyway."""

    def time_ms(self, tick: int) -> int:
        return tick * 1000 // self._rate


class OnDemandPacer:
    """Steps once for everything that arrives in one turn of the loop, or when woken."""

    __slots__ = (
        "_base_ms",
        "_handle",
        "_loop",
        "_metrics",
        "_requested",
        "_running",
        "_since",
        "_step",
    )

    def __init__(self, step: Step, *, time_ms: int, metrics: Metrics) -> None:
        self._step = step
        self._metrics = metrics
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
        began = self._loop.time()
        self._step(began)
        self._metrics.step_ms.observe((self._loop.time() - began) * 1000)

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def make_pacer(step: Step, *, rate: int, phase: float, time_ms: int, slots: Slots) -> Pacer:
    """The pacer for a game of ``rate`` steps a second, 0 = on demand; ``time_ms``: match time."""
    if rate:
        return FixedPacer(step, rate=rate, slot=slots.at(rate, phase))
    return OnDemandPacer(step, time_ms=time_ms, metrics=slots.metrics)
