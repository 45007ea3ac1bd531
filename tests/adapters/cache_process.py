"""A node's cache in a process of its own: ``python -m tests.adapters.cache_process URL PREFIX``.

Reads a command a line, and answers each with one line of JSON:
    load KEY VALUE     {"value": what get_or_load gives, "near": whether a near copy did}
    invalidate KEY     {"heard": …}
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from gameserver.adapters.redis_cache import RedisCacheStore
from gameserver.adapters.wall_clock import SystemEntropy
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.metrics import Metrics


async def main(url: str, prefix: str) -> None:
    config, metrics, entropy = (
        Config(redis_url=url, redis_prefix=prefix),
        Metrics(),
        SystemEntropy(),
    )
    async with RedisCacheStore(config, entropy=entropy, metrics=metrics) as store:
        cache = SharedCache(store, config, entropy=entropy, metrics=metrics)

        async def answer(command: str, key: str, value: str = "") -> dict[str, Any]:
            if command == "invalidate":
                return {"heard": await cache.invalidate(key)}

            async def load() -> bytes:
                return value.encode()

            hits = metrics.cache_hits_near
            got = await cache.get_or_load(key, load, ttl_ms=60_000)
            near = metrics.cache_hits_near > hits
            return {"value": got.decode() if got is not None else None, "near": near}

        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await answer(*line.split())), flush=True)
        await cache.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
