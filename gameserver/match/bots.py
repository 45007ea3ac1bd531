"""Bots of one match: in seats that nobody has taken, played by the game itself.

    seats ──wait──► bot joins ──before each step──► Game.bot ──► an input like any other
                    person joins: a bot gives its seat up

What a bot does is an input: it is recorded, applied and acknowledged as a player's is, so that a
replay gives the same states though it asks no bot. Its randomness is drawn from the state of the
match's generator, the tick and the seat, and does not move that generator: a new owner's bots do in
the same state what the former's would have done.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gameserver.game.contract import BOT, LeaveReason, Player, Refused
from gameserver.game.contract import Bots as Rules
from gameserver.hot import Given, Member
from gameserver.ids import PlayerId
from gameserver.match.checkpoint import Checkpoint

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

THINK_MS = 700
"""How long a bot of a game without a tick rate waits before it acts."""


class Bots:
    """``step`` takes the place of the runner's own where the mode has bots."""

    def __init__(self, runner: Runner, rules: Rules, origin: Checkpoint) -> None:
        self._runner = runner
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        there = any(holder.player.startswith(BOT) for holder in origin.seats)
        self._due_ms = origin.time_ms if there else origin.time_ms + rules.wait_ms
        self._think_ms: int | None = None

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def step(self, now: float) -> None:
        """Fill seats, let the bots act, and step; called by the pacer."""
        runner = self._runner
        if runner.has_lapsed():
            return
        try:
            self._fill()
            if not runner.over:
                self._act()
        except Exception as error:
            runner.fail(error)
        if not runner.over:
            runner.step(now)

    def wake_at(self) -> int | None:
        """When a match without a rate wants to step: for the game, or for a bot."""
        runner, now_ms = self._runner, self._runner.time_ms
        due = [runner.play.wake_at()]
        if self._wanted():
            due.append(max(now_ms + 1, self._due_ms))
        if self._think_ms is None and self._inputs():
            self._think_ms = now_ms + THINK_MS
        due.append(self._think_ms)
        return min((one for one in due if one is not None), default=None)

    def _act(self) -> None:
        runner = self._runner
        if runner.is_on_demand:
            if self._think_ms is None or runner.time_ms < self._think_ms:
                return
            self._think_ms = None
        runner.inputs += self._inputs(applied=True)

    def _inputs(self, *, applied: bool = False) -> list[Given]:
        """What the bots would do now."""
        play, inputs = self._runner.play, []
        for member in self._members():
            data = play.bot(member.player)
            if data is not None:
                seq = member.input_seq + 1
                if applied:
                    member.input_seq = seq
                inputs.append(Given(member.player_id, member.seat, seq, data))
        return inputs

    # ── seats ────────────────────────────────────────────────────────────────────────────────

    def _members(self) -> list[Member]:
        roster = self._runner.attendance.roster
        return [member for member in roster if member.player.is_bot] if roster.bots else []

    def _wanted(self) -> bool:
        roster = self._runner.attendance.roster
        return 0 < roster.persons and len(roster) < min(self._rules.seats, roster.places)

    def _fill(self) -> None:
        """Nobody plays with bots alone."""
        runner, roster = self._runner, self._runner.attendance.roster
        if not self._wanted() or runner.time_ms < self._due_ms or runner.uncommitted:
            return
        seat = roster.free_seat
        if seat is None:
            return
        player = Player(
            id=PlayerId(f"{BOT}{seat}"), name=f"Bot {seat + 1}", seat=seat, team=self._team()
        )
        try:
            runner.attendance.seat_bot(player)
        except Refused:
            self._due_ms = runner.time_ms + max(1_000, self._rules.wait_ms)

    def _team(self) -> int:
        """The one with the fewest players."""
        matchmaking = self._runner.game.modes[self._runner.mode].matchmaking
        sizes = [0] * (1 if matchmaking is None else matchmaking.teams)
        for member in self._runner.attendance.roster:
            if member.player.team < len(sizes):
                sizes[member.player.team] += 1
        return sizes.index(min(sizes))

    def make_room(self, team: int | None) -> int | None:
        """The seat that a bot gives up for a person who joins; ``None`` where it need not."""
        roster = self._runner.attendance.roster
        if not roster.bots or len(roster) < min(self._rules.seats, roster.places):
            return None
        members = self._members()
        member = next((one for one in members if one.player.team == team), members[-1])
        self._runner.attendance.leave(member, LeaveReason.LEFT)
        return member.seat

    def left(self) -> None:
        """A person has left: their seat stays free for a while."""
        self._due_ms = max(self._due_ms, self._runner.time_ms + self._rules.wait_ms)
