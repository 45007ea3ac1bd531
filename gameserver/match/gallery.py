"""Those who watch one match without a seat: what they are shown, and when.

    the match's frame, events ──► held back for spectate_delay_ms ──► all spectators
                                    bounded: older views are thinned out, old events dropped

To the match all of them are one member without a seat, which is there only while somebody watches:
a match that nobody watches does nothing for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gameserver.config import Config
from gameserver.errors import JoinRefused
from gameserver.game.contract import AnyGame, LeaveReason, Player
from gameserver.game.validate import event_kinds
from gameserver.hot import Member
from gameserver.ids import MatchId, PlayerId
from gameserver.match.roster import Roster
from gameserver.ports import Seated, Subscriber
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.sensitive import sensitive_fields
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

logger = logging.getLogger(__name__)

ToldT = TypeVar("ToldT")
NO_SEAT = -1
STRIDE_MAX = 1024


class Gallery:
    """Implements ``ports.Subscriber`` for all spectators of a match.

    Nothing is held back before the first one comes: who opens the gallery of a delayed game waits
    for as long as the delay, and so does everyone after a failover. When the match ends there is
    nothing left to give away: what is held back is shown at once.
    """

    line = None

    def __init__(self, runner: Runner, roster: Roster, *, config: Config) -> None:
        self._runner = runner
        self._roster = roster
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._member = Member(Player(id=PlayerId(""), name="", seat=NO_SEAT))
        self._member.subscriber = self
        self._present: tuple[Subscriber, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._held: deque[tuple[float, Frame | Broadcast]] = deque()
        self._bytes = self._events = 0
        self._stride = self._since_kept = 1
        self._shown: Frame | None = None
        self._seq = 0
        self._plays(runner.game)

    def __len__(self) -> int:
        return len(self._present)

    def _plays(self, game: AnyGame) -> None:
        self._delay_s = (game.spectate_delay_ms or 0) / 1000
        # Of what an event tells of a person only the players hear.
        self._private = {
            kind: fields
            for event, kind in event_kinds(type(game)).items()
            if (fields := sensitive_fields(cast(Hashable, event)))
        }

    # ── coming and going ─────────────────────────────────────────────────────────────────────

    def admit(self, request: from_client.Watch, subscriber: Subscriber) -> Seated:
        """Raises ``JoinRefused``."""
        runner = self._runner
        if runner.game.spectate_delay_ms is None:
            text = f"{runner.game.name} cannot be watched without a seat"
            raise JoinRefused(ErrorCode.REFUSED, text)
        if len(self._present) >= self._config.spectators_max:
            raise JoinRefused(ErrorCode.MATCH_FULL, "as many watch it as may; try again later")
        runner.has_lapsed()  # Then it is told that the match stands still.
        if not self._present:
            self._open()
        self._present = (*self._present, subscriber)
        missed = [] if (paused := runner.paused) is None else [paused]
        frame = self._shown
        joined = to_client.Joined(
            ref=request.ref,
            match=runner.match_id,
            game=runner.game.name,
            mode=runner.mode,
            epoch=runner.play.epoch,
            tick=0 if frame is None else frame.tick,
            tick_rate=runner.game.tick_rate,
            seat=NO_SEAT,
            input_seq=0,
            seq=self._seq,
            resumed=False,
            seats=self._roster.shown(),
        )
        handle = Place(self, subscriber)
        return Seated(handle=handle, game=runner.game, joined=joined, missed=missed, frame=frame)

    def _open(self) -> None:
        """The first one is here: from now on the match is shown."""
        runner = self._runner
        self._roster.gallery = self._member
        self._roster.changed()
        try:
            frame = runner.attendance.frame_for(self._member)
        except Exception as error:
            runner.fail(error)
            raise JoinRefused(ErrorCode.UNAVAILABLE, "the match has failed") from error
        self._seq = runner.chronicle.announced_seq
        if self._delay_s:
            self.frame(frame)
        else:
            self._shown = frame

    def remove(self, subscriber: Subscriber) -> None:
        """It watches no more; no effect if it does not."""
        self._present = tuple(one for one in self._present if one is not subscriber)
        if not self._present:
            self._close()

    def _close(self) -> None:
        self.stop()
        self._present = ()
        self._forget()
        self._roster.gallery = None
        self._roster.changed()

    def _forget(self) -> None:
        self._held.clear()
        self._bytes = self._events = 0
        self._stride = self._since_kept = 1
        self._shown = None

    def stop(self) -> None:
        """Nothing is shown any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ── Subscriber: what the match tells ─────────────────────────────────────────────────────

    def frame(self, frame: Frame) -> None:
        if not self._delay_s:
            self._show(frame)
            return
        if self._since_kept < self._stride:
            self._since_kept += 1
            # The newest is always there: a match without a rate may rest behind it.
            if self._held and isinstance(last := self._held[-1][1], Frame):
                self._held.pop()
                self._bytes -= last.view_bytes
        else:
            self._since_kept = 1
        self._bytes += frame.view_bytes
        self._hold(frame)
        if self._bytes > self._config.spectate_bytes_max and self._stride < STRIDE_MAX:
            self._thin_out()

    def announce(self, message: Broadcast) -> None:
        if not message.seq:
            self._tell_all(lambda one: one.announce, message)
            return
        message = self._public(message)
        if not self._delay_s:
            self._say(message)
            return
        self._events += 1
        self._hold(message)
        if self._events > self._config.resume_events_max:
            self._drop_oldest_event()

    def tell_alone(self, message: Broadcast) -> None:
        """There is no such one."""

    def polled(self, polled: bool) -> None:
        """Nobody here sends inputs."""

    def plays(self, game: AnyGame) -> None:
        """Views of the former rules would not fit those of the new ones."""
        self._forget()
        self._plays(game)
        self._tell_all(lambda one: one.plays, game)

    def left(self, reason: str) -> None:
        if reason != "moved":
            self._release(float("inf"))
        present = self._present
        self._close()
        for subscriber in present:
            self._tell(subscriber.left, reason)

    # ── holding back ─────────────────────────────────────────────────────────────────────────

    def _hold(self, item: Frame | Broadcast) -> None:
        self._held.append((self._loop.time() + self._delay_s, item))
        self._arm()

    def _arm(self) -> None:
        if self._timer is None and self._held:
            self._timer = self._loop.call_at(self._held[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        self._release(self._loop.time())
        self._arm()

    def _release(self, now: float) -> None:
        """Show what is due: every event, and the newest view."""
        newest = None
        while self._held and self._held[0][0] <= now:
            item = self._held.popleft()[1]
            if isinstance(item, Frame):
                self._bytes -= item.view_bytes
                newest = item
            else:
                self._events -= 1
                self._say(item)
        if not self._bytes:
            self._stride = 1
        if newest is not None:
            self._show(newest)

    def _thin_out(self) -> None:
        """Keep every other view, and of those to come as few: fluent for nobody, but never more
        than the bound, and never sooner than the delay."""
        kept: deque[tuple[float, Frame | Broadcast]] = deque()
        is_odd = False
        for held in reversed(self._held):
            if isinstance(held[1], Frame):
                is_odd = not is_odd
                if not is_odd:
                    self._bytes -= held[1].view_bytes
                    continue
            kept.appendleft(held)
        self._held = kept
        self._stride *= 2

    def _drop_oldest_event(self) -> None:
        for place, (_, item) in enumerate(self._held):
            if isinstance(item, Broadcast):
                del self._held[place]
                self._events -= 1
                return

    def _public(self, message: Broadcast) -> Broadcast:
        event = message.message
        if not isinstance(event, to_client.Event):
            return message
        private = self._private.get(event.kind)
        if not private:
            return message
        data: dict[str, Any] = {
            name: value for name, value in message.data.items() if name not in private
        }
        return Broadcast.event(event.seq, event.tick, event.kind, event.player, data)

    # ── telling ──────────────────────────────────────────────────────────────────────────────

    def _show(self, frame: Frame) -> None:
        self._shown = frame
        self._tell_all(lambda one: one.frame, frame)

    def _say(self, message: Broadcast) -> None:
        self._seq = message.seq
        self._tell_all(lambda one: one.announce, message)

    def _tell_all(
        self, method: Callable[[Subscriber], Callable[[ToldT], None]], what: ToldT
    ) -> None:
        for subscriber in self._present:
            self._tell(method(subscriber), what)

    def _tell(self, tell: Callable[[ToldT], None], what: ToldT) -> None:
        """A defect in one session must not end the match of the others."""
        try:
            tell(what)
        except Exception:
            logger.exception("spectator failed", extra={"match": self._runner.match_id})

    @property
    def match_id(self) -> MatchId:
        return self._runner.match_id


class Place:
    """Implements ``ports.SeatHandle`` for one spectator: nothing it says reaches the game."""

    __slots__ = ("_gallery", "_subscriber")

    def __init__(self, gallery: Gallery, subscriber: Subscriber) -> None:
        self._gallery = gallery
        self._subscriber = subscriber

    @property
    def match_id(self) -> MatchId:
        return self._gallery.match_id

    def input(self, seq: int, data: Any) -> ErrorCode | None:
        return ErrorCode.NOT_JOINED

    def say(self, message: from_client.Word) -> None:
        text = "take a seat first; who watches has no say"
        error = to_client.Error(ErrorCode.NOT_JOINED, text, message.ref)
        self._subscriber.tell_alone(Broadcast(error))

    def leave(self, reason: LeaveReason) -> None:
        self._gallery.remove(self._subscriber)

    def detach(self) -> None:
        self._gallery.remove(self._subscriber)
