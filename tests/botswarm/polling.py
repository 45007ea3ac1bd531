"""Wait for something to become true, but not for ever."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

POLL_S = 0.01


async def until(met: Callable[[], Any], *, timeout_s: float = 30.0) -> None:
    """Poll ``met``, a function or a coroutine function."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = met()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(POLL_S)
