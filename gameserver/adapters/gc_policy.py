"""When Python looks for cyclic garbage, so that no match stands still for it.

A full collection visits every container that lives: with 1,600 players some 40 to 80 ms, in which
nothing else happens. So none runs by itself:

* The young generations are collected as ever, in small bites; what survives them is moved out of
  sight (``gc.freeze``, which costs nothing) every ``FREEZE_S``.
* What is frozen is still freed when its last reference goes. Sessions and connections break their
  cycles when they end (``tests/session/test_memory.py``); ended matches wait for what follows.
* A full collection runs when the last player has gone, else every ``FULL_S``: one pause in ten
  minutes instead of several a minute.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

YOUNG_OBJECTS = 1_000
YOUNG_COLLECTIONS = 5
NEVER = 1_000_000_000
FREEZE_S = 5.0
FULL_S = 600.0


def start() -> None:
    """What lives now lives as long as the process; full collections are ours from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER)


async def keep(is_idle: Callable[[], bool]) -> None:
    """Freeze survivors until cancelled; ``is_idle``: nobody is connected."""
    loop = asyncio.get_running_loop()
    full_at, was_idle = loop.time() + FULL_S, True
    while True:
        await asyncio.sleep(FREEZE_S)
        now, idle = loop.time(), is_idle()
        if now >= full_at or (idle and not was_idle):
            gc.unfreeze()
            found = gc.collect()
            took_ms = round((loop.time() - now) * 1000)
            logger.info("full collection", extra={"objects": found, "took_ms": took_ms})
            full_at = now + FULL_S
        gc.freeze()
        was_idle = idle
