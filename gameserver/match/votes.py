"""What the players of one match decide together: to pause, to go on, to play again.

    pause, resume    more than half of the players who are connected say yes within VOTE_S
    rematch          after the end, within the mode's rematch_ms: those who say yes get a new match
                     of the same kind in which their seats are kept

A pause and the time for a rematch are kept in the checkpoint. Votes for a pause are not: after a
failover they are cast again; those for a rematch are.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from gameserver.hot import Member
from gameserver.ids import MatchId
from gameserver.match.checkpoint import Kept
from gameserver.match.pause import Pause
from gameserver.match.play import FINISHED
from gameserver.match.services import Services, Watcher
from gameserver.matchmaking import Booking, Place, Queue
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

VOTE_S = 30.0
REMATCH = "rematch"
_NTH = "u"
"""Stands in no id that is drawn."""


class Votes:
    """One ballot at a time: ``yes`` and ``no`` are ids of players."""

    def __init__(self, runner: Runner, kept: Kept, services: Services, *, watcher: Watcher) -> None:
        self._runner = runner
        self._mode = runner.game.modes[runner.mode]
        self._services = services
        self._watcher = watcher
        self._loop = asyncio.get_running_loop()
        self._what = ""
        self._until_ms = 0
        self._yes: dict[str, None] = {}
        self._no: dict[str, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._pause_timer: asyncio.TimerHandle | None = None
        self._opening = False
        self.pauses = kept.pauses
        self.pause_until_ms = kept.pause_until_ms
        self.rematch_until_ms = kept.rematch_until_ms
        if self.rematch_until_ms:
            self._yes, self._no = dict.fromkeys(kept.yes), dict.fromkeys(kept.no)

    @property
    def yes(self) -> list[str]:
        """For a rematch: what a new owner has to know."""
        return list(self._yes) if self.rematch_until_ms else []

    @property
    def no(self) -> list[str]:
        return list(self._no) if self.rematch_until_ms else []

    def restore(self) -> None:
        """Stand still for the rest of a pause that the former owner began."""
        left_ms = self.pause_until_ms - self._now_ms()
        if left_ms > 0 and not self._runner.over:
            self._stand_still(left_ms)

    def stop(self) -> None:
        for timer in (self._timer, self._pause_timer):
            if timer is not None:
                timer.cancel()

    def left(self, player_id: str) -> None:
        """The player has no seat any more."""
        self._yes.pop(player_id, None)
        self._no.pop(player_id, None)
        if self._what:
            self._count()

    # ── voting ───────────────────────────────────────────────────────────────────────────────

    def vote(self, member: Member, message: from_client.Vote) -> None:
        why = self._why_not(message.what)
        if why:
            error = to_client.Error(ErrorCode.VOTE_REFUSED, why, message.ref)
            self._runner.attendance.tell(member, Broadcast(error))
            return
        if self._what != message.what:
            self._begin(message.what, VOTE_S)
        for voices in (self._yes, self._no):
            voices.pop(member.player_id, None)
        (self._yes if message.yes else self._no)[member.player_id] = None
        if self._what == REMATCH:
            self._runner.commits.keep()
        self._count()

    def _why_not(self, what: str) -> str:
        runner, mode = self._runner, self._mode
        if what == REMATCH:
            return (
                "" if self._what == REMATCH and not self._opening else "there is none to vote for"
            )
        if runner.over:
            return "the match is over"
        if what == "resume":
            return "" if self.pause_until_ms else "nobody has paused it"
        if self.pause_until_ms:
            return "it stands still already"
        if not mode.pauses:
            return f"{runner.game.name} cannot be paused here"
        return "" if self.pauses < mode.pauses else f"it can be paused {mode.pauses} times"

    def _begin(self, what: str, for_s: float) -> None:
        self._what = what
        self._until_ms = self._now_ms() + int(for_s * 1000)
        if what != REMATCH:
            self._yes, self._no = {}, {}
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(for_s, self._time_up)

    def _count(self) -> None:
        """Say how it stands, and act once that is clear."""
        electors = self._electors()
        needed = self._needed(len(electors))
        self._runner.attendance.announce(self._standing(needed))
        if self._what == REMATCH:
            if len(self._yes) + len(self._no) >= len(electors):
                self._close()
        elif len(self._yes) >= needed:
            what = self._what
            self._over()
            if what == "pause":
                self._pause()
            else:
                self._resume()
        elif len(self._no) > len(electors) - needed:
            self._over()

    def _electors(self) -> list[Member]:
        """For a rematch those too who are expected back."""
        return [
            member
            for member in self._runner.attendance.roster
            if not member.player.is_bot and (self._what == REMATCH or member.subscriber is not None)
        ]

    def _needed(self, electors: int) -> int:
        return self._mode.players_min if self._what == REMATCH else electors // 2 + 1

    def _standing(self, needed: int) -> Broadcast:
        def seats(voices: dict[str, None]) -> list[int]:
            roster = self._runner.attendance.roster
            return sorted(m.player.seat for m in roster if m.player_id in voices)

        yes, no = seats(self._yes), seats(self._no)
        return Broadcast(to_client.Voting(self._what, yes, no, needed, self._until_ms))

    def standing(self) -> list[Broadcast]:
        """For who comes, or comes back."""
        return [self._standing(self._needed(len(self._electors())))] if self._what else []

    def _time_up(self) -> None:
        self._timer = None
        if self._what == REMATCH:
            self._close()
        else:
            self._over()

    def _over(self) -> None:
        """There is nothing to vote for any more."""
        what, self._what = self._what, ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._runner.attendance.announce(Broadcast(to_client.Voting(what, [], [], 0, 0)))

    # ── pausing ──────────────────────────────────────────────────────────────────────────────

    def _pause(self) -> None:
        self.pauses += 1
        self.pause_until_ms = self._now_ms() + self._mode.pause_ms
        self._runner.commits.keep()
        self._stand_still(self._mode.pause_ms)

    def _stand_still(self, for_ms: int) -> None:
        self._pause_timer = self._loop.call_later(for_ms / 1000, self._resume)
        self._runner.pause(Pause.VOTE)

    def _resume(self) -> None:
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None
        self.pause_until_ms = 0
        if self._what == "resume":
            self._over()
        self._runner.commits.keep()
        self._runner.resume(Pause.VOTE)

    # ── playing again ────────────────────────────────────────────────────────────────────────

    def closing(self) -> None:
        """The checkpoint of the end is made: it holds how long a rematch may be voted for."""
        if self._mode.rematch_ms and not self.rematch_until_ms:
            self._yes, self._no = {}, {}
            self.rematch_until_ms = self._now_ms() + self._mode.rematch_ms

    def lingers(self) -> bool:
        """Whether the match, whose end is durable, waits for votes; begins that at first."""
        if self._opening or self._what == REMATCH:
            return True
        left_ms = self.rematch_until_ms - self._now_ms()
        if self._runner.play.ended != FINISHED or left_ms <= 0:
            return False
        self._what = REMATCH
        if not self._electors():
            self._what = ""
            return False
        self._begin(REMATCH, left_ms / 1000)
        self._count()
        return self._opening or self._what == REMATCH

    def _close(self) -> None:
        """Everyone has voted, or the time is over."""
        runner, roster = self._runner, self._runner.attendance.roster
        self._over()
        willing = [member for member in roster if member.player_id in self._yes]
        if len(willing) < max(1, self._mode.players_min):
            runner.finish()
            return
        self._opening = True
        queue = Queue(runner.game.name, runner.mode)
        former = runner.attendance.reserved.booking
        booking = msgspec.structs.replace(
            Booking(queue=queue, places=()) if former is None else former,
            places=tuple(
                Place(member.player.id, member.player.team, member.player.role)
                for member in willing
            ),
            until_ms=self._services.config.grace_ms,
        )
        self._watcher.again(runner, next_id(runner.match_id), booking)

    def opened(self, match_id: MatchId | None) -> None:
        """The new match is there, durably; ``None``: it could not be opened."""
        runner = self._runner
        if match_id is not None:
            until_ms = self._now_ms() + self._services.config.grace_ms
            told = Broadcast(to_client.Rematch(match_id, until_ms))
            for member in runner.attendance.roster:
                if member.player_id in self._yes:
                    runner.attendance.tell(member, told)
        runner.finish()

    def _now_ms(self) -> int:
        return self._services.clock.wall_ms()


def next_id(match_id: MatchId) -> MatchId:
    """Of the match after ``match_id``: the same for every owner that asks, so that a failover while
    it is opened does not open another."""
    base, _, number = match_id.partition(_NTH)
    return MatchId(f"{base}{_NTH}{int(number or 1) + 1}")
