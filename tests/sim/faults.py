"""What can go wrong between processes and the services they use, from a seed.

A call may be slow, be refused before it does anything, lose its answer after it did everything, or
be carried out only long after the caller has given up. It is carried out by the network, so that it
arrives even if its caller has been killed in between.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from gameserver.errors import QueueUnavailable, StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.maintenance import Maintenance
from gameserver.ports import Acquired, Commit, Lease, NodeInfo, Outcome, Page, Turn
from tests.fakes.memory_bus import MemoryDirectory
from tests.fakes.memory_store import MemoryStore

AnswerT = TypeVar("AnswerT")

TIMEOUT_S = 0.5
LATE_S = 6.0


class Weather:
    """How bad things are now; all zero is a fine day. Shares are probabilities from 0 to 1."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.refused = 0.0
        self.lost = 0.0
        self.late = 0.0
        self.failed_bodies = 0.0
        self.doubled = 0.0
        """Messages that the queue delivers though they are being worked on."""
        self.slow_s = 0.0
        self.bus_lost = 0.0
        self.store_down = False
        self.queue_down = False
        self.database_down = False
        self.cut_off: dict[str, None] = {}
        """Nodes that do not reach Redis."""

    def clear(self) -> None:
        """Everything heals."""
        self.refused = self.lost = self.late = self.failed_bodies = self.doubled = 0.0
        self.slow_s = self.bus_lost = 0.0
        self.store_down = self.queue_down = self.database_down = False
        self.cut_off.clear()

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong."""
        return not (
            any((self.refused, self.lost, self.late, self.failed_bodies, self.doubled))
            or any((self.slow_s, self.bus_lost, self.store_down, self.queue_down))
            or self.database_down
            or self.cut_off
        )

    def __str__(self) -> str:
        values = {name: value for name, value in vars(self).items() if name != "random" and value}
        return str(values)

    def reaches_store(self, node: str) -> bool:
        return not self.store_down and node not in self.cut_off

    def latency_s(self) -> float:
        return 0.0005 + self.random.random() * (0.002 + self.slow_s)


class Network:
    """Carries calls out, in this weather."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self._loop = asyncio.get_running_loop()
        self._calls: dict[asyncio.Task[None], None] = {}

    async def call(
        self,
        do: Callable[[], Awaitable[AnswerT]],
        *,
        up: Callable[[], bool],
        error: Callable[[str], Exception],
    ) -> AnswerT:
        """The answer of ``do``. Raises ``error(why)`` where there is none."""
        answer: asyncio.Future[AnswerT] = self._loop.create_future()
        # Its context is empty: it belongs to no process.
        carry = self._carry(do, up, error, answer)
        task = self._loop.create_task(carry, context=contextvars.Context())
        self._calls[task] = None
        task.add_done_callback(self._calls.pop)
        return await answer

    async def _carry(
        self,
        do: Callable[[], Awaitable[AnswerT]],
        up: Callable[[], bool],
        error: Callable[[str], Exception],
        answer: asyncio.Future[AnswerT],
    ) -> None:
        weather, chance = self.weather, self.weather.random.random()

        def fail(why: str) -> None:
            if not answer.done():
                answer.set_exception(error(why))
                answer.exception()  # Whoever asked may be dead: that is no fault of theirs.

        await asyncio.sleep(weather.latency_s())
        if not up() or chance < weather.refused:
            await asyncio.sleep(weather.random.random() * TIMEOUT_S)
            fail("refused")
            return
        chance -= weather.refused
        if chance < weather.late:
            # The server has it in its buffer: it outlives the caller, and even its process.
            await asyncio.sleep(TIMEOUT_S)
            fail("no answer yet")
            await asyncio.sleep(weather.random.random() * LATE_S)
            await do()
            return
        try:
            result = await do()
        except Exception as failure:
            if not answer.done():
                answer.set_exception(failure)
                answer.exception()
            return
        if chance - weather.late < weather.lost:
            await asyncio.sleep(TIMEOUT_S)
            fail("answer lost")
            return
        await asyncio.sleep(weather.latency_s())
        if not up():
            await asyncio.sleep(TIMEOUT_S)
            fail("answer lost")
        elif not answer.done():
            answer.set_result(result)


class _OfNode:
    def __init__(self, network: Network, node: str) -> None:
        self._network = network
        self._node = node

    async def _call(self, do: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        weather = self._network.weather
        return await self._network.call(
            do, up=lambda: weather.reaches_store(self._node), error=StoreUnavailable
        )


class FaultyStore(_OfNode):
    """One node's way to the match store."""

    def __init__(self, store: MemoryStore, network: Network, node: str) -> None:
        super().__init__(network, node)
        self._store = store

    async def acquire(
        self, match_id: MatchId, *, owner: str, lease_ttl_ms: int, instead_of: int = 0
    ) -> Acquired | None:
        return await self._call(
            lambda: self._store.acquire(
                match_id, owner=owner, lease_ttl_ms=lease_ttl_ms, instead_of=instead_of
            )
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

    async def take_turn(self, *, turn_ms: int, at_once: bool = False) -> Turn | None:
        return await self._call(lambda: self._store.take_turn(turn_ms=turn_ms, at_once=at_once))

    async def orphans(self, place: int = 0) -> Page:
        return await self._call(lambda: self._store.orphans(place))

    async def end_turn(self, turn: Turn, *, place: int, turn_ms: int) -> None:
        await self._call(lambda: self._store.end_turn(turn, place=place, turn_ms=turn_ms))


class FaultyDirectory(_OfNode):
    """One node's way to the directory, which is in the same Redis."""

    def __init__(self, directory: MemoryDirectory, network: Network, node: str) -> None:
        super().__init__(network, node)
        self._directory = directory

    async def beat(self, info: NodeInfo, *, ttl_ms: int) -> list[NodeInfo]:
        return await self._call(lambda: self._directory.beat(info, ttl_ms=ttl_ms))

    async def leave(self, node: str) -> None:
        await self._call(lambda: self._directory.leave(node))

    async def seat(self, player_id: PlayerId) -> MatchId | None:
        return await self._call(lambda: self._directory.seat(player_id))

    async def seats(self, changes: Mapping[PlayerId, MatchId | None], *, ttl_ms: int) -> None:
        noted = dict(changes)
        await self._call(lambda: self._directory.seats(noted, ttl_ms=ttl_ms))

    async def maintenance(self) -> Maintenance | None:
        return await self._call(self._directory.maintenance)

    async def set_maintenance(self, wanted: Maintenance | None) -> None:
        await self._call(lambda: self._directory.set_maintenance(wanted))


class FaultyQueue:
    """A node's way to SQS: some bodies of a batch may fail."""

    def __init__(self, send: Callable[[Sequence[str]], None], network: Network) -> None:
        self._send = send
        self._network = network

    async def send(self, bodies: Sequence[str]) -> list[bool]:
        weather = self._network.weather

        async def do() -> list[bool]:
            await asyncio.sleep(weather.latency_s() * 4)
            taken = [weather.random.random() >= weather.failed_bodies for _ in bodies]
            self._send([body for body, ok in zip(bodies, taken, strict=True) if ok])
            return taken

        return await self._network.call(
            do, up=lambda: not weather.queue_down, error=QueueUnavailable
        )


def seeded(seed: Any) -> random.Random:
    """Chance that others do not disturb."""
    return random.Random(str(seed))
