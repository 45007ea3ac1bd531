"""An asyncio event loop in virtual time: waiting costs nothing, and one seed is one history.

The loop's own scheduling is untouched. Only its clock and its selector differ: where a real
selector would sleep until the next timer, this one moves the clock there.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class Deadlock(RuntimeError):
    """Nothing is scheduled any more, and the main coroutine has not returned."""


class _Selector(selectors.BaseSelector):
    """No sockets: ``select`` passes the time."""

    def __init__(self) -> None:
        self.loop: SimLoop | None = None
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is scheduled any more")
        if timeout > 0 and self.loop is not None:
            self.loop.pass_time(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class SimLoop(asyncio.SelectorEventLoop):
    """``asyncio.Runner(loop_factory=SimLoop)``. No I/O, no threads."""

    def __init__(self) -> None:
        self._now = 1000.0
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        # Sums of floats need not hit a deadline exactly.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        self._now += seconds


def run(main: Any) -> Any:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(main)
