"""What can go wrong between a node and the world, from a seed.

A call may be slow, be refused before it does anything, lose its answer after it did everything, or
be carried out only long after the caller has given up.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from gameserver.errors import QueueUnavailable, StoreUnavailable
from gameserver.ids import MatchId
from gameserver.ports import Acquired, Commit, Lease, Outcome
from tests.fakes.memory_queue import MemoryQueue
from tests.fakes.memory_store import MemoryStore

AnswerT = TypeVar("AnswerT")

TIMEOUT_S = 0.5


class Weather:
    """How bad things are now; all zero is a fine day. Shares are probabilities from 0 to 1."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.refused = 0.0
        self.lost = 0.0
        self.late = 0.0
        self.failed_bodies = 0.0
        self.slow_s = 0.0
        self.store_down = False
        self.queue_down = False
        self.cut_off: dict[str, None] = {}
        """Nodes that do not reach the store."""

    def clear(self) -> None:
        """Everything heals."""
        self.refused = self.lost = self.late = self.failed_bodies = self.slow_s = 0.0
        self.store_down = self.queue_down = False
        self.cut_off.clear()

    def latency_s(self) -> float:
        return 0.0005 + self.random.random() * (0.002 + self.slow_s)


class FaultyStore:
    """One node's way to the store."""

    def __init__(self, store: MemoryStore, weather: Weather, node: str) -> None:
        self._store = store
        self._weather = weather
        self._node = node
        self._late: dict[asyncio.Task[Any], None] = {}

    async def acquire(self, match_id: MatchId, *, owner: str, lease_ttl_ms: int) -> Acquired | None:
        return await self._call(
            lambda: self._store.acquire(match_id, owner=owner, lease_ttl_ms=lease_ttl_ms)
        )

    async def holder(self, match_id: MatchId) -> str | None:
        return await self._call(lambda: self._store.holder(match_id))

    async def renew(self, leases: Sequence[Lease], *, lease_ttl_ms: int) -> list[bool]:
        return await self._call(lambda: self._store.renew(leases, lease_ttl_ms=lease_ttl_ms))

    async def commit(self, commits: Sequence[Commit], *, lease_ttl_ms: int) -> list[Outcome]:
        return await self._call(lambda: self._store.commit(commits, lease_ttl_ms=lease_ttl_ms))

    async def release(self, lease: Lease) -> None:
        await self._call(lambda: self._store.release(lease))

    async def trim(self, match_id: MatchId, *, up_to_seq: int) -> None:
        await self._call(lambda: self._store.trim(match_id, up_to_seq=up_to_seq))

    async def forget(self, lease: Lease) -> bool:
        return await self._call(lambda: self._store.forget(lease))

    async def orphans(self, *, limit: int) -> list[MatchId]:
        return await self._call(lambda: self._store.orphans(limit=limit))

    async def _call(self, do: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        weather, chance = self._weather, self._weather.random.random()
        await asyncio.sleep(weather.latency_s())
        if weather.store_down or self._node in weather.cut_off or chance < weather.refused:
            await asyncio.sleep(weather.random.random() * TIMEOUT_S)
            raise StoreUnavailable("refused")
        chance -= weather.refused
        if chance < weather.late:
            # The server has it in its buffer: it outlives the caller, and even the caller's node.
            delay_s = weather.random.random() * 6
            task = asyncio.get_running_loop().create_task(self._carry_out_late(do, delay_s))
            self._late[task] = None
            task.add_done_callback(self._late.pop)
            await asyncio.sleep(TIMEOUT_S)
            raise StoreUnavailable("no answer yet")
        answer = await do()
        if chance - weather.late < weather.lost:
            await asyncio.sleep(TIMEOUT_S)
            raise StoreUnavailable("answer lost")
        await asyncio.sleep(weather.latency_s())
        return answer

    async def _carry_out_late(self, do: Callable[[], Awaitable[Any]], delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await do()


class FaultyQueue:
    """The way to the queue."""

    def __init__(self, queue: MemoryQueue, weather: Weather) -> None:
        self._queue = queue
        self._weather = weather

    async def send(self, bodies: Sequence[str]) -> list[bool]:
        weather = self._weather
        chance = weather.random.random()
        await asyncio.sleep(weather.latency_s() * 5)
        if weather.queue_down or chance < weather.refused:
            raise QueueUnavailable("refused")
        taken = [weather.random.random() >= weather.failed_bodies for _ in bodies]
        await self._queue.send([body for body, ok in zip(bodies, taken, strict=True) if ok])
        if chance - weather.refused < weather.lost:
            await asyncio.sleep(TIMEOUT_S)
            raise QueueUnavailable("answer lost")
        return taken
