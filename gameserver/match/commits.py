"""The durable side of one match on its owner: what it commits, and what follows from the outcome.

    changed ──► committer ──prepare_commit──► checkpoint and events, sealed
                    └──────commit_outcome───► COMMITTED: announced, and offered to the relay
                                              FENCED:    another owner has the match
                                              CONFLICT:  the store is not where the match left it

What is uncommitted, and what the queue has not taken yet, is bounded: beyond that the match stands
still until half of it is gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, assert_never

import msgspec

from gameserver.errors import KeysUnavailable
from gameserver.match import checkpoint as checkpoints
from gameserver.match.checkpoint import Checkpoint, Recorded
from gameserver.match.ledger import Ledger
from gameserver.match.outbox import Unrelayed
from gameserver.match.pause import Pause
from gameserver.match.recorder import Recorder
from gameserver.match.services import Services, Watcher
from gameserver.ports import Acquired, Commit, Outcome

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

logger = logging.getLogger(__name__)


class Commits:
    """Implements ``committer.Committed`` for a ``Runner``."""

    __slots__ = (
        "_committer",
        "_loop",
        "_metrics",
        "_play",
        "_recorded_max",
        "_recorder",
        "_runner",
        "_seen_seq",
        "_services",
        "_stopped",
        "_uncommitted_max",
        "_watcher",
        "chronicle",
        "ledger",
        "match_id",
        "outbox",
    )

    def __init__(
        self,
        runner: Runner,
        origin: Checkpoint,
        acquired: Acquired,
        *,
        services: Services,
        watcher: Watcher,
        recorder: Recorder | None,
        confirmed_at: float,
    ) -> None:
        self.match_id = runner.match_id
        self.chronicle = chronicle = runner.chronicle
        self.outbox = services.relay.open(
            runner.match_id,
            last_seq=acquired.outbox[0].seq - 1 if acquired.outbox else origin.entry_seq,
        )
        self.ledger = Ledger(
            runner.match_id,
            acquired=acquired,
            chronicle=chronicle,
            outbox=self.outbox,
            beat=runner.play.beat,
        )
        self._runner = runner
        self._play = runner.play
        self._recorder = recorder
        self._services = services
        self._committer = services.committer
        self._metrics = services.metrics
        self._watcher = watcher
        self._loop = asyncio.get_running_loop()
        self._seen_seq = origin.event_seq
        self._uncommitted_max = services.config.uncommitted_events_max
        self._recorded_max = services.config.recording_bytes_max
        self._stopped = False
        self.outbox.on_relayed = self._relayed
        self.outbox.offer(Unrelayed(entry, confirmed_at) for entry in acquired.outbox)

    @property
    def settled(self) -> bool:
        """Whether everything up to now is committed."""
        return self.ledger.settled

    @property
    def version(self) -> int:
        """The last commit that is known to be durable."""
        return self.ledger.version

    @property
    def next_version(self) -> int:
        """The commit that will hold what is true now."""
        return self.ledger.version + (1 if self.ledger.inflight is None else 2)

    # ── what is to be committed ──────────────────────────────────────────────────────────────

    def changed(self) -> None:
        """The game was called: see to its events, its end and its checkpoint."""
        ledger = self.ledger
        if not ledger.dirty:
            ledger.dirty = True
            self._committer.changed(self)
        chronicle = self.chronicle
        if chronicle.seq != self._seen_seq:
            self._metrics.events_emitted += chronicle.seq - self._seen_seq
            self._seen_seq = chronicle.seq
            self._committer.urgent(self)
            if chronicle.uncommitted >= self._uncommitted_max:
                self._runner.pause(Pause.COMMIT)
        if self._recorder is not None:
            self._weigh(self._recorder.pending)
        if self._play.ended is not None:
            self._runner.stand_still()

    def keep(self) -> int:
        """Something besides the game has changed that must be durable soon; the version that holds
        it."""
        version = self.next_version
        self.changed()
        self.hurry()
        return version

    def hurry(self) -> None:
        """Commit what is true now, soon."""
        self._committer.urgent(self)

    def stop(self) -> None:
        """No commit any more."""
        self._stopped = True
        self._committer.drop(self)

    def _weigh(self, recorded: int) -> None:
        """A recording that grows quickly is committed sooner, and holds the match at its bound."""
        most = self._recorded_max
        if recorded > most // 4:
            self._committer.urgent(self)
            if recorded > most:
                self._runner.pause(Pause.COMMIT)

    # ── the committer's side ─────────────────────────────────────────────────────────────────

    def prepare_commit(self) -> Commit | None:
        """See ``committer.Committed``."""
        if self._stopped or self._runner.tenure.doubted or self.ledger.settled:
            return None
        try:
            return self.ledger.prepare(self._encode)
        except KeysUnavailable:
            self._committer.urgent(self)  # It first waits for a key.
            return None
        except Exception as error:  # the game's state cannot be encoded
            self._runner.fail(error)
            return self.ledger.prepare(self._encode)

    def _encode(self) -> bytes:
        runner, play = self._runner, self._play
        state, recorded = play.encode_state(), None
        if self._recorder is not None:
            recorded = self._close(self._recorder, state)
        return checkpoints.encode(
            Checkpoint(
                format=checkpoints.FORMAT_UNRECORDED if recorded is None else checkpoints.FORMAT,
                match=runner.match_id,
                game=runner.game.name,
                mode=runner.mode,
                players_max=runner.players_max,
                created_ms=runner.created_ms,
                tick=play.tick,
                time_ms=runner.time_ms,
                event_seq=self.chronicle.seq,
                random=play.random,
                state=state,
                seats=runner.attendance.seats(),
                ended=play.ended,
                booking=runner.attendance.reserved.booking,
                recorded=recorded,
                terms=runner.guestlist.terms,
                company=None if runner.company is None else runner.company.kept(),
            )
        )

    def _close(self, recorder: Recorder, state: msgspec.Raw) -> Recorded:
        """The recording up to now goes into the same commit, behind its events."""
        play, chronicle = self._play, self.chronicle
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
        runner = self._runner
        match outcome:
            case Outcome.COMMITTED:
                self._committed(self.ledger.committed(), sent_at)
                runner.tenure.confirm(sent_at)
            case Outcome.FENCED:
                self._metrics.commits_fenced += 1
                logger.warning("match has another owner", extra={"match": self.match_id})
                self._watcher.fenced(runner)
            case Outcome.CONFLICT:
                self._metrics.commits_conflicting += 1
                logger.warning("store is not where it was", extra={"match": self.match_id})
                runner.tenure.doubted = True
                runner.pause(Pause.LEASE)
                self._watcher.conflicted(runner)
            case _:
                assert_never(outcome)

    def _committed(self, up_to_entry: int, sent_at: float) -> None:
        runner, services, chronicle = self._runner, self._services, self.chronicle
        recorder, durable = self._recorder, chronicle.durable(up_to_entry)
        for stated in durable:
            if stated.message is not None:
                runner.attendance.announce(stated.message)
        if durable:
            if services.traces is not None:
                services.traces.committed(self.match_id, durable, sent_at)
            self.outbox.offer(Unrelayed(stated.entry, stated.at) for stated in durable)
            if self._backlog() >= 1:
                runner.pause(Pause.RELAY)
        if recorder is not None:
            recorder.durable()
            self._weigh(recorder.pending)
        if chronicle.uncommitted:
            self._committer.urgent(self)
        elif self.ledger.dirty:
            self._committer.changed(self)
        if chronicle.uncommitted <= self._uncommitted_max // 2 and (
            recorder is None or recorder.pending <= self._recorded_max // 2
        ):
            runner.resume(Pause.COMMIT)
        if runner.company is not None:
            runner.company.chat.committed(self.ledger.version)
        if self._play.ended is not None and not chronicle.uncommitted:
            runner.linger()

    def takes_up(self, acquired: Acquired, confirmed_at: float) -> bool:
        """Go on after a conflict, under a new fence; false where the store is ahead of us."""
        if not self.ledger.ahead_of(acquired):
            return False
        self.ledger.reacquired(acquired)
        self._play.epoch = self.chronicle.epoch = acquired.fence
        tenure = self._runner.tenure
        tenure.doubted = False
        self._committer.urgent(self)
        tenure.confirm(confirmed_at)
        return True

    # ── the queue's side ─────────────────────────────────────────────────────────────────────

    def _backlog(self) -> float:
        """How much waits for the queue; 1: as much as may."""
        config, outbox = self._services.config, self.outbox
        return max(len(outbox) / config.outbox_events_max, outbox.bytes / config.outbox_bytes_max)

    def _relayed(self) -> None:
        if self._backlog() <= 0.5:
            self._runner.resume(Pause.RELAY)
