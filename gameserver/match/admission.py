"""Whom one match takes in, and the first thing that they hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameserver.errors import JoinRefused
from gameserver.game.contract import Player, Refused
from gameserver.hot import Member
from gameserver.ids import PlayerId
from gameserver.match.reserved import Reserved
from gameserver.match.roster import Roster
from gameserver.match.seat import Seat
from gameserver.ports import Identity, Seated
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Frame
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.match.runner import Runner


class Admission:
    """For ``Attendance``. Every refusal is a ``JoinRefused``."""

    __slots__ = ("_reserved", "_roster", "_runner", "_uncommitted_max")

    def __init__(
        self, runner: Runner, roster: Roster, reserved: Reserved, *, uncommitted_max: int
    ) -> None:
        self._runner = runner
        self._roster = roster
        self._reserved = reserved
        self._uncommitted_max = uncommitted_max

    def check(self, request: from_client.Join, *, known: bool) -> None:
        """Whether the match can be joined at all; ``known``: who asks has a seat."""
        runner = self._runner
        if runner.over and not (known and runner.lingering):
            raise self._over()
        runner.has_lapsed()  # Then the player is told that the match stands still.
        if request.resume is not None and request.resume.epoch > runner.play.epoch:
            # The player has seen a newer owner: ours is the stale one, and will find out.
            raise JoinRefused(ErrorCode.MATCH_ELSEWHERE, "another node holds it; try again")

    def check_still_there(self) -> None:
        """Whether taking the player in has not ended it."""
        if self._runner.over and not self._runner.lingering:
            raise self._over()

    def check_watcher(self, player_id: PlayerId) -> None:
        """Whether the player may watch without a seat."""
        runner = self._runner
        if runner.over:
            raise self._over()
        if not runner.guestlist.admits(player_id):
            raise JoinRefused(ErrorCode.NOT_INVITED, "a private match: its guests alone may watch")

    def _over(self) -> JoinRefused:
        return JoinRefused(ErrorCode.UNKNOWN_MATCH, f"match {self._runner.match_id} is over")

    def admit(self, identity: Identity) -> Player:
        """A new player, whom the game has let in."""
        runner = self._runner
        seat, place = self._roster.free_seat, self._reserved.place(identity.player_id)
        if seat is None and not self._roster.bots:
            raise JoinRefused(
                ErrorCode.MATCH_FULL, f"match {runner.match_id} has no free seat; join another"
            )
        self._check_seats(identity.player_id)
        if runner.uncommitted >= self._uncommitted_max:
            raise JoinRefused(ErrorCode.UNAVAILABLE, "the match waits for its store; try again")
        if runner.bots is not None:
            given_up = runner.bots.make_room(None if place is None else place.team)
            seat = seat if given_up is None else given_up
        if runner.over or seat is None:
            raise JoinRefused(ErrorCode.UNAVAILABLE, "the match has just ended")
        player = Player(
            id=identity.player_id,
            name=identity.name,
            seat=seat,
            groups=identity.groups,
            team=0 if place is None else place.team,
            role="" if place is None else place.role,
        )
        try:
            runner.play.join(player, runner.time_ms)
        except Refused as refused:
            raise JoinRefused(ErrorCode.REFUSED, refused.reason) from None
        except Exception as error:
            runner.fail(error)
            raise JoinRefused(ErrorCode.UNAVAILABLE, "the match has failed") from error
        return player

    def _check_seats(self, player_id: PlayerId) -> None:
        """Whether a free seat is one for this player."""
        runner, guestlist, now_ms = self._runner, self._runner.guestlist, self._runner.time_ms
        if not (self._reserved.takes(player_id, now_ms) or guestlist.keeps(player_id, now_ms)):
            is_late = self._reserved.is_late(now_ms)
            why = "it is too late to join it" if is_late else "its free seats are not for you"
            raise JoinRefused(ErrorCode.MATCH_FULL, f"{why}; join another")
        if not guestlist.admits(player_id):
            raise JoinRefused(ErrorCode.NOT_INVITED, "a private match: its code is needed")
        kept = guestlist.kept(self._roster, now_ms, beside=player_id)
        if self._roster.persons + kept >= runner.players_max:
            raise JoinRefused(
                ErrorCode.MATCH_FULL, f"the free seats of {runner.match_id} are kept for others"
            )

    def seated(
        self, request: from_client.Join, member: Member, seat: Seat, frame: Frame | None
    ) -> Seated:
        """The answer to who has a seat now, with the reliable messages that they have missed."""
        runner, chronicle = self._runner, self._runner.chronicle
        gap = None if request.resume is None else chronicle.since(request.resume)
        missed = list(gap or ())
        joined = to_client.Joined(
            ref=request.ref,
            match=runner.match_id,
            game=runner.game.name,
            mode=runner.mode,
            epoch=runner.play.epoch,
            tick=runner.play.tick,
            tick_rate=runner.game.tick_rate,
            seat=member.player.seat,
            input_seq=member.input_seq,
            seq=chronicle.announced_seq - len(missed),
            resumed=gap is not None,
            seats=self._roster.shown(),
        )
        if (paused := runner.paused) is not None:
            missed.append(paused)
        if runner.company is not None:
            missed += runner.company.news(member)
        return Seated(handle=seat, game=runner.game, joined=joined, missed=missed, frame=frame)
