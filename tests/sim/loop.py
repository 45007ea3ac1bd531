"""An asyncio event loop in virtual time: waiting costs nothing, and one seed is one history.

The loop's own scheduling is untouched. Only its clock, its selector and its handles differ: where
a real selector would sleep until the next timer, this one moves the clock there; and what belongs
to a ``Process`` runs only while that process does.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class Deadlock(RuntimeError):
    """Nothing is scheduled any more, and the main coroutine has not returned."""


class Process:
    """Everything that was scheduled from within: it can be paused (SIGSTOP) and killed at once.

    asyncio hands the context of whoever schedules something on to what is scheduled. So a context
    variable tells, of every callback, timer and step of a task, in which process it would run.
    """

    def __init__(self, loop: SimLoop, name: str) -> None:
        self.name = name
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when the process was killed."""
        self._loop = loop
        self._context = contextvars.copy_context()
        self._context.run(_PROCESS.set, self)
        self._paused = 0
        self._parked: list[asyncio.Handle] = []

    @property
    def alive(self) -> bool:
        return not self.gone.done()

    @property
    def runs(self) -> bool:
        return not self._paused and not self.gone.done()

    def call(self, function: Callable[..., ResultT], *args: Any) -> ResultT:
        """Run ``function`` as the process would, now."""
        return self._context.copy().run(function, *args)

    def spawn(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """A task of the process."""
        return self._loop.create_task(work, context=self._context.copy())

    def call_later(self, delay_s: float, function: Callable[..., Any], *args: Any) -> None:
        """A timer of the process."""
        self._loop.call_later(delay_s, function, *args, context=self._context.copy())

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after ``seconds``. The clock goes on meanwhile, timers fire late."""
        self._paused += 1
        self._loop.call_later(seconds, self._continue, context=contextvars.Context())

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        if not self.gone.done():
            self.gone.set_result(None)

    def bury(self) -> None:
        """Only to tidy up at the end of a history: let what is left of it run, so that its tasks
        can be cancelled."""
        self.kill()
        self._paused = 0
        self.gone = self._loop.create_future()
        self._continue()

    def park(self, handle: asyncio.Handle) -> None:
        """``handle`` was due while the process did not run."""
        self._parked.append(handle)

    def _continue(self) -> None:
        self._paused = max(0, self._paused - 1)
        if self.runs:
            parked, self._parked = self._parked, []
            self._loop.resume(parked)


_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class _Parks:
    """A handle that waits while its process does not run."""

    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is not None and not process.runs:
            process.park(self)  # type: ignore[arg-type]
        else:
            super()._run()  # type: ignore[misc]


class _Handle(_Parks, asyncio.Handle):
    __slots__ = ()


class _Timer(_Parks, asyncio.TimerHandle):
    __slots__ = ()


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

    _ready: Any
    _scheduled: Any

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

    def call_soon(
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def resume(self, handles: list[asyncio.Handle]) -> None:
        """Run what was parked, in its order."""
        self._ready.extend(handle for handle in handles if not handle.cancelled())


def run(main: Any) -> Any:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(main)
