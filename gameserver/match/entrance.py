"""The way into the matches of this node."""

from __future__ import annotations

import asyncio

from gameserver.errors import JoinRefused
from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.ids import MatchId, PlayerId
from gameserver.match.opening import Kind, kind_of
from gameserver.match.registry import FULL, Registry
from gameserver.match.runner import Runner
from gameserver.ports import Identity, MatchStore, Seated, Subscriber
from gameserver.wire import from_client
from gameserver.wire.to_client import ErrorCode

REFUSALS_MAX = 64
"""Matches that quick join tries before it gives up."""
REFUSING_S = 1.0
"""How long quick join leaves out a match whose game has just refused a player."""


class Entrance:
    """Implements ``join`` of ``ports.Matches``.

    Quick join leads a player back to the seat on this node, if there is one; a connected player
    who asks for another match is refused with ``already_joined``; one whose connection is gone
    gives the old seat up.
    """

    def __init__(self, registry: Registry, store: MatchStore) -> None:
        self._registry = registry
        self._store = store
        self._loop = asyncio.get_running_loop()

    async def join(
        self, request: from_client.Entry, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        """See ``ports.Matches``. The seat is taken in the very turn of the loop in which this
        returns, so that nothing is told to the subscriber before ``Joined``."""
        if self._registry.draining:
            self._check_not_left(self._registry.runners.get(MatchId(request.match)))
        if isinstance(request, from_client.Watch):
            runner = await self._find(MatchId(request.match))
            return runner.attendance.watch(request, identity, subscriber)
        current = self._registry.current(identity.player_id)
        if request.match:
            if current is not None and current.match_id == request.match:
                return current.attendance.join(request, identity, subscriber)
            self._check_elsewhere(current, identity.player_id)
            runner = await self._find(MatchId(request.match))
            return self._seat(runner, request, identity, subscriber)
        if current is not None and not request.game:
            return current.attendance.join(request, identity, subscriber)
        game, kind = kind_of(self._registry.games, request.game, request.mode)
        if current is not None and kind == Kind(current.game.name, current.mode):
            return current.attendance.join(request, identity, subscriber)
        self._check_elsewhere(current, identity.player_id)
        return await self._quick_join(game, kind, request, identity, subscriber)

    def _check_not_left(self, runner: Runner | None) -> None:
        """In a drain: who names a match that is still played here may come back to it."""
        if runner is None or runner.frozen:
            raise JoinRefused(ErrorCode.DRAINING, "this node is going away; connect again")

    def _check_elsewhere(self, current: Runner | None, player_id: PlayerId) -> None:
        member = None if current is None else current.attendance.roster.find(player_id)
        if current is not None and member is not None and member.subscriber is not None:
            raise JoinRefused(
                ErrorCode.ALREADY_JOINED, f"leave match {current.match_id} before joining another"
            )

    async def _find(self, match_id: MatchId) -> Runner:
        """The match, continued here if nobody owns it: a player who comes back after the loss of
        a node need not wait for the next sweep."""
        runner = self._registry.runners.get(match_id)
        if runner is not None:
            return runner
        holder = await self._store.holder(match_id)
        if holder is None:
            raise JoinRefused(ErrorCode.UNKNOWN_MATCH, f"match {match_id} is not known, or over")
        if holder == "":
            if not self._registry.may_adopt(match_id):
                raise JoinRefused(ErrorCode.SERVER_FULL, FULL)
            runner = await self._registry.adopt(match_id)
        else:
            runner = self._registry.runners.get(match_id)
        if runner is None:
            raise JoinRefused(
                ErrorCode.MATCH_ELSEWHERE, f"match {match_id} is on another node; try again"
            )
        return runner

    async def _quick_join(
        self,
        game: AnyGame,
        kind: Kind,
        request: from_client.Join,
        identity: Identity,
        subscriber: Subscriber,
    ) -> Seated:
        self._registry.check_maintenance()
        for _ in range(REFUSALS_MAX):
            runner = self._registry.choose(kind)
            is_new = runner is None
            if runner is None:
                runner = await self._registry.open_new(game, kind)
            try:
                return self._seat(runner, request, identity, subscriber)
            except JoinRefused as refused:
                if refused.code == ErrorCode.REFUSED:
                    if is_new:
                        raise
                    runner.refusing_until = self._loop.time() + REFUSING_S
                elif refused.code not in (ErrorCode.MATCH_FULL, ErrorCode.UNKNOWN_MATCH):
                    raise
        raise JoinRefused(ErrorCode.UNAVAILABLE, "no match would take you; try again")

    def _seat(
        self,
        runner: Runner,
        request: from_client.Join,
        identity: Identity,
        subscriber: Subscriber,
    ) -> Seated:
        if self._registry.draining:
            self._check_not_left(runner)
        # Looked up again: the player may have taken a seat by another connection meanwhile.
        current = self._registry.current(identity.player_id)
        if current is not None and current is not runner:
            self._check_elsewhere(current, identity.player_id)
        if runner.attendance.roster.find(identity.player_id) is None:
            self._registry.check_maintenance()
        seated = runner.attendance.join(request, identity, subscriber)
        if current is not None and current is not runner:
            member = current.attendance.roster.find(identity.player_id)
            if member is not None:
                current.attendance.leave(member, LeaveReason.LEFT)
        return seated
