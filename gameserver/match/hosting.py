"""Matches of this node that players have created."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.errors import JoinRefused
from gameserver.hosting import BAD_TERMS, Terms
from gameserver.ids import MatchId, PlayerId
from gameserver.match.durable import until_durable
from gameserver.match.registry import Registry
from gameserver.match.runner import Runner
from gameserver.wire.to_client import ErrorCode


class LocalHosting:
    """For the node that has the match. Raises ``JoinRefused`` and ``StoreUnavailable``."""

    def __init__(self, registry: Registry, *, hosted_max: int) -> None:
        self._registry = registry
        self._hosted_max = hosted_max

    async def open(self, match_id: MatchId, game: str, mode: str, terms: Terms) -> None:
        """A match on these terms; returns once it is durable."""
        theirs = sum(
            runner.guestlist.terms is not None and runner.guestlist.terms.by == terms.by
            for runner in self._registry.runners.values()
        )
        if theirs >= self._hosted_max:
            raise JoinRefused(BAD_TERMS, f"you have {theirs} matches open; end one first")
        runner = await self._registry.host(match_id, game, mode, terms)
        await until_durable(self._registry.runners, runner, lambda: runner.commits.version > 0)

    async def invite(self, match_id: MatchId, player: PlayerId, keep_ms: int) -> None:
        """Make the player a guest and keep a seat for ``keep_ms``; returns once that is durable."""
        runner = self._registry.runners.get(match_id)
        if runner is None or runner.over:
            raise JoinRefused(ErrorCode.UNKNOWN_MATCH, "the match is over")
        roster = runner.attendance.roster
        if player in roster:
            return
        guestlist, now_ms = runner.guestlist, runner.time_ms
        if runner.attendance.reserved.is_late(now_ms) and not guestlist.keeps(player, now_ms):
            raise JoinRefused(ErrorCode.MATCH_FULL, "it is too late to join the match")
        if roster.persons + guestlist.kept(roster, now_ms, beside=player) >= runner.players_max:
            raise JoinRefused(ErrorCode.MATCH_FULL, "the match has no free seat")
        guestlist.invite(player, now_ms + keep_ms)
        await self._kept(runner)

    async def bring(self, match_id: MatchId, players: Sequence[PlayerId], keep_ms: int) -> None:
        """Keep a seat for each of the players, of whom the first may come in, or for none."""
        runner = self._registry.runners.get(match_id)
        if runner is None or runner.over:
            raise JoinRefused(ErrorCode.UNKNOWN_MATCH, "the match is over")
        if (maintenance := self._registry.maintenance) is not None:
            raise JoinRefused(ErrorCode.MAINTENANCE, maintenance.message)
        guestlist, now_ms = runner.guestlist, runner.time_ms
        roster, reserved = runner.attendance.roster, runner.attendance.reserved
        if not guestlist.admits(players[0]):
            raise JoinRefused(ErrorCode.NOT_INVITED, "a private match: its code is needed")
        coming = [one for one in players if one not in roster]
        if not all(reserved.takes(one, now_ms) or guestlist.keeps(one, now_ms) for one in coming):
            raise JoinRefused(ErrorCode.MATCH_FULL, "its free seats are not for you, or not now")
        persons = {member.player.id for member in roster if not member.player.is_bot}
        seated = persons | set(coming)
        kept = guestlist.kept(seated, now_ms) + reserved.kept(seated, now_ms)
        if len(seated) + kept > runner.players_max:
            raise JoinRefused(ErrorCode.MATCH_FULL, f"there are no {len(coming)} free seats")
        if not coming:
            return
        for player in coming:
            guestlist.invite(player, now_ms + keep_ms)
        await self._kept(runner)

    async def _kept(self, runner: Runner) -> None:
        """Returns once the guest list is durable."""
        version = runner.commits.keep()
        await until_durable(
            self._registry.runners, runner, lambda: runner.commits.version >= version
        )

    def is_guest(self, match_id: MatchId, player: PlayerId) -> bool:
        """Whether the player has a seat, or may take one."""
        runner = self._registry.runners.get(match_id)
        if runner is None or runner.over:
            return False
        return player in runner.attendance.roster or runner.guestlist.admits(player)

    def codes(self) -> list[tuple[MatchId, Terms]]:
        """The matches here that have a code."""
        return [
            (runner.match_id, terms)
            for runner in self._registry.runners.values()
            if (terms := runner.guestlist.terms) is not None and terms.code and not runner.over
        ]
