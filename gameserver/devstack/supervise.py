"""What happens when a part of the running stack dies.

One node: the stack ends with a sentence, so that nobody goes on without noticing. Of several nodes
one that dies is started again after a second, as a cluster's scheduler would do it; everything else
still ends the stack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gameserver.devstack.process import DevstackError, Service
from gameserver.devstack.stack import Stack

WATCH_S = 0.25
RESTART_S = 1.0


async def watch(stack: Stack, say: Callable[[str], None]) -> None:
    """Until cancelled. ``say`` gets a line for each restart.

    Raises ``DevstackError`` when a part has died that is not started again, or a node cannot be."""
    restarts: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            for service in stack.all_fallen():
                if service.name in restarts:
                    continue
                if stack.settings.nodes == 1 or service.name not in stack.nodes:
                    raise DevstackError(service.obituary())
                restarts[service.name] = asyncio.create_task(_restart(service, say))
            for name in [name for name, task in restarts.items() if task.done()]:
                restarts.pop(name).result()
            await asyncio.sleep(WATCH_S)
    finally:
        for task in restarts.values():
            task.cancel()
        await asyncio.gather(*restarts.values(), return_exceptions=True)


async def _restart(service: Service, say: Callable[[str], None]) -> None:
    how = service.ending()
    await asyncio.sleep(RESTART_S)
    # In a thread of its own, so that the death of another node is seen meanwhile.
    await asyncio.to_thread(service.start)
    say(f"{service.name} ended ({how}) and runs again as process {service.pid}.")
