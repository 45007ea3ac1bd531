"""One simulated history: nodes, players, workers, faults, and the checkers that watch.

    clients ──► MatchService + ClusterMatches × 3 ──network──► Redis: MemoryStore, MemoryDirectory
                  └──────────── bus ────────────┘
                  └──network──► SQS: SimQueue ──► Worker × 2 ──network──► PostgreSQL: MemorySink

Nodes and workers are the production ones, unmodified and put together as in production; each is a
process that can be stopped and killed between any two of its steps. Bad weather for a while, then
everything heals, and what was promised must be true.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from gameserver.cluster import messages
from gameserver.config import Config
from gameserver.ids import MatchId
from persistence_worker.intake import Item
from tests.fakes.clock import EPOCH_MS
from tests.fakes.memory_bus import MemoryDirectory
from tests.fakes.memory_sink import MemorySink
from tests.sim import judgement
from tests.sim.bus import SimHub
from tests.sim.checkers import Checker, Violated, all_checkers
from tests.sim.client import Client
from tests.sim.faults import LATE_S, Network, Weather
from tests.sim.loop import Process, SimLoop, run
from tests.sim.node import Node, WorkerProcess
from tests.sim.queues import Seeker, WatchedMatchmaking
from tests.sim.services import SimQueue, WatchedStore

NODES = 3
WORKERS = 2
CLIENTS = 12
SEEKERS = 6
"""Players who come by matchmaking."""
STORM_S = 40.0
HEALING_S = 60.0
STOPPED_S_MAX = 6.0
"""Of a SIGSTOP: three times the lease."""
REPLICA_LAG_S = 0.3
QUIET_AFTER_FAILOVER_S = 8.0
LIMITS = {"uncommitted_max": 12, "outbox_max": 40}
CONFIG = Config(
    grace_ms=4_000,
    empty_match_ms=2_000,
    uncommitted_events_max=LIMITS["uncommitted_max"],
    outbox_events_max=LIMITS["outbox_max"],
    resume_events_max=20,
    redis_timeout_ms=500,
)
_COUNTED = ("ticks", "events_committed", "matches_started", "matches_adopted", "matches_ended",
            "matches_paused", "commits", "commits_fenced", "commits_conflicting", "leases_lost",
            "games_failed", "bus_interruptions", "tickets_matched", "matches_formed",
            "matches_backfilled", "queues_lost", "openings_failed", "tickets_declined")  # fmt: skip


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
        matchmaking_type: type[WatchedMatchmaking] = WatchedMatchmaking,
        config: Config = CONFIG,
        storm: Callable[[World], None] | None = None,
        watched_by: Sequence[Checker] | None = None,
    ) -> None:
        self.seed = seed
        self.config = config
        self.random = random.Random(seed)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.loop = loop
        self.checkers = all_checkers(LIMITS) if watched_by is None else watched_by
        self.weather = Weather(seed + 1)
        self.network = Network(self.weather)
        self.store = store_type(lambda: EPOCH_MS + loop.time() * 1000, self.checkers)
        self.matchmaking = matchmaking_type(
            lambda: EPOCH_MS + loop.time() * 1000, self.checkers, self._checked
        )
        self.rumour = ""
        """A match that a player of matchmaking was told of last."""
        self.directory = MemoryDirectory()
        self.hub = SimHub(self.network, self._sent)
        self.queue = SimQueue()
        self.dead_letters = SimQueue()
        self.sink = MemorySink()
        self.nodes: list[Node] = []
        self.workers: list[WorkerProcess] = []
        self.history = History(seed)
        self.violation: asyncio.Future[None] = loop.create_future()
        self._dead: list[Node | WorkerProcess] = []
        self._made = 0
        self._storm = storm
        self._fragile_until = 0.0

    # ── processes ────────────────────────────────────────────────────────────────────────────

    @property
    def open_nodes(self) -> list[Node]:
        """Where the load balancer sends clients; it does not notice that a process is stopped."""
        return [node for node in self.nodes if node.open and node.process.alive]

    def _man(self) -> None:
        """As many processes as there should be: what is missing is started."""
        while len(self.nodes) < NODES:
            self._made += 1
            node = Node(self, self._made)
            self.nodes.append(node)
            self.note(f"start {node.name}")
            node.process.spawn(node.start()).add_done_callback(self.task_done)
        while len(self.workers) < WORKERS:
            self._made += 1
            self.workers.append(WorkerProcess(self, self._made))
            self.note(f"start {self.workers[-1].name}")

    def _kill(self, victim: Node | WorkerProcess) -> None:
        """SIGKILL: no goodbye and no commit; what it has sent is on its way all the same."""
        self.note(f"kill {victim.name}")
        self._bury(victim)

    def _bury(self, victim: Node | WorkerProcess) -> None:
        victim.process.kill()
        self._dead.append(victim)
        if isinstance(victim, Node):
            self.nodes.remove(victim)
        else:
            self.workers.remove(victim)

    async def _deploy(self, node: Node) -> None:
        """SIGTERM: hand over, then go. A fresh one starts at once."""
        self.note(f"drain {node.name}")
        self.nodes.remove(node)
        draining = node.process.spawn(node.drain())
        draining.add_done_callback(self.task_done)
        await asyncio.wait({draining, node.process.gone}, return_when=asyncio.FIRST_COMPLETED)
        node.process.kill()
        self._dead.append(node)

    async def _redeploy(self, worker: WorkerProcess) -> None:
        """SIGTERM for a worker; one that hangs is killed."""
        self.note(f"drain {worker.name}")
        self.workers.remove(worker)
        worker.stop()
        await asyncio.wait({worker.done}, timeout=10)
        worker.process.kill()
        self._dead.append(worker)

    def _stop(self, process: Process) -> None:
        """SIGSTOP, and SIGCONT later."""
        seconds = self.random.random() * STOPPED_S_MAX
        self.note(f"stop {process.name} for {seconds:.3f}")
        process.pause(seconds)

    async def _fail_over(self) -> None:
        """Redis' primary is gone with what its replica had not heard of.

        With asynchronous replication such writes are lost for good where their owner is gone as
        well; so what is promised is that an owner who lives writes them again. For a while no
        process is killed or stopped.
        """
        # What a dead process has sent must have arrived, and all matches have their owners.
        await asyncio.sleep(LATE_S + STOPPED_S_MAX)
        self._fragile_until = self.loop.time() + REPLICA_LAG_S + QUIET_AFTER_FAILOVER_S
        replica = self.store.replica()
        await asyncio.sleep(REPLICA_LAG_S * self.random.random())
        if self.store.has_turned_since(replica):
            return  # Nobody may be left who could write that again.
        self.note("redis fails over")
        self.history.counts["failovers"] = self.history.counts.get("failovers", 0) + 1
        self.store.fail_over(replica)
        self.hub.interrupt_all()

    def side_task_failed(self, failed: asyncio.Future[None]) -> None:
        if not failed.cancelled() and (error := failed.exception()) is not None:
            self.fail(error)

    def task_done(self, task: asyncio.Task[None]) -> None:
        """For every task that must not fail."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    # ── what the checkers are told ───────────────────────────────────────────────────────────

    def note(self, what: str) -> None:
        self.history.trace.append(f"{self.loop.time():.6f} {what}")

    def fail(self, error: BaseException) -> None:
        """The first violation ends the history."""
        if not self.violation.done():
            self.violation.set_exception(error)

    def shown(self, node: str, match_id: MatchId, epoch: int) -> None:
        """``node``, as the owner, shows a frame."""
        for checker in self.checkers:
            self._checked(checker.shown, node, match_id, epoch)

    def applied(self, event: Item) -> None:
        """``event`` is new in the database."""
        for checker in self.checkers:
            self._checked(checker.applied, event)

    def drained(self, node: Node, *, fine: bool) -> None:
        """``node`` has given its matches away. ``fine``: nothing hindered it."""
        if fine and self.weather.is_fine:
            self._check_drained(node.name)
        else:
            # What the store did not hear runs out by itself, and what it hears late as well.
            wait_s = LATE_S + self.config.lease_ttl_ms / 1000 + 0.5
            context = contextvars.Context()
            self.loop.call_later(wait_s, self._check_drained, node.name, context=context)

    def _check_drained(self, name: str) -> None:
        leased = self.store.leased_by(name)
        for checker in self.checkers:
            self._checked(checker.drained, name, leased)

    def _sent(self, node: str, message: bytes) -> None:
        said = messages.decode(message)
        if isinstance(said, messages.ShowFrame):
            epoch = msgspec.msgpack.decode(said.frame)[0]
            self.shown(node, MatchId(said.match), epoch)

    def _checked(self, check: Callable[..., None], *told: object) -> None:
        try:
            check(*told)
        except AssertionError as violated:
            self.fail(violated)

    # ── the history ──────────────────────────────────────────────────────────────────────────

    async def play(self) -> History:
        """Storm, healing, judgement. Raises ``Violated``."""
        self._man()
        clients = [Client(self, f"c{number}") for number in range(CLIENTS)]
        seekers = [Seeker(self, f"s{number}") for number in range(SEEKERS)]
        tasks = [self.loop.create_task(client.play()) for client in (*clients, *seekers)]
        tasks.append(self.loop.create_task(self._watch()))
        story = self.loop.create_task(self._story(clients, seekers))
        for task in (*tasks, story):
            task.add_done_callback(self.task_done)
        try:
            await asyncio.wait({story, self.violation}, return_when=asyncio.FIRST_COMPLETED)
            if self.violation.done():
                self.violation.result()
            story.result()
        finally:
            for task in (*tasks, story):
                task.cancel()
            await asyncio.wait([*tasks, story])
            await self._tidy_up()
        counts = self.history.counts
        counts["events"] = len(self.sink.stored)
        counts["relayed_by_bus"] = self.hub.delivered
        return self.history

    async def _tidy_up(self) -> None:
        """End what is left, so that no task outlives the history."""
        self.store.checkers = self.matchmaking.checkers = ()
        self.weather.clear()
        for victim in [*self.nodes, *self.workers]:
            self._bury(victim)
        for victim in self._dead:
            if isinstance(victim, Node):
                for name in _COUNTED:
                    had = self.history.counts.get(name, 0)
                    self.history.counts[name] = had + getattr(victim.metrics, name)
        # What a dead process left behind gets a last turn, in which it is cancelled.
        for victim in self._dead:
            victim.process.bury()
            await asyncio.wait([victim.process.spawn(victim.close())])
        if not self.violation.done():
            self.violation.cancel()

    async def _story(self, clients: Sequence[Client], seekers: Sequence[Client]) -> None:
        until = self.loop.time() + STORM_S
        while self.loop.time() < until:
            if self._storm is not None:
                self._storm(self)
            elif self.loop.time() >= self._fragile_until:
                await self._mishap()
            await asyncio.sleep(self.random.random() * 3)
        self.note("heal")
        self.weather.clear()
        self._man()
        await asyncio.sleep(STOPPED_S_MAX + HEALING_S / 6)
        judgement.check_liveness(self, clients)
        await asyncio.sleep(1)  # A step that was due already is no sign of life.
        before = judgement.ticks(self)
        await asyncio.sleep(HEALING_S / 6)
        judgement.check_progress(self, before)
        judgement.check_queues_move(self)
        for client in (*clients, *seekers):
            client.retire()
        await asyncio.sleep(HEALING_S / 2)
        judgement.check_end(self)

    async def _mishap(self) -> None:
        """Something changes, mostly for the worse."""
        weather, chance = self.weather, self.random
        open_nodes = self.open_nodes
        match chance.randrange(14):
            case 0 if open_nodes:
                self._kill(chance.choice(open_nodes))
            case 1 if open_nodes:
                await self._deploy(chance.choice(open_nodes))
            case 2:
                weather.store_down = not weather.store_down
            case 3:
                weather.queue_down = not weather.queue_down
            case 4 if open_nodes:
                weather.cut_off[chance.choice(open_nodes).name] = None
            case 5:
                weather.cut_off.clear()
                weather.store_down = False
            case 6:
                weather.refused = weather.lost = weather.late = chance.random() * 0.15
            case 7:
                weather.failed_bodies = weather.doubled = chance.random() * 0.5
                weather.slow_s = chance.random() * 0.2
            case 8:
                weather.bus_lost = chance.random() * 0.1
            case 9 if open_nodes:
                self._stop(chance.choice(open_nodes).process)
            case 10:
                self._kill(chance.choice(self.workers))
            case 11:
                weather.database_down = not weather.database_down
            case 12:
                worker = chance.choice(self.workers)
                if chance.random() < 0.5:
                    self._stop(worker.process)
                else:
                    await self._redeploy(worker)
            case _:
                weather.clear()
                if chance.random() < 0.5:
                    self._man()
                    await self._fail_over()
        self.note(f"weather {weather}")
        self._man()

    async def _watch(self) -> None:
        """Look at the sizes."""
        while True:
            await asyncio.sleep(0.05)
            for node in self.open_nodes:
                for runner in node.service._registry.runners.values():
                    for checker in self.checkers:
                        checker.measured(runner.uncommitted, len(runner.commits.outbox))
            for checker in self.checkers:
                checker.tickets_known(self.matchmaking.knows)


def simulate(seed: int, make: Callable[[int], World] = World) -> History:
    """Play one seed. Raises ``Violated`` with the command that plays it again."""

    async def main() -> History:
        return await make(seed).play()

    try:
        history: History = run(main())
    except AssertionError as violated:
        raise Violated(f"{violated}\nreplay: python -m tests.sim --seed {seed}") from violated
    return history
