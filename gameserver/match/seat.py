"""A seat in a match, as its session holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameserver.game.contract import LeaveReason
from gameserver.hot import Given, Member
from gameserver.ids import MatchId
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.match.runner import Runner


class Seat:
    """Implements ``ports.SeatHandle``. Void once its player left, or came back by another one."""

    __slots__ = ("_member", "_runner")

    def __init__(self, runner: Runner, member: Member) -> None:
        self._runner = runner
        self._member = member

    @property
    def match_id(self) -> MatchId:
        return self._runner.match_id

    def input(self, seq: int, data: Any) -> ErrorCode | None:
        """Queue an input for the next step. Over the limit of one step the newest is dropped: the
        older ones were given first, and a step's cost stays bounded. While the match stands still
        that is nobody's mistake (the player may not know yet), so it is not answered."""
        member, runner = self._member, self._runner
        if member.handle is not self:
            return ErrorCode.NOT_JOINED
        if seq <= member.input_seq:
            return ErrorCode.BAD_INPUT
        if member.queued_tick != (tick := runner.play.tick):
            member.queued_tick = tick
            member.queued = 0
        if member.queued >= runner.inputs_max:
            return None if runner.still else ErrorCode.TOO_MANY_INPUTS
        member.queued += 1
        member.input_seq = seq
        runner.inputs.append(Given(member.player_id, member.seat, seq, data))
        if runner.is_on_demand:
            runner.pacer.request()
        return None

    def say(self, message: from_client.Word) -> None:
        """See ``ports.SeatHandle``."""
        member, runner = self._member, self._runner
        if member.handle is not self:
            return
        if runner.company is not None:
            runner.company.said(member, message)
        else:
            is_vote = isinstance(message, from_client.Vote)
            code = ErrorCode.VOTE_REFUSED if is_vote else ErrorCode.CHAT_REFUSED
            error = to_client.Error(code, "this match has nothing of the kind", message.ref)
            runner.attendance.tell(member, Broadcast(error))

    def leave(self, reason: LeaveReason) -> None:
        if self._member.handle is self:
            self._runner.attendance.leave(self._member, reason)

    def detach(self) -> None:
        if self._member.handle is self:
            self._runner.attendance.detach(self._member)
