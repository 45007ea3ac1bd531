"""One timer for all bots: a calendar of time slots instead of a task or a heap entry per bot.

Setting a timer is one list append, and a wake-up of the loop serves every bot of the slot. A timer
that is set again leaves its old entry behind; the entry is skipped when its slot comes, because the
timer no longer names that slot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

NOT_SET = -1


class Due(Protocol):
    """What a wheel holds: a ``Timer``, or, where there are thousands of one kind, the object itself
    that a timer would call. ``slot`` is the wheel's."""

    slot: int

    def fire(self, now: float) -> None:
        """Its time has come."""


class Timer:
    """Calls ``call(now)`` once when due. Belongs to one wheel."""

    __slots__ = ("_call", "slot")

    def __init__(self, call: Callable[[float], None]) -> None:
        self._call = call
        self.slot = NOT_SET

    def fire(self, now: float) -> None:
        """Its time has come."""
        self._call(now)

    def cancel(self) -> None:
        """Do not fire any more, unless set again."""
        self.slot = NOT_SET

    @property
    def is_set(self) -> bool:
        return self.slot != NOT_SET


class Wheel:
    """Timers of one event loop. Times are seconds of a monotonic clock."""

    __slots__ = ("_current", "_served", "_slots", "resolution_s")

    def __init__(
        self,
        *,
        now: float,
        resolution_s: float = 0.002,
        served: Callable[[float, int], None] | None = None,
    ) -> None:
        """``served(at, fired)`` is called after each slot in which something fired; ``at``: when
        the slot was due."""
        if resolution_s <= 0:
            raise ValueError("resolution_s must be above 0")
        self.resolution_s = resolution_s
        self._slots: dict[int, list[Due]] = {}
        self._current = int(now / resolution_s)
        self._served = served

    def set(self, timer: Due, due: float) -> None:
        """Fire ``timer`` at ``due``, at most one resolution late; a time that has passed means the
        next slot. A timer that is set already is moved."""
        slot = int(due / self.resolution_s) + 1
        if slot <= self._current:
            slot = self._current + 1
        if timer.slot == slot:
            return
        timer.slot = slot
        timers = self._slots.get(slot)
        if timers is None:
            self._slots[slot] = [timer]
        else:
            timers.append(timer)

    def advance(self, now: float) -> int:
        """Fire everything that is due at ``now``, slot by slot; returns how many were fired.

        Timers may be set and cancelled by those that fire.
        """
        last = int(now / self.resolution_s)
        fired = 0
        slots = self._slots
        while self._current < last:
            self._current += 1
            timers = slots.pop(self._current, None)
            if timers is None:
                continue
            before = fired
            for timer in timers:
                if timer.slot == self._current:
                    timer.slot = NOT_SET
                    timer.fire(now)
                    fired += 1
            if self._served is not None and fired > before:
                self._served(self._current * self.resolution_s, fired - before)
        return fired

    @property
    def next_at(self) -> float:
        """When to call ``advance`` next."""
        return (self._current + 1) * self.resolution_s
