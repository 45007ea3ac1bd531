"""One match on its owner: the single writer of its state.

    inputs ──► step ──► frame ─────────────────────────────► subscribers, at once
                 └────► events ──► commit ──► announced ───► subscribers, only then
                                     └──────► outbox ──────► queue

Everything here runs on the loop's thread and returns at once; what may block (commits, renewals,
relays) belongs to the node and calls back.
"""

from __future__ import annotations

import asyncio
import logging
from typing import assert_never

import msgspec

from gameserver.errors import KeysUnavailable
from gameserver.game.contract import AnyGame, Player
from gameserver.hot import Given
from gameserver.ids import MatchId, PlayerId
from gameserver.match import checkpoint as checkpoints
from gameserver.match.attendance import Attendance
from gameserver.match.bots import Bots
from gameserver.match.checkpoint import Checkpoint, Recorded
from gameserver.match.chronicle import Chronicle
from gameserver.match.company import Company
from gameserver.match.guestlist import Guestlist
from gameserver.match.ledger import Ledger
from gameserver.match.outbox import Unrelayed
from gameserver.match.pacer import make_pacer
from gameserver.match.pause import PAUSE_TEXTS, Pause
from gameserver.match.play import GAME_ERROR, Play
from gameserver.match.recorder import Recorder
from gameserver.match.services import LEASE_TRUSTED, Services, Watcher
from gameserver.ports import Acquired, Commit, Lease, Outcome
from gameserver.wire import to_client
from gameserver.wire.frame import Broadcast

logger = logging.getLogger(__name__)


class Runner:
    """A match that this node owns."""

    def __init__(
        self,
        origin: Checkpoint,
        state: msgspec.Struct | None,
        *,
        game: AnyGame,
        acquired: Acquired,
        confirmed_at: float,
        phase: float,
        services: Services,
        watcher: Watcher,
        recorder: Recorder | None = None,
    ) -> None:
        config = services.config
        self.match_id = MatchId(origin.match)
        self.game = game
        self.mode = origin.mode
        self.players_max = origin.players_max
        self.created_ms = origin.created_ms
        self.inputs_max = config.inputs_per_tick_max
        self.confirmed_at = confirmed_at
        """When the lease was last confirmed, or rather asked for: the loop's time in s."""
        self.refusing_until = 0.0
        """The loop's time until which quick join leaves this match out: its game refused."""
        self._origin = origin
        self._seen_seq = origin.event_seq
        self._services = services
        self._metrics = services.metrics
        self._watcher = watcher
        self._loop = loop = asyncio.get_running_loop()
        self._trusted_s = config.lease_ttl_ms / 1000 * LEASE_TRUSTED
        self.chronicle = Chronicle(
            match_id=self.match_id,
            game=game.name,
            mode=origin.mode,
            epoch=acquired.fence,
            seq=origin.event_seq,
            entry_seq=origin.entry_seq,
            keep=config.resume_events_max,
            sealer=services.sealer,
        )
        self.chronicle.remember(acquired.outbox)
        self._recorder = recorder
        self.play = Play(
            origin,
            state,
            game=game,
            chronicle=self.chronicle,
            clock=services.clock,
            now=loop.time,
            recorder=recorder,
        )
        self.outbox = services.relay.open(
            self.match_id,
            last_seq=acquired.outbox[0].seq - 1 if acquired.outbox else origin.entry_seq,
        )
        self._ledger = Ledger(
            self.match_id, acquired=acquired, chronicle=self.chronicle, outbox=self.outbox
        )
        bots = game.modes[origin.mode].bots
        self.bots = None if bots is None else Bots(self, bots, origin)
        self.pacer = make_pacer(
            self.step if self.bots is None else self.bots.step,
            rate=game.tick_rate,
            phase=phase,
            time_ms=origin.time_ms,
            slots=services.slots,
        )
        self.inputs: list[Given] = []
        """What the next step gets; seats append to it, within their limits."""
        self.on_demand = not game.tick_rate
        self.guestlist = Guestlist(origin.terms)
        self.attendance = Attendance(
            self, origin, config=config, watcher=watcher, metrics=services.metrics
        )
        self.company = Company.of(self, origin, services, watcher)
        self._paused = Pause(0)
        self._paused_at = 0.0
        self._conflicted = False
        self._finished = False
        self._stopped = False
        self.outbox.on_relayed = self._relayed
        self.outbox.offer(Unrelayed(entry, confirmed_at) for entry in acquired.outbox)
        if self.company is not None:
            self.company.votes.restore()

    # ── what the node sees ───────────────────────────────────────────────────────────────────

    @property
    def tick(self) -> int:
        """Steps completed."""
        return self.play.tick

    @property
    def players(self) -> int:
        """Persons with a seat."""
        return self.attendance.roster.persons

    @property
    def seats_open(self) -> int:
        """For anybody: those that are kept for somebody do not count; none while it is over, or
        filled by matchmaking alone."""
        if self.over or not self.attendance.reserved.is_open(self.time_ms):
            return 0
        kept = self.guestlist.kept(self.attendance.roster, self.time_ms)
        return max(0, self.players_max - self.players - kept)

    @property
    def uncommitted(self) -> int:
        return self.chronicle.uncommitted

    @property
    def settled(self) -> bool:
        """Whether everything up to now is committed, or not ours any more."""
        return self._stopped or self._ledger.settled

    @property
    def frozen(self) -> bool:
        """Whether it is being handed over."""
        return bool(self._paused & Pause.HANDOVER)

    @property
    def finished(self) -> bool:
        """Whether its end is committed."""
        return self._finished

    @property
    def version(self) -> int:
        """The last commit that is known to be durable."""
        return self._ledger.version

    @property
    def next_version(self) -> int:
        """The commit that will hold what is true now."""
        return self._ledger.version + (1 if self._ledger.inflight is None else 2)

    @property
    def lease(self) -> Lease:
        return Lease(self.match_id, self._ledger.fence)

    @property
    def state(self) -> str:
        """``running``, ``paused`` or ``ended``."""
        return "ended" if self.play.ended else "paused" if self._paused else "running"

    @property
    def open(self) -> bool:
        """Whether quick join may send a player here."""
        return (
            self.play.ended is None
            and not self._paused
            and not self._stopped
            and self.guestlist.is_public
            and self.seats_open > 0
            and self.refusing_until <= self._loop.time()
        )

    @property
    def lingering(self) -> bool:
        """Whether its players are still together, though it has ended."""
        return self.play.ended is not None and not (self._stopped or self._finished)

    @property
    def over(self) -> bool:
        """Whether nobody can play here any more."""
        return self._stopped or self.play.ended is not None

    @property
    def still(self) -> bool:
        """Whether no step is to come: for now, or, at the end, for good."""
        return bool(self._paused) or self.play.ended is not None or self._stopped

    @property
    def paused(self) -> Broadcast | None:
        """What players are told while the match stands still."""
        if not self._paused:
            return None
        why = next(text for pause, text in PAUSE_TEXTS.items() if pause & self._paused)
        return Broadcast(to_client.Paused(why))

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """A new match: say so, and play."""
        self.play.begin(self._services.node)
        self.changed()
        self.go_on()

    def go_on(self) -> None:
        """Play from the state at hand; where that is the end, let its players stay together."""
        if self.lingering:
            self.linger()
        elif not self._paused and not self.over:
            self.pacer.start()
            self.attendance.polling(True)
            self.attendance.arm()

    def freeze(self) -> None:
        """Play no further; what has been stated is still committed."""
        self.pause(Pause.HANDOVER)
        self._services.committer.urgent(self)

    def stop(self) -> None:
        """Stop at once: no step, no commit, no word any more."""
        self._stopped = True
        self.pacer.stop()
        self.attendance.stop()
        if self.company is not None:
            self.company.stop()
        self._services.committer.drop(self)

    def abandon(self, reason: str = "") -> None:
        """Nobody has been here for too long, or (``reason``) an operator ends it."""
        self.play.abandon(self.time_ms, reason)
        self.changed()

    def hurry(self) -> None:
        """Commit what is true now, soon."""
        self._services.committer.urgent(self)

    def fail(self, error: Exception) -> None:
        """The game has raised: its match ends, the others go on."""
        self._metrics.games_failed += 1
        logger.error(
            "game failed",
            exc_info=error,
            extra={"match": self.match_id, "game": self.game.name, "tick": self.play.tick},
        )
        self.play.fail(self.time_ms)
        self.changed()

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def forget_inputs(self, player_id: PlayerId) -> None:
        """Games are promised inputs only of players who have a seat."""
        if self.inputs:
            self.inputs = [given for given in self.inputs if given.player_id != player_id]

    def step(self) -> None:
        """Advance by one tick and show it; called by the pacer."""
        if self.has_lapsed():
            return
        began = self._loop.time()
        self.attendance.poll()
        play, inputs, metrics = self.play, self.inputs, self._metrics
        if inputs:
            self.inputs = []
            metrics.inputs_received += len(inputs)
        try:
            play.step(inputs, self.time_ms)
            if inputs:
                self.attendance.acknowledge(inputs)
            if self.attendance.roster.audience:
                self.attendance.show()
            if self.on_demand:
                self.pacer.wake_at(play.wake_at() if self.bots is None else self.bots.wake_at())
        except Exception as error:
            self.fail(error)
            return
        self.changed()
        metrics.ticks += 1
        metrics.step_ms.observe((self._loop.time() - began) * 1000)

    @property
    def time_ms(self) -> int:
        """Match time of the next step."""
        return self.pacer.time_ms(self.play.tick)

    def changed(self) -> None:
        """The game was called: see to its events, its end and its checkpoint."""
        ledger = self._ledger
        if not ledger.dirty:
            ledger.dirty = True
            self._services.committer.changed(self)
        chronicle = self.chronicle
        if chronicle.seq != self._seen_seq:
            self._metrics.events_emitted += chronicle.seq - self._seen_seq
            self._seen_seq = chronicle.seq
            self._services.committer.urgent(self)
            if chronicle.uncommitted >= self._services.config.uncommitted_events_max:
                self.pause(Pause.COMMIT)
        if self._recorder is not None:
            self._weigh(self._recorder.pending)
        if self.play.ended is not None:
            self._stand_still()

    def keep(self) -> int:
        """Something besides the game has changed that must be durable soon; the version that holds
        it."""
        version = self.next_version
        self.changed()
        self.hurry()
        return version

    def team_of(self, player: Player) -> str | None:
        """The player's team, for the chat; an exception of the game ends its match."""
        if self.over:
            return None
        try:
            return self.play.team_of(player)
        except Exception as error:
            self.fail(error)
            return None

    def _weigh(self, recorded: int) -> None:
        """A recording that grows quickly is committed sooner, and holds the match at its bound."""
        most = self._services.config.recording_bytes_max
        if recorded > most // 4:
            self._services.committer.urgent(self)
            if recorded > most:
                self.pause(Pause.COMMIT)

    def _stand_still(self) -> None:
        self.pacer.stop()
        self.attendance.polling(False)
        self.attendance.stop_waiting()

    # ── standing still ───────────────────────────────────────────────────────────────────────

    def pause(self, why: Pause) -> None:
        """Stand still, visibly, for one more reason."""
        first = not self._paused
        self._paused |= why
        if not first or self.over:
            return
        self._paused_at = self._loop.time()
        self._metrics.matches_paused += 1
        self._stand_still()
        logger.info("match paused", extra={"match": self.match_id, "why": why.name})
        # A handover is over in a moment, and then nobody here can say that it is.
        if why is not Pause.HANDOVER and (message := self.paused) is not None:
            self.attendance.announce(message)

    def resume(self, why: Pause) -> None:
        """One reason less; with the last one the match goes on."""
        if not self._paused & why:
            return
        self._paused &= ~why
        if self._paused or self.over:
            return
        # Who could not come back because nothing moved gets that time on top.
        self.attendance.prolong(self._loop.time() - self._paused_at)
        logger.info("match resumed", extra={"match": self.match_id})
        self.attendance.announce(Broadcast(to_client.Resumed()))
        self.go_on()

    # ── the lease ────────────────────────────────────────────────────────────────────────────

    def confirm(self, sent_at: float) -> None:
        """The store has prolonged the lease, asked at ``sent_at``."""
        self.confirmed_at = max(self.confirmed_at, sent_at)
        if not self._conflicted and self._loop.time() <= self.confirmed_at + self._trusted_s:
            self.resume(Pause.LEASE)

    def has_lapsed(self) -> bool:
        """Whether the lease has run out, as far as this node can know; then the match stands still.
        To be asked whenever the process may have been asleep."""
        lapsed = self._loop.time() > self.confirmed_at + self._trusted_s
        if lapsed:
            self.lapse()
        return lapsed

    def lapse(self) -> None:
        """The lease cannot be trusted any more: another owner may be about to take over."""
        if not self._paused & Pause.LEASE:
            self._metrics.leases_lost += 1
            self.pause(Pause.LEASE)

    def refuse(self) -> None:
        """The store does not know the lease. A commit will tell why: fenced, or store emptied."""
        self.lapse()
        self._ledger.dirty = True
        self._services.committer.urgent(self)

    # ── commits ──────────────────────────────────────────────────────────────────────────────

    def prepare_commit(self) -> Commit | None:
        """See ``committer.Committed``."""
        if self._stopped or self._conflicted or self._ledger.settled:
            return None
        try:
            return self._ledger.prepare(self._encode)
        except KeysUnavailable:
            self._services.committer.urgent(self)  # It first waits for a key.
            return None
        except Exception as error:  # the game's state cannot be encoded
            self.fail(error)
            return self._ledger.prepare(self._encode)

    def _encode(self) -> bytes:
        origin, play = self._origin, self.play
        state, recorded = play.encode_state(), None
        if self._recorder is not None:
            recorded = self._close(self._recorder, state)
        return checkpoints.encode(
            Checkpoint(
                format=checkpoints.FORMAT_UNRECORDED if recorded is None else checkpoints.FORMAT,
                match=self.match_id,
                game=self.game.name,
                mode=self.mode,
                players_max=self.players_max,
                created_ms=origin.created_ms,
                tick=play.tick,
                time_ms=self.time_ms,
                event_seq=self.chronicle.seq,
                random=play.random,
                state=state,
                seats=self.attendance.seats(),
                ended=play.ended,
                booking=self.attendance.reserved.booking,
                recorded=recorded,
                terms=self.guestlist.terms,
                company=None if self.company is None else self.company.kept(),
            )
        )

    def _close(self, recorder: Recorder, state: msgspec.Raw) -> Recorded:
        """The recording up to now goes into the same commit, behind its events."""
        play, chronicle = self.play, self.chronicle
        chunks = recorder.close(
            event_seq=chronicle.seq,
            epoch=play.epoch,
            at_ms=self._services.clock.wall_ms(),
            ended=play.ended,
            digest=lambda: play.digest(state),
        )
        for chunk in chunks:
            chronicle.carry(chunk, self._loop.time())
            self._metrics.recording_bytes += len(chunk.body)
        return recorder.recorded(chronicle.entry_seq)

    def commit_outcome(self, outcome: Outcome, sent_at: float) -> None:
        """See ``committer.Committed``."""
        if self._stopped:
            return
        match outcome:
            case Outcome.COMMITTED:
                self._committed(self._ledger.committed(), sent_at)
                self.confirm(sent_at)
            case Outcome.FENCED:
                self._metrics.commits_fenced += 1
                logger.warning("match has another owner", extra={"match": self.match_id})
                self._watcher.fenced(self)
            case Outcome.CONFLICT:
                self._metrics.commits_conflicting += 1
                logger.warning("store is not where it was", extra={"match": self.match_id})
                self._conflicted = True
                self.pause(Pause.LEASE)
                self._watcher.conflicted(self)
            case _:
                assert_never(outcome)

    def _committed(self, up_to_entry: int, sent_at: float) -> None:
        services, chronicle, recorder = self._services, self.chronicle, self._recorder
        durable = chronicle.durable(up_to_entry)
        for stated in durable:
            if stated.message is not None:
                self.attendance.announce(stated.message)
        if durable:
            if services.traces is not None:
                services.traces.committed(self.match_id, durable, sent_at)
            self.outbox.offer(Unrelayed(stated.entry, stated.at) for stated in durable)
            if self._backlog() >= 1:
                self.pause(Pause.RELAY)
        if recorder is not None:
            recorder.durable()
            self._weigh(recorder.pending)
        if chronicle.uncommitted:
            services.committer.urgent(self)
        elif self._ledger.dirty:
            services.committer.changed(self)
        if chronicle.uncommitted <= services.config.uncommitted_events_max // 2 and (
            recorder is None or recorder.pending <= services.config.recording_bytes_max // 2
        ):
            self.resume(Pause.COMMIT)
        if self.company is not None:
            self.company.chat.committed(self._ledger.version)
        if self.play.ended is not None and not chronicle.uncommitted:
            self.linger()

    def linger(self) -> None:
        """The end is durable: finish, once nobody may vote for another match any more."""
        if self.company is None or not self.company.votes.lingers():
            self.finish()

    def finish(self) -> None:
        """It is over for its players too. Idempotent."""
        if not self._finished and not self._stopped:
            self._finished = True
            self.attendance.dismiss("game_error" if self.play.ended == GAME_ERROR else "ended")
            self._watcher.finished(self)

    def _backlog(self) -> float:
        """How much waits for the queue; 1: as much as may."""
        config, outbox = self._services.config, self.outbox
        return max(len(outbox) / config.outbox_events_max, outbox.bytes / config.outbox_bytes_max)

    def _relayed(self) -> None:
        if self._backlog() <= 0.5:
            self.resume(Pause.RELAY)

    def takes_up(self, acquired: Acquired, confirmed_at: float) -> bool:
        """Go on after a conflict, under a new fence; false where the store is ahead of us."""
        if not self._ledger.ahead_of(acquired):
            return False
        self._ledger.reacquired(acquired)
        self.play.epoch = self.chronicle.epoch = acquired.fence
        self._conflicted = False
        self._services.committer.urgent(self)
        self.confirm(confirmed_at)
        return True
