"""How long one match waits: for players whose connection is gone, and, empty, for anybody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gameserver.config import Config
from gameserver.game.contract import LeaveReason
from gameserver.match.reserved import Reserved
from gameserver.match.roster import Roster

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

NEVER = float("inf")


class Patience:
    """For ``Attendance``.

    A player without a connection keeps the seat for ``grace_ms``, then leaves the game as
    disconnected; a match without players ends after ``empty_match_ms``. Neither time runs while
    the match stands still.
    """

    __slots__ = (
        "_empty_s",
        "_empty_since",
        "_grace_s",
        "_loop",
        "_reserved",
        "_roster",
        "_runner",
        "_timer",
    )

    def __init__(
        self, runner: Runner, roster: Roster, reserved: Reserved, *, config: Config
    ) -> None:
        self._runner = runner
        self._roster = roster
        self._reserved = reserved
        self._grace_s = config.grace_ms / 1000
        self._empty_s = config.empty_match_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._empty_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def grace_until(self) -> float:
        """When who is gone from now on loses the seat: the loop's time."""
        return self._loop.time() + self._grace_s

    def emptied(self) -> None:
        """The last person has left."""
        self._empty_since = self._loop.time()

    def arm(self) -> None:
        """Wait for the next player whose grace ends, or for the end of an empty match."""
        self.stop()
        if self._runner.over or self._runner.paused is not None:
            return
        persons = (member for member in self._roster if not member.player.is_bot)
        due = min((member.gone_until for member in persons), default=self._empty_until())
        if due < NEVER:
            self._timer = self._loop.call_at(due, self._waited)

    def stop(self) -> None:
        """Wait for nobody."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def prolong(self, pause_s: float) -> None:
        """The match stood still so long."""
        self._empty_since += pause_s
        for member in self._roster:
            member.gone_until += pause_s

    def _empty_until(self) -> float:
        """When an empty match ends: not while players are expected."""
        now_ms = self._runner.time_ms
        expected_s = max(
            self._reserved.pending_s(self._roster, now_ms),
            self._runner.guestlist.expected_ms(self._roster, now_ms) / 1000,
        )
        until = self._empty_since + self._empty_s
        return max(until, self._loop.time() + expected_s) if expected_s else until

    def _waited(self) -> None:
        self._timer = None
        now = self._loop.time()
        if not self._roster.persons:
            if self._empty_until() > now:
                self.arm()
            else:
                self._runner.abandon()
            return
        for member in self._roster:
            if member.gone_until <= now:
                self._runner.attendance.leave(member, LeaveReason.DISCONNECTED)
        self.arm()
