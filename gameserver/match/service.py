"""The matches of a node as one thing: built, started, drained, stopped.

MatchService
├── Registry     join, Watcher ──► Birth (create, adopt)
├── Committer    task
├── LeaseKeeper  task
├── Relay        tasks (send, trim)
├── Undertaker   task
└── Sweep        task: adopt what nobody owns
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from heapq import nlargest
from typing import Any

from gameserver.config import Config
from gameserver.game.contract import AnyGame
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Listed
from gameserver.maintenance import Maintenance
from gameserver.match.birth import Birth
from gameserver.match.booked import Booked
from gameserver.match.committer import Committer
from gameserver.match.entrance import Entrance
from gameserver.match.exchange import Exchanged, exchange
from gameserver.match.hosting import LocalHosting
from gameserver.match.lease import LeaseKeeper
from gameserver.match.opening import Kind
from gameserver.match.operations import LocalOperations
from gameserver.match.pacer import Slots
from gameserver.match.registry import Registry
from gameserver.match.relay import Relay
from gameserver.match.remains import Undertaker
from gameserver.match.runner import Runner
from gameserver.match.services import Services
from gameserver.match.sweep import Sweep
from gameserver.match.traced import MatchTraces
from gameserver.matchmaking import Booking, Place, Queue, Vacancy
from gameserver.metrics import Metrics
from gameserver.moderation import Judge, Moderator
from gameserver.ports import (
    Clock,
    Entropy,
    EventQueue,
    Identity,
    MatchStore,
    OpenMatch,
    Sealer,
    Seated,
    Subscriber,
)
from gameserver.wire import from_client

logger = logging.getLogger(__name__)

_DRAIN_POLL_S = 0.01
_HANDOVERS_AT_ONCE = 4
_HANDOVER_ROUNDS = 200
"""A node of many matches hands more of them over at once, so that it takes a few seconds."""


class MatchService:
    """Implements ``ports.Matches``. ``node`` is the owner's name in leases: it must differ between
    processes, and between two lives of one."""

    def __init__(
        self,
        config: Config,
        *,
        games: Mapping[str, AnyGame],
        store: MatchStore,
        queue: EventQueue,
        sealer: Sealer,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
        node: str,
        moderator: Moderator | None = None,
        traces: MatchTraces | None = None,
    ) -> None:
        self._config = config
        self._traces = traces
        self._games = games = dict(games)
        self._node = node
        self._entropy = entropy
        self._loop = asyncio.get_running_loop()
        self.on_released: Callable[[MatchId, list[Subscriber]], None] = lambda *_: None
        self._tasks: list[asyncio.Task[None]] = []
        self._passing: dict[asyncio.Task[None], None] = {}
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Raises what ended a side task: without any one of them the node must not go on."""
        self._committer = Committer(
            store,
            sealer,
            interval_ms=config.checkpoint_interval_ms,
            lease_ttl_ms=config.lease_ttl_ms,
            entropy=entropy,
            metrics=metrics,
        )
        self._relay = Relay(queue, store, entropy=entropy, metrics=metrics, traces=traces)
        self._undertaker = Undertaker(store, self._relay, entropy=entropy)
        services = Services(
            node=node,
            config=config,
            clock=clock,
            metrics=metrics,
            committer=self._committer,
            relay=self._relay,
            sealer=sealer,
            slots=Slots(behind_max=config.ticks_behind_max, metrics=metrics),
            judge=Judge(moderator, config, metrics=metrics),
            traces=traces,
        )
        self._birth = Birth(
            store, games=games, services=services, undertaker=self._undertaker, entropy=entropy
        )
        self._registry = Registry(
            config,
            games=games,
            birth=self._birth,
            store=store,
            relay=self._relay,
            undertaker=self._undertaker,
            entropy=entropy,
            metrics=metrics,
            spawn=self._spawn,
        )
        self._entrance = Entrance(self._registry, store)
        self._sweep = Sweep(
            self._registry, store, lease_ttl_ms=config.lease_ttl_ms, entropy=entropy
        )
        self._booked = Booked(self._registry, node=node, clock=clock)
        self.hosting = LocalHosting(self._registry, hosted_max=config.hosted_matches_max)
        self.operations = LocalOperations(self._registry.runners, node=node)
        metrics.gauge("spectators", "Who watches matches of this node", self._spectators)
        self._keeper = LeaseKeeper(
            store, self._registry.held, lease_ttl_ms=config.lease_ttl_ms, entropy=entropy
        )

    # ── ports.Matches ────────────────────────────────────────────────────────────────────────

    @property
    def games(self) -> Mapping[str, AnyGame]:
        return self._registry.games

    async def join(
        self, request: from_client.Entry, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        """See ``ports.Matches``."""
        seated = await self._entrance.join(request, identity, subscriber)
        if self._traces is not None:
            self._traces.joined(seated.handle.match_id)
        return seated

    # ── ports.LocalMatches ───────────────────────────────────────────────────────────────────

    @property
    def on_seat(self) -> Callable[[PlayerId, MatchId | None], None]:
        return self._registry.on_seat

    @on_seat.setter
    def on_seat(self, noted: Callable[[PlayerId, MatchId | None], None]) -> None:
        self._registry.on_seat = noted

    @property
    def maintenance(self) -> Maintenance | None:
        return self._registry.maintenance

    @maintenance.setter
    def maintenance(self, maintenance: Maintenance | None) -> None:
        self._registry.maintenance = maintenance

    @property
    def draining(self) -> bool:
        return self._registry.draining

    def runs(self, match_id: MatchId) -> bool:
        """See ``ports.LocalMatches``."""
        return match_id in self._registry.runners

    def holds(self, player_id: PlayerId) -> bool:
        """See ``ports.LocalMatches``."""
        return self._registry.holds(player_id)

    def has_room(self, game: AnyGame, mode: str) -> bool:
        """See ``ports.LocalMatches``."""
        return self._registry.has_room(Kind(game.name, mode))

    def open_matches(self, limit: int) -> list[OpenMatch]:
        """See ``ports.LocalMatches``."""
        fullest = nlargest(limit, self._registry.open_matches(), key=lambda one: one.players)
        return [OpenMatch(one.match_id, one.game.name, one.mode, one.players) for one in fullest]

    async def adopt(self, match_id: MatchId) -> bool:
        """See ``ports.LocalMatches``."""
        if self._registry.draining or self._registry.full:
            return False
        return await self._registry.adopt(match_id) is not None

    async def open_booked(self, match_id: MatchId, booking: Booking) -> bool:
        """See ``ports.LocalMatches``."""
        return await self._booked.open(match_id, booking)

    async def reserve(self, match_id: MatchId, places: Sequence[Place], *, arrive_ms: int) -> bool:
        """See ``ports.LocalMatches``."""
        return await self._booked.reserve(match_id, places, arrive_ms)

    def vacancies(self) -> Mapping[Queue, Sequence[Vacancy]]:
        """See ``ports.LocalMatches``."""
        return self._booked.vacancies()

    def fail(self, error: BaseException) -> None:
        """See ``ports.LocalMatches``."""
        if not self.failed.done():
            logger.critical("a side task has ended", exc_info=error)
            self.failed.set_exception(error)

    # ── what is going on ─────────────────────────────────────────────────────────────────────

    @property
    def matches_open(self) -> int:
        return len(self._registry.runners)

    @property
    def players(self) -> int:
        """Seats taken, by those in their grace period too."""
        return self._registry.players

    def _spectators(self) -> float:
        return float(sum(one.attendance.spectators for one in self._registry.runners.values()))

    @property
    def events_uncommitted(self) -> int:
        return sum(runner.uncommitted for runner in self._registry.runners.values())

    @property
    def events_unrelayed(self) -> int:
        return self._relay.unrelayed

    @property
    def bytes_unrelayed(self) -> int:
        return self._relay.unrelayed_bytes

    @property
    def oldest_unrelayed_s(self) -> float:
        """Since the step of the oldest event that the queue has not taken; 0: there is none."""
        oldest = self._relay.oldest_at
        return 0.0 if oldest is None else self._loop.time() - oldest

    def by_game(self) -> Mapping[tuple[str, ...], float]:
        """How many matches there are, by game and state."""
        return Counter((one.game.name, one.state) for one in self._registry.runners.values())

    def players_by_game(self) -> Mapping[tuple[str, ...], float]:
        """Seats taken, by game."""
        seats: Counter[tuple[str, ...]] = Counter()
        for runner in self._registry.runners.values():
            seats[runner.game.name,] += runner.players
        return seats

    def listing(self) -> list[Listed]:
        """See ``ports.LocalMatches``; oldest first."""
        return [
            Listed(
                runner.match_id,
                runner.game.name,
                runner.mode,
                runner.players,
                runner.players_max,
                runner.seats_open,
                runner.tick,
                runner.state,
                self._node,
                runner.created_ms,
                "" if runner.guestlist.terms is None else runner.guestlist.terms.title,
                runner.guestlist.visibility,
            )
            for runner in self._registry.runners.values()
        ]

    def exchange(self, game: AnyGame, *, end_unfit: bool) -> Exchanged:
        """Play by ``game`` from now on, in the running matches too that it fits. For development.
        Returns what became of them."""
        self._games[game.name] = game
        return exchange(self._registry.runners.values(), game, end_unfit=end_unfit)

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Start the side tasks; the first sweep takes over what an earlier process left."""
        for run in (
            self._committer.run,
            self._keeper.run,
            self._relay.run,
            self._relay.run_trim,
            self._undertaker.run,
            self._sweep.run,
        ):
            task = self._loop.create_task(run())
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def adopt_orphans(self) -> None:
        """Continue what nobody owns, now. Raises ``StoreUnavailable``."""
        await self._sweep.look(at_once=True)

    async def drain(self, deadline_s: float) -> None:
        """Hand the matches over: no new ones, and of each a last commit, the lease given back;
        then the outbox emptied as far as the time allows. Subscribers keep quiet seats: their
        sessions tell them to reconnect, and another node continues the match for them.

        A few matches at a time, so that each stands still for no longer than its own handover
        takes; the others are played meanwhile."""
        until = self._loop.time() + deadline_s
        registry = self._registry
        registry.draining = True
        at_once = max(_HANDOVERS_AT_ONCE, len(registry.runners) // _HANDOVER_ROUNDS)
        while registry.runners and self._loop.time() < until:
            playing = [one for one in registry.runners.values() if not one.frozen]
            leaving = len(registry.runners) - len(playing)
            for runner in playing[: max(1, at_once - leaving)]:
                runner.freeze()
            settled = [one for one in registry.runners.values() if one.frozen and one.settled]
            await asyncio.gather(*(self._release(runner, until) for runner in settled))
            await asyncio.sleep(_DRAIN_POLL_S)
        for runner in list(registry.runners.values()):
            logger.warning("match not handed over", extra={"match": runner.match_id})
            self._registry.remove(runner)
        try:
            async with asyncio.timeout_at(until):
                await self._relay.idle.wait()
        except TimeoutError:
            # They are in the store's outbox; whoever owns the matches next relays them.
            logger.warning("events left to others", extra={"events": self.events_unrelayed})
        await self._undertaker.leave(within_s=max(0.0, until - self._loop.time()))

    async def _release(self, runner: Runner, until: float) -> None:
        present = [
            member.subscriber
            for member in runner.attendance.roster.audience
            if member.subscriber is not None
        ]
        self._registry.remove(runner)
        with suppress(TimeoutError):  # Then it runs out by itself.
            async with asyncio.timeout_at(until):
                await self._birth.release(runner.tenure.lease)
        self.on_released(runner.match_id, present)

    async def stop(self) -> None:
        """End everything at once; what is not committed is lost, as in a crash. Idempotent."""
        for task in [*self._tasks, *self._passing]:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*self._tasks, *self._passing, return_exceptions=True)
        self._tasks.clear()
        await self._registry.stop()
        if self.failed.done():
            if not self.failed.cancelled():
                self.failed.exception()
        else:
            self.failed.cancel()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._passing[task] = None
        task.add_done_callback(self._passed)

    def _passed(self, task: asyncio.Task[None]) -> None:
        self._passing.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self._ended(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.failed.done():
            return
        error = task.exception() or RuntimeError("a side task returned")
        logger.critical("a side task has ended", exc_info=error)
        self.failed.set_exception(error)
