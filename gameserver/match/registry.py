"""The matches of this node, and who sits in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import msgspec

from gameserver.config import Config
from gameserver.errors import JoinRefused, StoreUnavailable
from gameserver.game.contract import AnyGame
from gameserver.hosting import Terms
from gameserver.ids import MatchId, PlayerId
from gameserver.lobby import quick_join
from gameserver.maintenance import Maintenance
from gameserver.match.backoff import delay_s
from gameserver.match.birth import Birth
from gameserver.match.durable import until_durable
from gameserver.match.opening import Kind, Openings, kind_of
from gameserver.match.relay import Relay
from gameserver.match.remains import Remains, Undertaker
from gameserver.match.runner import Runner
from gameserver.match.tenure import Tenure
from gameserver.matchmaking import Booking
from gameserver.metrics import Metrics
from gameserver.ports import Entropy, Lease, MatchStore
from gameserver.wire.to_client import ErrorCode

logger = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], object]

FULL = "this node runs as many as it may"


def _not_noted(player_id: PlayerId, match_id: MatchId | None) -> None:
    """Nobody wants to know where players sit."""


class Registry:
    """Implements ``services.Watcher``. A player has at most one seat on a node."""

    def __init__(
        self,
        config: Config,
        *,
        games: Mapping[str, AnyGame],
        birth: Birth,
        store: MatchStore,
        relay: Relay,
        undertaker: Undertaker,
        entropy: Entropy,
        metrics: Metrics,
        spawn: Spawn,
    ) -> None:
        self.games = games
        self.runners: dict[MatchId, Runner] = {}
        self.draining = False
        self.maintenance: Maintenance | None = None
        self.on_seat: Callable[[PlayerId, MatchId | None], None] = _not_noted
        self._config = config
        self._birth = birth
        self._store = store
        self._relay = relay
        self._undertaker = undertaker
        self._entropy = entropy
        self._metrics = metrics
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._by_kind: dict[Kind, dict[MatchId, Runner]] = {}
        self._seats: dict[PlayerId, Runner] = {}
        self._openings = Openings(self._create)
        self._adopting: dict[MatchId, asyncio.Task[Runner | None]] = {}

    @property
    def players(self) -> int:
        return len(self._seats)

    def current(self, player_id: PlayerId) -> Runner | None:
        """The match that the player sits in, unless it is over."""
        current = self._seats.get(player_id)
        return None if current is None or current.over else current

    def holds(self, player_id: PlayerId) -> bool:
        """Whether the player has a seat in a match here that is not over."""
        return self.current(player_id) is not None

    def open_matches(self) -> Iterator[Runner]:
        """Those that quick join may send players to."""
        return (
            runner
            for runner in self.runners.values()
            if runner.open and runner.players < runner.players_max
        )

    def choose(self, kind: Kind) -> Runner | None:
        """The match that quick join sends the next player to, if there is one."""
        return quick_join.choose(one for one in self._by_kind.get(kind, {}).values() if one.open)

    def has_room(self, kind: Kind) -> bool:
        """Whether quick join would find a seat without opening a match."""
        return self._openings.has_room(kind) or self.choose(kind) is not None

    @property
    def full(self) -> bool:
        """Whether no further match may be opened or adopted."""
        coming = len(self._openings) + len(self._adopting)
        return len(self.runners) + coming >= self._config.matches_max

    def check_maintenance(self) -> None:
        """For who has no seat yet: those who have one play on and come back to it. Raises
        ``JoinRefused``."""
        if self.maintenance is not None:
            raise JoinRefused(ErrorCode.MAINTENANCE, self.maintenance.message)

    # ── opening and adopting ─────────────────────────────────────────────────────────────────

    async def open_new(self, game: AnyGame, kind: Kind) -> Runner:
        """A match that has just been opened, shared with others who wait for one. Raises
        ``JoinRefused``, ``StoreUnavailable``."""
        if self.full and not self._openings.has_room(kind):
            raise JoinRefused(ErrorCode.SERVER_FULL, FULL)
        return await self._openings.wait(game, kind)

    async def _create(self, game: AnyGame, mode: str) -> Runner:
        runner = await self._birth.create(game, mode, self)
        self._add(runner)
        runner.begin()
        return runner

    async def open_booked(
        self, match_id: MatchId, booking: Booking, *, terms: Terms | None = None
    ) -> Runner | None:
        """The match that matchmaking or the players of another one ask for, new or from an earlier
        call. ``None`` where it cannot be played here. Raises ``StoreUnavailable``."""
        runner = self.runners.get(match_id)
        if runner is not None:
            return runner
        game = self.games.get(booking.queue.game)
        closed = self.draining or self.full or self.maintenance is not None
        if closed or game is None or booking.queue.mode not in game.modes:
            return None
        try:
            runner, is_new = await self._birth.open(match_id, game, booking, self, terms=terms)
        except JoinRefused:
            return None  # The game does not start.
        if runner is None:
            return None
        self._take_in(runner)
        if is_new:
            runner.begin()
        else:
            runner.go_on()
        return runner

    async def host(self, match_id: MatchId, game: str, mode: str, terms: Terms) -> Runner:
        """A new match on the terms of a player. Raises ``JoinRefused``, ``StoreUnavailable``."""
        if self.draining:
            raise JoinRefused(ErrorCode.DRAINING, "this node is going away; try again")
        self.check_maintenance()
        if self.full:
            raise JoinRefused(ErrorCode.SERVER_FULL, FULL)
        rules, kind = kind_of(self.games, game, mode)
        runner = await self._birth.create(rules, kind.mode, self, match_id=match_id, terms=terms)
        self._add(runner)
        runner.begin()
        return runner

    def may_adopt(self, match_id: MatchId) -> bool:
        """Whether there is room for it, or it is on its way already."""
        return not self.full or match_id in self._adopting

    async def adopt(self, match_id: MatchId) -> Runner | None:
        """Continue a match that nobody owns; who asks for the same one waits for the same try."""
        task = self._adopting.get(match_id)
        if task is None:
            task = self._loop.create_task(self._adopt(match_id))
            self._adopting[match_id] = task
            task.add_done_callback(lambda done: self._adopted(match_id, done))
        return await asyncio.shield(task)

    async def _adopt(self, match_id: MatchId) -> Runner | None:
        runner = await self._birth.adopt(match_id, self)
        if runner is not None:
            self._take_in(runner)
            runner.go_on()
        return runner

    def _take_in(self, runner: Runner) -> None:
        self._add(runner)
        for member in runner.attendance.roster:
            if not member.player.is_bot:
                self._seats.setdefault(member.player.id, runner)

    def _adopted(self, match_id: MatchId, task: asyncio.Task[Runner | None]) -> None:
        del self._adopting[match_id]
        if not task.cancelled():
            task.exception()  # Whoever waits raises it.

    @property
    def room(self) -> int:
        """For how many further matches; none once the node goes away."""
        return 0 if self.draining else max(0, self._config.matches_max - len(self.runners))

    def answers_for(self, match_id: MatchId) -> bool:
        """Whether the match is this node's, be its lease running or not."""
        return match_id in self.runners or match_id in self._undertaker.all

    def _add(self, runner: Runner) -> None:
        self.runners[runner.match_id] = runner
        kind = Kind(runner.game.name, runner.mode)
        self._by_kind.setdefault(kind, {})[runner.match_id] = runner

    def remove(self, runner: Runner) -> None:
        """The match is not played here any more."""
        runner.stop()
        if self.runners.get(runner.match_id) is runner:
            del self.runners[runner.match_id]
        kind = Kind(runner.game.name, runner.mode)
        of_kind = self._by_kind.get(kind, {})
        if of_kind.pop(runner.match_id, None) is not None and not of_kind:
            del self._by_kind[kind]
        for member in runner.attendance.roster:
            self.seat_freed(runner, member.player.id)

    def held(self) -> Iterator[Tenure | Remains]:
        """Everything under a lease."""
        yield from (runner.tenure for runner in self.runners.values())
        yield from self._undertaker.all.values()

    async def stop(self) -> None:
        """Stop all at once, without a goodbye."""
        await self._openings.cancel()
        for task in list(self._adopting.values()):
            task.cancel()
        await asyncio.gather(*self._adopting.values(), return_exceptions=True)
        for runner in list(self.runners.values()):
            self.remove(runner)

    # ── Watcher ──────────────────────────────────────────────────────────────────────────────

    def seat_taken(self, runner: Runner, player_id: PlayerId) -> None:
        self._seats[player_id] = runner
        self.on_seat(player_id, runner.match_id)

    def seat_freed(self, runner: Runner, player_id: PlayerId) -> None:
        if self._seats.get(player_id) is runner:
            del self._seats[player_id]
            if not self.draining:  # Else the seat moves with its match.
                self.on_seat(player_id, None)

    def finished(self, runner: Runner) -> None:
        self._metrics.matches_ended += 1
        logger.info("match ended", extra={"match": runner.match_id, "reason": runner.play.ended})
        self.remove(runner)
        self._undertaker.take(
            Remains(
                runner.tenure.lease,
                runner.commits.outbox,
                confirmed_at=runner.tenure.confirmed_at,
            )
        )

    def again(self, runner: Runner, match_id: MatchId, booking: Booking) -> None:
        self._spawn(self._open_again(runner, match_id, booking))

    async def _open_again(self, runner: Runner, match_id: MatchId, booking: Booking) -> None:
        terms, is_open = runner.guestlist.terms, False
        if terms is not None:
            guests = {place.player: booking.until_ms for place in booking.places}
            terms = msgspec.structs.replace(terms, guests=guests, code="", password="")
        try:
            new = await self.open_booked(match_id, booking, terms=terms)
            if new is not None:
                await until_durable(self.runners, new, lambda: new.commits.version > 0)
                is_open = True
        except (StoreUnavailable, JoinRefused):
            pass
        if self.runners.get(runner.match_id) is runner and runner.company is not None:
            runner.company.votes.opened(match_id if is_open else None)

    def fenced(self, runner: Runner) -> None:
        """What was not announced is dropped: the new owner goes on from the last commit. Players
        are told ``moved`` and find the match again by its id."""
        runner.attendance.dismiss("moved")
        self._relay.close(runner.commits.outbox)
        self.remove(runner)

    def conflicted(self, runner: Runner) -> None:
        self._spawn(self._take_up(runner))

    async def _take_up(self, runner: Runner) -> None:
        """The store lost writes (emptied, or an older copy took over) while we know better: take
        the match again under a new fence and write it anew. If the store knows more, stop."""
        attempt = 0
        # An older copy of the store may hold an older lease; it runs out within its TTL.
        until = self._loop.time() + 2 * self._config.lease_ttl_ms / 1000
        while self.runners.get(runner.match_id) is runner:
            asked_at = self._loop.time()
            try:
                acquired = await self._birth.reacquire(runner.tenure.lease)
            except StoreUnavailable:
                acquired, until = None, self._loop.time() + 2 * self._config.lease_ttl_ms / 1000
            if acquired is None and self._loop.time() < until:
                await asyncio.sleep(delay_s(attempt, self._entropy.jitter()))
                attempt += 1
                continue
            if acquired is None:
                self.fenced(runner)
            elif not runner.commits.takes_up(acquired, asked_at):
                self.fenced(runner)
                await self._birth.release(Lease(runner.match_id, acquired.fence))
            return
