"""What a node does every so often, in a task of its own."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from gameserver.errors import StoreUnavailable
from gameserver.ports import Entropy


def about(every_s: float, entropy: Entropy, *, spread: float = 0.2) -> Callable[[], float]:
    """A wait between 0.9 of ``every_s`` and ``spread`` of it longer, so that nodes which began at
    once do not go on at once."""
    return lambda: every_s * (0.9 + entropy.jitter() * spread)


def shared(every_s: float) -> Callable[[], float]:
    """A wait until a moment that all rounds of a node with this ``every_s`` share: what they ask of
    the store there goes in one call. It is ``every_s`` long, the first one 0.25 to 1.25 of that.
    Other machines have other moments, because their clocks began at other times."""

    def wait_s() -> float:
        now = asyncio.get_running_loop().time()
        return math.floor(now / every_s + 1.25) * every_s - now

    return wait_s


class Rounds:
    """Calls ``turn`` again and again, ``wait_s()`` after the last one; see ``about``.

    That the store does not answer is said once, as ``failed``, until it answers again. A defect
    ends the rounds where ``on_defect`` hears of it; else it is logged and they go on, because
    without them something would be missing that nobody notices.
    """

    def __init__(
        self,
        turn: Callable[[], Awaitable[None]],
        *,
        wait_s: Callable[[], float],
        logger: logging.Logger,
        failed: str,
        on_defect: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._turn = turn
        self._wait_s = wait_s
        self._logger = logger
        self._failed = failed
        self._on_defect = on_defect
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """The first one comes after the first wait. Idempotent."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Returns once none is under way. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        silent = False
        while True:
            await asyncio.sleep(self._wait_s())
            try:
                await self._turn()
            except StoreUnavailable as error:
                if not silent:
                    self._logger.warning(self._failed, extra={"error": str(error)})
                silent = True
            except Exception as error:
                if self._on_defect is not None:
                    self._on_defect(error)
                    return
                self._logger.exception(self._failed)
            else:
                silent = False
