"""One timer that visits every connection once a period, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

SLOTS = 64
"""Parts of the period. Connections are dealt to them in turn, so a crowd that arrives at once is
spread over the whole period, and no turn writes to thousands of sockets in one go."""


class Visited(Hashable, Protocol):
    """What the wheel visits."""

    def visit(self) -> None:
        """Called once a period; must not raise."""


VisitedT = TypeVar("VisitedT", bound=Visited)


class PingWheel(Generic[VisitedT]):
    """The open connections, each visited every ``period_s`` seconds."""

    __slots__ = ("_at", "_dealt", "_loop", "_period_s", "_slot_of", "_slots", "_timer", "_turned")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, period_s: float) -> None:
        self._loop = loop
        self._period_s = period_s
        self._slots: list[set[VisitedT]] = [set() for _ in range(SLOTS)]
        self._slot_of: dict[VisitedT, int] = {}
        self._dealt = 0
        self._turned = 0
        self._at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._slot_of)

    def __iter__(self) -> Iterator[VisitedT]:
        return iter(tuple(self._slot_of))

    def add(self, visited: VisitedT) -> None:
        """Visit ``visited`` from now on."""
        self._dealt = (self._dealt + 1) % SLOTS
        self._slots[self._dealt].add(visited)
        self._slot_of[visited] = self._dealt

    def discard(self, visited: VisitedT) -> None:
        """Visit it no more; no effect if it is not in the wheel."""
        slot = self._slot_of.pop(visited, None)
        if slot is not None:
            self._slots[slot].discard(visited)

    def start(self) -> None:
        """Begin to turn."""
        self._at = self._loop.time()
        self._schedule()

    def stop(self) -> None:
        """Stop turning; the connections stay."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        # After a stall of the loop the missed turns are not made up for: a visit too few does no
        # harm, but several in a row would count as silence.
        self._at = max(self._at + self._period_s / SLOTS, self._loop.time())
        self._timer = self._loop.call_at(self._at, self._turn)

    def _turn(self) -> None:
        self._schedule()
        self._turned = (self._turned + 1) % SLOTS
        for visited in tuple(self._slots[self._turned]):
            visited.visit()
