"""One simulated history: nodes, players, faults, and the checkers that watch.

    clients ──► MatchService × 3 ──► FaultyStore ──► MemoryStore ──► checkers
                     └─────────────► FaultyQueue ──► MemoryQueue ──► MemorySink

The services are the production ones, unmodified. Bad weather for a while, then everything heals,
and what was promised must be true.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gameserver.config import Config
from gameserver.ids import MatchId
from gameserver.match.service import MatchService
from gameserver.metrics import Metrics
from gameserver.ports import Acquired, Commit
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_queue import MemoryQueue, MemorySink
from tests.fakes.memory_store import MemoryStore, Row
from tests.sim.checkers import Checker, Violated, all_checkers
from tests.sim.client import Client
from tests.sim.faults import FaultyQueue, FaultyStore, Weather
from tests.sim.games import GAMES
from tests.sim.loop import run

NODES = 3
CLIENTS = 12
STORM_S = 40.0
HEALING_S = 40.0
LIMITS = {"uncommitted_max": 12, "outbox_max": 40}
CONFIG = Config(
    grace_ms=4_000,
    empty_match_ms=2_000,
    uncommitted_events_max=LIMITS["uncommitted_max"],
    outbox_events_max=LIMITS["outbox_max"],
    resume_events_max=20,
    redis_timeout_ms=500,
)


class WatchedStore(MemoryStore):
    """Tells the checkers what is acquired and what is really written."""

    def __init__(self, now_ms: Callable[[], float], checkers: Sequence[Checker]) -> None:
        super().__init__(now_ms)
        self.checkers = checkers

    async def acquire(self, match_id: MatchId, *, owner: str, lease_ttl_ms: int) -> Acquired | None:
        got = await super().acquire(match_id, owner=owner, lease_ttl_ms=lease_ttl_ms)
        if got is not None:
            for checker in self.checkers:
                checker.acquired(match_id, got)
        return got

    def write(self, row: Row, commit: Commit) -> None:
        super().write(row, commit)
        for checker in self.checkers:
            checker.written(commit)


@dataclass
class Node:
    """A process: killed, it takes everything with it but what the store has."""

    name: str
    service: MatchService
    metrics: Metrics
    alive: bool = True


@dataclass
class History:
    """What came of it; equal seeds give equal ones."""

    seed: int
    counts: dict[str, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)


class World:
    """See the module; ``store_type`` is replaced by mutations."""

    def __init__(
        self,
        seed: int,
        *,
        store_type: type[WatchedStore] = WatchedStore,
        config: Config = CONFIG,
        storm: Callable[[World], None] | None = None,
        watched_by: Sequence[Checker] | None = None,
    ) -> None:
        self.seed = seed
        self.config = config
        self.random = random.Random(seed)
        self.loop = asyncio.get_running_loop()
        self.checkers = all_checkers(LIMITS) if watched_by is None else watched_by
        self.weather = Weather(seed + 1)
        self.store = store_type(lambda: EPOCH_MS + self.loop.time() * 1000, self.checkers)
        self.queue = MemoryQueue()
        self.sink = MemorySink()
        self.nodes: list[Node] = []
        self.history = History(seed)
        self.violation: asyncio.Future[None] = self.loop.create_future()
        self._made = 0
        self._storm = storm

    # ── nodes ────────────────────────────────────────────────────────────────────────────────

    async def start_node(self) -> Node:
        self._made += 1
        name = f"n{self._made}"
        metrics = Metrics()
        service = MatchService(
            self.config,
            games=GAMES,
            store=FaultyStore(self.store, self.weather, name),
            queue=FaultyQueue(self.queue, self.weather),
            clock=LoopClock(self.loop.time),
            entropy=SeededEntropy(self.seed, self._made),
            metrics=metrics,
            node=name,
        )
        await service.start()
        service.failed.add_done_callback(self._side_task_failed)
        node = Node(name, service, metrics)
        self.nodes.append(node)
        self.note(f"start {name}")
        return node

    def _side_task_failed(self, failed: asyncio.Future[None]) -> None:
        if not failed.cancelled() and (error := failed.exception()) is not None:
            self.fail(error)

    async def kill(self, node: Node) -> None:
        """SIGKILL: no goodbye, no commit, and timers and tasks are gone."""
        self.note(f"kill {node.name}")
        node.alive = False
        await node.service.stop()
        self._count(node)

    async def deploy(self, node: Node) -> None:
        """SIGTERM: hand over, then go."""
        self.note(f"drain {node.name}")
        node.alive = False
        await node.service.drain(5.0)
        await node.service.stop()
        self._count(node)

    def _count(self, node: Node) -> None:
        counts = self.history.counts
        for name in ("ticks", "events_committed", "matches_started", "matches_adopted",
                     "matches_ended", "matches_paused", "commits", "commits_fenced",
                     "commits_conflicting", "leases_lost", "games_failed"):  # fmt: skip
            counts[name] = counts.get(name, 0) + getattr(node.metrics, name)
        self.nodes.remove(node)

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node.alive]

    def note(self, what: str) -> None:
        self.history.trace.append(f"{self.loop.time():.6f} {what}")

    def fail(self, error: BaseException) -> None:
        """The first violation ends the history."""
        if not self.violation.done():
            self.violation.set_exception(error)

    # ── the history ──────────────────────────────────────────────────────────────────────────

    async def play(self) -> History:
        """Storm, healing, judgement. Raises ``Violated``."""
        for _ in range(NODES):
            await self.start_node()
        clients = [Client(self, f"c{number}") for number in range(CLIENTS)]
        tasks = [self.loop.create_task(client.play()) for client in clients]
        tasks.append(self.loop.create_task(self._watch()))
        story = self.loop.create_task(self._story(clients))
        for task in (*tasks, story):
            task.add_done_callback(self._task_done)
        try:
            await asyncio.wait({story, self.violation}, return_when=asyncio.FIRST_COMPLETED)
            if self.violation.done():
                self.violation.result()
            story.result()
        finally:
            for task in (*tasks, story):
                task.cancel()
            for task in (*tasks, story):
                await asyncio.wait([task])
            for node in list(self.nodes):
                await self.kill(node)
            if not self.violation.done():
                self.violation.cancel()
        self.history.counts["events"] = len(self.sink.records)
        self.history.counts["duplicates"] = self.sink.duplicates
        return self.history

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _story(self, clients: Sequence[Client]) -> None:
        until = self.loop.time() + STORM_S
        while self.loop.time() < until:
            if self._storm is not None:
                self._storm(self)
            else:
                await self._mishap()
            await asyncio.sleep(self.random.random() * 3)
        self.note("heal")
        self.weather.clear()
        while len(self.alive) < NODES:
            await self.start_node()
        await asyncio.sleep(HEALING_S / 4)
        self._check_liveness(clients, before := self._ticks())
        await asyncio.sleep(HEALING_S / 4)
        self._check_progress(before)
        for client in clients:
            client.retire()
        await asyncio.sleep(HEALING_S / 2)
        self._check_end()

    async def _mishap(self) -> None:
        """Something changes, mostly for the worse."""
        weather, chance = self.weather, self.random
        match chance.randrange(10):
            case 0:
                await self.kill(chance.choice(self.alive))
            case 1:
                await self.deploy(chance.choice(self.alive))
            case 2:
                weather.store_down = not weather.store_down
            case 3:
                weather.queue_down = not weather.queue_down
            case 4:
                weather.cut_off[chance.choice(self.alive).name] = None
            case 5:
                weather.cut_off.clear()
                weather.store_down = False
            case 6:
                weather.refused = weather.lost = weather.late = chance.random() * 0.15
            case 7:
                weather.failed_bodies = chance.random() * 0.5
                weather.slow_s = chance.random() * 0.2
            case 8:
                weather.clear()
            case _:
                pass
        self.note(f"weather {weather.store_down} {weather.queue_down} {list(weather.cut_off)}")
        while len(self.alive) < NODES:
            await self.start_node()

    async def _watch(self) -> None:
        """Drain the queue as a worker does, and look at the sizes."""
        while True:
            await asyncio.sleep(0.05)
            self.sink.drain(self.queue)
            for node in self.nodes:
                for runner in node.service._registry.runners.values():
                    for checker in self.checkers:
                        checker.measured(runner.uncommitted, len(runner.outbox))

    # ── judgement ────────────────────────────────────────────────────────────────────────────

    def _ticks(self) -> dict[str, int]:
        return {
            info.id: info.tick
            for node in self.alive
            for info in node.service.listing()
            if info.state != "ended"
        }

    def _check_liveness(self, clients: Sequence[Client], ticks: dict[str, int]) -> None:
        paused = [
            info for node in self.alive for info in node.service.listing() if info.state == "paused"
        ]
        if paused:
            raise Violated(f"still paused after healing: {paused}")
        for client in clients:
            if self.loop.time() - client.framed_at > 10:
                raise Violated(f"{client.name} has seen nothing for 10 s after healing")

    def _check_progress(self, before: dict[str, int]) -> None:
        for match_id, tick in self._ticks().items():
            if tick <= before.get(match_id, -1):
                raise Violated(f"{match_id} stands at {tick}")

    def _check_end(self) -> None:
        self.sink.drain(self.queue)
        left = {match_id: row for match_id, row in self.store.rows.items() if not row.forgotten}
        if left or self.store.open:
            raise Violated(f"not forgotten after everyone has left: {list(left)[:5]}")
        for checker in self.checkers:
            checker.healed(self.sink)


def simulate(seed: int, make: Callable[[int], World] = World) -> History:
    """Play one seed. Raises ``Violated`` with the command that plays it again."""

    async def main() -> History:
        return await make(seed).play()

    try:
        history: History = run(main())
    except AssertionError as violated:
        raise Violated(f"{violated}\nreplay: python -m tests.sim --seed {seed}") from violated
    return history
