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

import msgspec

from gameserver.game.contract import AnyGame, Player
from gameserver.hot import Given
from gameserver.ids import MatchId, PlayerId
from gameserver.match.attendance import Attendance
from gameserver.match.bots import Bots
from gameserver.match.checkpoint import Checkpoint
from gameserver.match.chronicle import Chronicle
from gameserver.match.commits import Commits
from gameserver.match.company import Company
from gameserver.match.guestlist import Guestlist
from gameserver.match.pacer import make_pacer
from gameserver.match.pause import PAUSE_TEXTS, Pause
from gameserver.match.play import GAME_ERROR, Play
from gameserver.match.recorder import Recorder
from gameserver.match.services import Services, Watcher
from gameserver.match.tenure import Tenure
from gameserver.ports import Acquired
from gameserver.wire import to_client
from gameserver.wire.frame import Broadcast, Frame

logger = logging.getLogger(__name__)


class Runner:
    """A match that this node owns."""

    # Slots: a step finds the memory of its match cold, and so it is one block less to wait for.
    __slots__ = (
        "_finished",
        "_loop",
        "_metrics",
        "_node",
        "_paused",
        "_paused_at",
        "_stopped",
        "_watcher",
        "attendance",
        "bots",
        "changed",
        "chronicle",
        "commits",
        "company",
        "created_ms",
        "game",
        "guestlist",
        "has_lapsed",
        "inputs_max",
        "is_on_demand",
        "match_id",
        "mode",
        "pacer",
        "play",
        "players_max",
        "refusing_until",
        "step",
        "tenure",
    )

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
        self.refusing_until = 0.0
        """The loop's time until which quick join leaves this match out: its game refused."""
        self._node = services.node
        self._metrics = services.metrics
        self._watcher = watcher
        self._loop = loop = asyncio.get_running_loop()
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
        self.play = Play(
            origin,
            state,
            game=game,
            chronicle=self.chronicle,
            clock=services.clock,
            now=loop.time,
            recorder=recorder,
        )
        beat = self.play.beat
        beat.owner = self
        self.commits = commits = Commits(
            self,
            origin,
            acquired,
            services=services,
            watcher=watcher,
            recorder=recorder,
            confirmed_at=confirmed_at,
        )
        self.step = beat.step
        self.tenure = Tenure(self, commits.ledger, services, confirmed_at=confirmed_at)
        self.has_lapsed = self.tenure.has_lapsed
        self.changed = commits.changed  # Bound once, for every step asks for it.
        bots = game.modes[origin.mode].bots
        self.bots = None if bots is None else Bots(self, bots, origin)
        self.pacer = make_pacer(
            self.step if self.bots is None else self.bots.step,
            rate=game.tick_rate,
            phase=phase,
            time_ms=origin.time_ms,
            slots=services.slots,
        )
        self.is_on_demand = not game.tick_rate
        self.guestlist = Guestlist(origin.terms)
        self.attendance = Attendance(
            self, origin, config=config, watcher=watcher, metrics=services.metrics
        )
        self.company = Company.of(self, origin, services, watcher)
        self._paused = Pause(0)
        self._paused_at = 0.0
        self._finished = False
        self._stopped = False
        if self.company is not None:
            self.company.votes.restore()

    # ── what the node sees ───────────────────────────────────────────────────────────────────

    @property
    def tick(self) -> int:
        """Steps completed."""
        return self.play.tick

    @property
    def inputs(self) -> list[Given]:
        """What the next step gets; seats append to it, within their limits."""
        return self.play.beat.inputs

    @inputs.setter
    def inputs(self, inputs: list[Given]) -> None:
        self.play.beat.inputs = inputs

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
        return self._stopped or self.commits.settled

    @property
    def frozen(self) -> bool:
        """Whether it is being handed over."""
        return self.stands_still_for(Pause.HANDOVER)

    @property
    def finished(self) -> bool:
        """Whether its end is committed."""
        return self._finished

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
        self.play.begin(self._node)
        self.changed()
        self.go_on()

    def go_on(self) -> None:
        """Play from the state at hand; where that is the end, let its players stay together."""
        if self.lingering:
            self.linger()
        elif not self._paused and not self.over:
            self.pacer.start()
            self.attendance.polling(True)
            self.attendance.patience.arm()

    def freeze(self) -> None:
        """Play no further; what has been stated is still committed."""
        self.pause(Pause.HANDOVER)
        self.commits.hurry()

    def stop(self) -> None:
        """Stop at once: no step, no commit, no word any more."""
        self._stopped = True
        self.pacer.stop()
        self.attendance.stop()
        if self.company is not None:
            self.company.stop()
        self.commits.stop()

    def abandon(self, reason: str = "") -> None:
        """Nobody has been here for too long, or (``reason``) an operator ends it."""
        self.play.abandon(self.time_ms, reason)
        self.changed()

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
            # In place: this may happen while the list is filled by ``hot.collect``.
            self.inputs[:] = [given for given in self.inputs if given.player_id != player_id]

    def lapsed(self) -> None:
        """See ``hot.plain_beat.BeatOwner``, as for the next ones."""
        self.tenure.lapse()

    def stated(self, time_ms: int) -> None:
        self.play.stated(time_ms)

    def show_each(self) -> None:
        self.attendance.show_each()

    def show_guests(self, frame: Frame) -> None:
        self.attendance.show_guests(frame)

    def wake(self) -> None:
        self.pacer.wake_at(self.play.wake_at() if self.bots is None else self.bots.wake_at())

    def subscriber_failed(self) -> None:
        self.attendance.failed()

    @property
    def time_ms(self) -> int:
        """Match time of the next step."""
        return self.pacer.time_ms(self.play.tick)

    def team_of(self, player: Player) -> str | None:
        """The player's team, for the chat; an exception of the game ends its match."""
        if self.over:
            return None
        try:
            return self.play.team_of(player)
        except Exception as error:
            self.fail(error)
            return None

    # ── standing still ───────────────────────────────────────────────────────────────────────

    def stand_still(self) -> None:
        """Take no step, and let nobody's time run out."""
        self.pacer.stop()
        self.attendance.polling(False)
        self.attendance.patience.stop()

    def stands_still_for(self, why: Pause) -> bool:
        """Whether that is one of the reasons."""
        return bool(self._paused & why)

    def pause(self, why: Pause) -> None:
        """Stand still, visibly, for one more reason."""
        first = not self._paused
        self._paused |= why
        if not first or self.over:
            return
        self._paused_at = self._loop.time()
        self._metrics.matches_paused += 1
        self.stand_still()
        logger.info("match paused", extra={"match": self.match_id, "why": why.name})
        # A handover is over in a moment, and then nobody here can say that it is.
        if why is not Pause.HANDOVER and (message := self.paused) is not None:
            self.attendance.announce(message)

    def resume(self, why: Pause) -> None:
        """One reason less; with the last one the match goes on."""
        if not self._paused or not self._paused & why:
            return
        self._paused &= ~why
        if self._paused or self.over:
            return
        # Who could not come back because nothing moved gets that time on top.
        self.attendance.patience.prolong(self._loop.time() - self._paused_at)
        logger.info("match resumed", extra={"match": self.match_id})
        self.attendance.announce(Broadcast(to_client.Resumed()))
        self.go_on()
