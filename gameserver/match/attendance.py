"""Who plays in one match: seats taken, kept and freed, and what those present are told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from gameserver.config import Config
from gameserver.errors import JoinRefused
from gameserver.game.contract import LeaveReason, Player
from gameserver.hot import Member
from gameserver.ids import PlayerId
from gameserver.match.admission import Admission
from gameserver.match.checkpoint import Checkpoint, SeatHolder
from gameserver.match.gallery import Gallery
from gameserver.match.patience import NEVER, Patience
from gameserver.match.reserved import Reserved
from gameserver.match.roster import Roster
from gameserver.match.seat import Seat
from gameserver.match.services import Watcher
from gameserver.metrics import Metrics
from gameserver.ports import Identity, Seated, Subscriber
from gameserver.wire import from_client
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

logger = logging.getLogger(__name__)

ToldT = TypeVar("ToldT")
POLL_RATE_MIN = 10
"""From this tick rate on, sockets are read at the tick: nobody notices a wait of 100 ms in what is
not an input (a ping, a close), and an input is not used before the tick anyway."""


class Attendance:
    """The players' side of a ``Runner``."""

    __slots__ = (
        "_admission",
        "_beat",
        "_config",
        "_gallery",
        "_metrics",
        "_polls",
        "_runner",
        "_watcher",
        "patience",
        "reserved",
        "roster",
    )

    def __init__(
        self,
        runner: Runner,
        origin: Checkpoint,
        *,
        config: Config,
        watcher: Watcher,
        metrics: Metrics,
    ) -> None:
        self._beat = beat = runner.play.beat
        beat.inputs_max, beat.metrics = config.inputs_per_tick_max, metrics
        self.roster = Roster(origin.players_max, beat)
        self.reserved = Reserved(origin.booking, runner.game.modes[origin.mode])
        self.patience = Patience(runner, self.roster, self.reserved, config=config)
        self._admission = Admission(
            runner, self.roster, self.reserved, uncommitted_max=config.uncommitted_events_max
        )
        self._runner = runner
        self._metrics = metrics
        self._watcher = watcher
        self._polls = runner.game.tick_rate >= POLL_RATE_MIN
        self._config = config
        self._gallery: Gallery | None = None
        for holder in origin.seats:
            self._expect(holder)

    def _expect(self, holder: SeatHolder) -> None:
        """A player of the former owner: nobody is connected here yet, so grace begins."""
        player = Player(
            id=PlayerId(holder.player),
            name=holder.name,
            seat=holder.seat,
            groups=holder.groups,
            team=holder.team,
            role=holder.role,
        )
        member = Member(player, input_seq=holder.input_seq)
        member.gone_until = NEVER if player.is_bot else self.patience.grace_until()
        self.roster.add(member)

    def seats(self) -> list[SeatHolder]:
        """For the checkpoint: ``input_seq`` is what was applied, for what is queued may be lost."""
        acks = self.roster.acks
        return [
            SeatHolder(
                member.player.seat,
                member.player.id,
                member.player.name,
                member.player.groups,
                acks[member.player.seat],
                member.player.team,
                member.player.role,
            )
            for member in self.roster
        ]

    # ── coming and going ─────────────────────────────────────────────────────────────────────

    def join(self, request: from_client.Join, identity: Identity, subscriber: Subscriber) -> Seated:
        """Take a seat, or take one's own again. Raises ``JoinRefused``."""
        runner = self._runner
        known = self.roster.find(identity.player_id)
        self._admission.check(request, known=known is not None)
        member = known or self._take_in(identity)
        self._admission.check_still_there()
        try:
            frame = None if runner.over else self.frame_for(member)
        except Exception as error:
            runner.fail(error)
            raise JoinRefused(ErrorCode.UNAVAILABLE, "the match has failed") from error
        earlier, member.subscriber = member.subscriber, subscriber
        member.line = subscriber.line
        member.handle = seat = Seat(runner, member)
        member.gone_until = NEVER
        self.roster.changed()
        if earlier is not None:
            self._tell(earlier.left, "replaced")
        if self._beat.polling:
            subscriber.polled(True)
        runner.pacer.request()
        return self._admission.seated(request, member, seat, frame)

    def _take_in(self, identity: Identity) -> Member:
        player = self._admission.admit(identity)
        member = Member(player)
        member.gone_until = self.patience.grace_until()
        self.roster.add(member)
        self._watcher.seat_taken(self._runner, player.id)
        self._called()
        return member

    def seat_bot(self, player: Player) -> None:
        """Give a bot a seat. Raises what the game does."""
        runner = self._runner
        runner.play.join(player, runner.time_ms)
        member = Member(player)
        member.gone_until = NEVER
        self.roster.add(member)
        self._called()

    def watch(
        self, request: from_client.Watch, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        """See the match without a seat. Raises ``JoinRefused``."""
        self._admission.check_watcher(identity.player_id)
        if self._gallery is None:
            self._gallery = Gallery(self._runner, self.roster, config=self._config)
        return self._gallery.admit(request, subscriber)

    @property
    def spectators(self) -> int:
        """Those who watch without a seat."""
        return 0 if self._gallery is None else len(self._gallery)

    def leave(self, member: Member, reason: LeaveReason) -> None:
        """Free the seat. Nobody calls back to the one who leaves: who asked for it knows."""
        runner = self._runner
        member.handle = member.subscriber = member.line = None
        self.roster.remove(member)
        runner.forget_inputs(member.player.id)
        if not self.roster.persons:
            self.patience.emptied()
        if runner.bots is not None and not member.player.is_bot:
            runner.bots.left()
        self._watcher.seat_freed(runner, member.player.id)
        if runner.company is not None:
            runner.company.left(member.player.id)
        if runner.over:
            return
        try:
            runner.play.leave(member.player, reason, runner.time_ms)
        except Exception as error:
            runner.fail(error)
            return
        self._called()
        runner.pacer.request()
        self.patience.arm()

    def kick(self, player_id: PlayerId) -> bool:
        """Take a seat away for good, and say so; false if the player has none."""
        member = self.roster.find(player_id)
        if member is None:
            return False
        subscriber = member.subscriber
        self._runner.guestlist.strike(player_id)
        self.leave(member, LeaveReason.KICKED)
        if subscriber is not None:
            self._tell(subscriber.left, LeaveReason.KICKED)
        return True

    def signal(self, message: Any) -> Any:
        """Let the game hear ``message``; its answer. Raises what the game raises."""
        runner = self._runner
        answer = runner.play.signal(message, runner.time_ms)
        self._called()
        runner.pacer.request()
        return answer

    def _called(self) -> None:
        """The game was called outside of a step; it may have ended its match there."""
        runner = self._runner
        runner.changed()
        if runner.play.ended is not None and self.roster.audience:
            # The last frame needs a tick of its own: receivers drop what is not newer.
            runner.play.tick += 1
            try:
                self._beat.show()
            except Exception as error:
                runner.fail(error)

    def detach(self, member: Member) -> None:
        """The connection is gone: the seat is kept for the grace period."""
        member.handle = member.subscriber = member.line = None
        member.gone_until = self.patience.grace_until()
        self.roster.changed()
        self.patience.arm()

    def dismiss(self, reason: str) -> None:
        """Tell everyone present that their seat is gone, and free all seats."""
        for member in self.roster:
            subscriber = member.subscriber
            member.handle = member.subscriber = member.line = None
            self.roster.remove(member)
            self._watcher.seat_freed(self._runner, member.player.id)
            if subscriber is not None:
                self._tell(subscriber.left, reason)
        if self._gallery is not None:
            self._gallery.left(reason)

    def stop(self) -> None:
        """No word and no input any more; nobody is told."""
        self.patience.stop()
        for member in self.roster:
            member.handle = None
        if self._gallery is not None:
            self._gallery.stop()

    # ── reading at the tick ──────────────────────────────────────────────────────────────────

    def polling(self, running: bool) -> None:
        """The match goes on, or stands still: then sockets are read as bytes arrive."""
        polling = running and self._polls
        if polling != self._beat.polling:
            self._beat.polling = polling
            for member in self.roster.audience:
                if member.subscriber is not None:
                    self._tell(member.subscriber.polled, polling)

    # ── telling ──────────────────────────────────────────────────────────────────────────────

    def show_each(self) -> None:
        """A frame for each of those present: the game hides something."""
        for member in self.roster.audience:
            if member.subscriber is not None:
                self._tell(member.subscriber.frame, self.frame_for(member))

    def show_guests(self, frame: Frame) -> None:
        """Show ``frame`` to those whose connection is on another node, and to the gallery."""
        for member in self.roster.guests:
            if member.subscriber is not None:
                self._tell(member.subscriber.frame, frame)

    def exchanged(self) -> None:
        """The match plays by other rules: everyone gets a whole view, and sends other inputs."""
        self._beat.shown = None
        for member in self.roster.audience:
            if member.subscriber is not None:
                self._tell(member.subscriber.plays, self._runner.game)

    def announce(self, message: Broadcast) -> None:
        """A reliable message to all present."""
        for member in self.roster.audience:
            if member.subscriber is not None:
                self._tell(member.subscriber.announce, message)

    def tell(self, member: Member, message: Broadcast) -> None:
        """A reliable message to one player alone, if present."""
        if member.subscriber is not None:
            self._tell(member.subscriber.tell_alone, message)

    def frame_for(self, member: Member) -> Frame:
        """What ``member`` sees now. Raises whatever the game's view does."""
        play = self._runner.play
        if not self._runner.game.hidden:
            return play.frame(None)
        if member is self.roster.gallery:
            return play.public_frame()
        return play.frame(member.player)

    def _tell(self, tell: Callable[[ToldT], None], what: ToldT) -> None:
        """A defect in one session must not end the match of the others."""
        try:
            tell(what)
        except Exception:
            self.failed()

    def failed(self) -> None:
        logger.exception("subscriber failed", extra={"match": self._runner.match_id})
