"""What a node does every so often, in a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gameserver.errors import StoreUnavailable
from gameserver.ports import Entropy


class Rounds:
    """Calls ``turn`` about every ``every_s``: between 0.9 of it and ``spread`` of it later.

    That the store does not answer is said once, as ``failed``, until it answers again. A defect
    ends the rounds where ``on_defect`` hears of it; else it is logged and they go on, because
    without them something would be missing that nobody notices.
    """

    def __init__(
        self,
        turn: Callable[[], Awaitable[None]],
        *,
        every_s: float,
        entropy: Entropy,
        logger: logging.Logger,
        failed: str,
        spread: float = 0.2,
        on_defect: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._turn = turn
        self._every_s = every_s
        self._spread = spread
        self._entropy = entropy
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
            await asyncio.sleep(self._every_s * (0.9 + self._entropy.jitter() * self._spread))
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
