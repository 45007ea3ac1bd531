"""Where runners come from: a new match, or one whose owner is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from gameserver.errors import JoinRefused, StoreUnavailable
from gameserver.game.contract import AnyGame, Setup
from gameserver.game.random import SeededRandom
from gameserver.hosting import Terms
from gameserver.ids import MatchId
from gameserver.match import checkpoint as checkpoints
from gameserver.match.checkpoint import BadCheckpoint, Checkpoint
from gameserver.match.outbox import Unrelayed
from gameserver.match.pacer import phase
from gameserver.match.recorder import Recorder
from gameserver.match.remains import Remains, Undertaker
from gameserver.match.runner import Runner
from gameserver.match.services import Services, Watcher
from gameserver.matchmaking import Booking
from gameserver.ports import Acquired, Entropy, Lease, MatchStore
from gameserver.wire.event_record import ChunkSetup
from gameserver.wire.to_client import ErrorCode

logger = logging.getLogger(__name__)

LEFT_ALONE_S = 60.0
"""How long a match that cannot be continued here is left to others."""
LEFT_ALONE_MAX = 10_000


class Birth:
    """Acquires matches, and makes runners of them."""

    def __init__(
        self,
        store: MatchStore,
        *,
        games: Mapping[str, AnyGame],
        services: Services,
        undertaker: Undertaker,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._games = games
        self._services = services
        self._undertaker = undertaker
        self._entropy = entropy
        self._ttl_ms = services.config.lease_ttl_ms
        self._loop = asyncio.get_running_loop()
        self._made = 0
        self._left_alone: dict[MatchId, float] = {}

    async def create(
        self,
        game: AnyGame,
        mode: str,
        watcher: Watcher,
        *,
        match_id: MatchId | None = None,
        terms: Terms | None = None,
    ) -> Runner:
        """A new match, on the terms of a player if there is one. Raises ``StoreUnavailable``,
        ``JoinRefused`` where the game fails."""
        match_id = match_id or self._entropy.match_id()
        asked_at = self._loop.time()
        acquired = await self._acquire(match_id)
        if acquired is None:
            raise StoreUnavailable(f"the new match id {match_id} is taken")
        return await self._new(match_id, game, mode, acquired, asked_at, watcher, terms=terms)

    async def open(
        self,
        match_id: MatchId,
        game: AnyGame,
        booking: Booking,
        watcher: Watcher,
        *,
        terms: Terms | None = None,
    ) -> tuple[Runner | None, bool]:
        """A booked match, and whether it is new: if an earlier call has begun it, it is continued.
        ``None``: another node has it, or it is over. Raises as ``create``."""
        asked_at = self._loop.time()
        acquired = await self._acquire(match_id)
        if acquired is None:
            return None, False
        if acquired.checkpoint is not None:
            return await self._continued(match_id, acquired, asked_at, watcher), False
        mode = booking.queue.mode
        runner = await self._new(match_id, game, mode, acquired, asked_at, watcher, booking, terms)
        return runner, True

    async def _new(
        self,
        match_id: MatchId,
        game: AnyGame,
        mode: str,
        acquired: Acquired,
        asked_at: float,
        watcher: Watcher,
        booking: Booking | None = None,
        terms: Terms | None = None,
    ) -> Runner:
        newest = self._games.get(game.name, game)  # Its rules may have been exchanged meanwhile.
        game = newest if mode in newest.modes else game
        services, seed = self._services, self._entropy.seed()
        rules = game.modes[mode]
        options, players_max = rules.options, rules.players_max
        if terms is not None:
            options, players_max = {**options, **terms.options}, terms.players_max or players_max
        random = SeededRandom(seed)
        try:
            state: msgspec.Struct = game.start(
                Setup(
                    mode=mode,
                    players_max=players_max,
                    options=options,
                    random=random,
                )
            )
        except Exception as error:
            services.metrics.games_failed += 1
            logger.exception("game failed to start", extra={"game": game.name, "mode": mode})
            await self._store.forget(Lease(match_id, acquired.fence))
            raise JoinRefused(ErrorCode.UNAVAILABLE, f"{game.name} failed to start") from error
        origin = Checkpoint(
            match=match_id,
            game=game.name,
            mode=mode,
            players_max=players_max,
            created_ms=services.clock.wall_ms(),
            tick=0,
            time_ms=0,
            event_seq=0,
            random=random.state,
            state=checkpoints.NO_STATE,
            seats=[],
            booking=booking,
            terms=terms,
        )
        recorder = None
        if game.recorded and services.config.recording:
            setup = ChunkSetup(seed=str(seed), players_max=players_max, options=dict(options))
            recorder = Recorder(game, origin, setup=setup)
        runner = self._runner(origin, state, game, acquired, asked_at, watcher, recorder)
        services.metrics.matches_started += 1
        logger.info("match started", extra={"match": match_id, "game": game.name, "mode": mode})
        return runner

    async def adopt(self, match_id: MatchId, watcher: Watcher) -> Runner | None:
        """Continue a match that nobody owns. ``None`` where there is nothing to play: another node
        was faster, it has ended, or this server does not know how. Raises ``StoreUnavailable``."""
        if self._left_alone.get(match_id, 0.0) > self._loop.time():
            return None
        asked_at = self._loop.time()
        acquired = await self._acquire(match_id)
        if acquired is None:
            return None
        if acquired.checkpoint is None:
            # Its owner died before the first commit: nobody was ever told of it.
            await self._store.forget(Lease(match_id, acquired.fence))
            return None
        return await self._continued(match_id, acquired, asked_at, watcher)

    async def _continued(
        self, match_id: MatchId, acquired: Acquired, asked_at: float, watcher: Watcher
    ) -> Runner | None:
        """From the checkpoint, which is there."""
        try:
            origin = checkpoints.decode(acquired.checkpoint or b"")
            if origin.ended is not None and not self._lingers(origin):
                self._bury(match_id, acquired, asked_at)
                return None
            game = self._games.get(origin.game)
            if game is None:
                raise BadCheckpoint(f"the game {origin.game!r} is not installed on this node")
            state = None
            if origin.ended is None:
                state = checkpoints.decode_state(origin.state, game.State)
        except BadCheckpoint as error:
            await self._leave_alone(match_id, acquired, error)
            return None
        # Once begun a recording goes on, whatever this node would do with a new match.
        recorder = None if origin.recorded is None else Recorder(game, origin, setup=None)
        runner = self._runner(origin, state, game, acquired, asked_at, watcher, recorder)
        self._services.metrics.matches_adopted += 1
        logger.info(
            "match adopted",
            extra={"match": match_id, "game": game.name, "tick": origin.tick},
        )
        return runner

    def _lingers(self, origin: Checkpoint) -> bool:
        """Whether the players of an ended match may still vote for another one."""
        until_ms = 0 if origin.company is None else origin.company.rematch_until_ms
        return until_ms > self._services.clock.wall_ms()

    async def reacquire(self, lease: Lease) -> Acquired | None:
        """Take one's own match again; ``None`` while a lease on it runs that is not ``lease``.
        In one step, for between giving up and taking again another node would be faster. Raises
        ``StoreUnavailable``."""
        return await self._acquire(lease.match_id, instead_of=lease.fence)

    async def release(self, lease: Lease) -> None:
        """Let somebody else take the match at once; if that fails, the lease runs out."""
        try:
            await self._store.release(lease)
        except StoreUnavailable as error:
            logger.warning("lease not released", extra={"error": str(error)})

    async def _acquire(self, match_id: MatchId, *, instead_of: int = 0) -> Acquired | None:
        return await self._store.acquire(
            match_id,
            owner=self._services.node,
            lease_ttl_ms=self._ttl_ms,
            instead_of=instead_of,
        )

    def _runner(
        self,
        origin: Checkpoint,
        state: msgspec.Struct | None,
        game: AnyGame,
        acquired: Acquired,
        asked_at: float,
        watcher: Watcher,
        recorder: Recorder | None,
    ) -> Runner:
        self._made += 1
        return Runner(
            origin,
            state,
            game=game,
            acquired=acquired,
            confirmed_at=asked_at,
            phase=phase(self._made),
            services=self._services,
            watcher=watcher,
            recorder=recorder,
        )

    def _bury(self, match_id: MatchId, acquired: Acquired, asked_at: float) -> None:
        """An ended match: relay what its owner could not."""
        entries = acquired.outbox
        outbox = self._services.relay.open(match_id, last_seq=entries[0].seq - 1 if entries else 0)
        remains = Remains(Lease(match_id, acquired.fence), outbox, confirmed_at=asked_at)
        self._undertaker.take(remains)
        outbox.offer(Unrelayed(entry, asked_at) for entry in entries)

    async def _leave_alone(
        self, match_id: MatchId, acquired: Acquired, error: BadCheckpoint
    ) -> None:
        """Another node may know better: give the lease back, and look away for a while."""
        if len(self._left_alone) >= LEFT_ALONE_MAX:
            self._left_alone.pop(next(iter(self._left_alone)))
        self._left_alone[match_id] = self._loop.time() + LEFT_ALONE_S
        logger.error("match left alone", extra={"match": match_id, "error": str(error)})
        await self.release(Lease(match_id, acquired.fence))
