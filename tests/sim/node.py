"""The processes of a history: nodes and workers, wired as in production.

``Node`` is put together as ``gameserver.app.root`` does it, ``WorkerProcess`` as
``persistence_worker.service`` does; only what lies outside of a process is a fake.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from gameserver.cluster.maintenance import MaintenanceWatch
from gameserver.cluster.matches import ClusterMatches
from gameserver.cluster.venue import ClusterVenue
from gameserver.errors import StoreUnavailable
from gameserver.lobby.entry import Lobby, NoRatings
from gameserver.lobby.matchmaker import Matchmaker
from gameserver.lobby.teller import Teller
from gameserver.match.service import MatchService
from gameserver.match.unsealed import Unsealed
from gameserver.metrics import Metrics
from persistence_worker.health import Health
from persistence_worker.metrics import Metrics as WorkerMetrics
from persistence_worker.worker import Limits, Worker
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.sim.bus import SimBus
from tests.sim.faults import FaultyDirectory, FaultyQueue, FaultyStore
from tests.sim.games import GAMES
from tests.sim.loop import Process
from tests.sim.queues import FaultyMatchmaking
from tests.sim.services import WatchedSink, WorkerQueue

if TYPE_CHECKING:
    from tests.sim.world import World

DRAIN_S = 5.0
MOVES_WITHIN_S = 1.0
"""How long after the handover the last client is told to leave the node."""
WORKER_LIMITS = Limits(
    receivers=2,
    appliers=2,
    receive_wait_s=1,
    visibility_s=5,
    buffer_messages_max=50,
    buffer_bytes_max=1_000_000,
    batch_records_max=100,
    attempts_max=5,
    drain_ms=3_000,
)
NEVER = float("inf")


class Node:
    """A game server. ``open``: it takes sockets; ``moves_at``: when its clients shall leave it."""

    service: MatchService
    cluster: ClusterMatches
    maintenance: MaintenanceWatch
    matchmaker: Matchmaker
    lobby: Lobby

    def __init__(self, world: World, number: int) -> None:
        self.name = f"n{number}"
        self.metrics = Metrics()
        self.process = Process(world.loop, self.name)
        self.open = False
        self.moves_at = NEVER
        self._world = world
        self._number = number

    async def start(self) -> None:
        """Runs in the process."""
        world, loop = self._world, self._world.loop
        entropy = SeededEntropy(world.seed, self._number)
        store = FaultyStore(world.store, world.network, self.name)
        self.service = MatchService(
            world.config,
            games=GAMES,
            store=store,
            queue=FaultyQueue(world.queue.put, world.network),
            sealer=Unsealed(),
            clock=LoopClock(loop.time),
            entropy=entropy,
            metrics=self.metrics,
            node=self.name,
        )
        await self.service.start()
        self.service.failed.add_done_callback(world.side_task_failed)
        directory = FaultyDirectory(world.directory, world.network, self.name)
        self.maintenance = MaintenanceWatch(
            node=self.name,
            local=self.service,
            directory=directory,
            clock=LoopClock(loop.time),
            metrics=self.metrics,
        )
        self.cluster = ClusterMatches(
            world.config,
            node=self.name,
            local=self.service,
            store=store,
            bus=SimBus(world.hub, self.process),
            directory=directory,
            entropy=entropy,
            metrics=self.metrics,
            cpu_s=lambda: 0.0,
        )
        queues = FaultyMatchmaking(world.matchmaking, world.network, self.name)
        self.matchmaker = Matchmaker(
            node=self.name,
            games=GAMES,
            store=queues,
            venue=ClusterVenue(
                node=self.name,
                region="",
                local=self.service,
                store=store,
                peers=self.cluster.peers,
                calls=self.cluster.calls,
                load=lambda: 0.0,
            ),
            updates=Teller(self.cluster.calls, lambda player, news: None),
            calls=self.cluster.calls,
            entropy=entropy,
            metrics=self.metrics,
            lease_ttl_ms=world.config.lease_ttl_ms,
            failed=self.service.fail,
        )
        self.lobby = Lobby(
            games=GAMES,
            store=queues,
            ratings=NoRatings(),
            calls=self.cluster.calls,
            metrics=self.metrics,
            closed=lambda: None,
        )
        while True:
            try:
                await self.maintenance.start()
                await self.cluster.start()
                await self.matchmaker.start()
            except StoreUnavailable:
                await asyncio.sleep(0.5)  # Its supervisor starts it again.
            else:
                break
        self.open = True

    async def drain(self) -> None:
        """SIGTERM, in the process: hand the matches over, then send the sessions away."""
        self.open = False
        fine = self._world.weather.is_fine
        await self.matchmaker.stop()
        await self.service.drain(DRAIN_S)
        self._world.drained(self, fine=fine)
        self.moves_at = self._world.loop.time() + MOVES_WITHIN_S
        await asyncio.sleep(2 * MOVES_WITHIN_S)
        await self.close()

    async def close(self) -> None:
        """End everything at once."""
        if hasattr(self, "matchmaker"):
            await self.matchmaker.stop()
        if hasattr(self, "cluster"):
            await self.cluster.stop()
            for task in list(self.cluster._tasks):
                await asyncio.wait([task])
        if hasattr(self, "maintenance"):
            await self.maintenance.stop()
        if hasattr(self, "service"):
            await self.service.stop()


class WorkerProcess:
    """A persistence worker."""

    def __init__(self, world: World, number: int) -> None:
        self.name = f"w{number}"
        self.process = Process(world.loop, self.name)
        self._world = world
        self._stop = asyncio.Event()
        self._chance = random.Random(f"{world.seed}{self.name}")
        self.done = self.process.spawn(self._run())
        self.done.add_done_callback(world.task_done)

    async def _run(self) -> None:
        world = self._world
        metrics = WorkerMetrics()
        sink = WatchedSink(world.sink, world.network, world.applied)
        worker = Worker(
            queue=WorkerQueue(world.queue, world.network),
            dead_letters=WorkerQueue(world.dead_letters, world.network),
            sink=sink,
            ping=sink.ping,
            limits=WORKER_LIMITS,
            health=Health(metrics),
            metrics=metrics,
            now_ms=lambda: EPOCH_MS + int(world.loop.time() * 1000),
            jitter=self._chance.random,
        )
        await worker.run(self._stop)

    def stop(self) -> None:
        """SIGTERM."""
        self.process.call_later(0, self._stop.set)

    async def close(self) -> None:
        """End everything at once."""
        self.done.cancel()
        await asyncio.wait([self.done])
