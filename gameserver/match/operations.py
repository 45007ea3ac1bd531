"""What an operator does to the matches of this node."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gameserver.errors import StoreUnavailable
from gameserver.game import packed
from gameserver.game.contract import Refused
from gameserver.ids import MatchId, PlayerId
from gameserver.match.durable import until_durable
from gameserver.match.runner import Runner
from gameserver.operating import (
    INSPECTED_BYTES_MAX,
    NOT_SEATED,
    SIGNAL_FAILED,
    SIGNAL_REFUSED,
    UNKNOWN_MATCH,
    MatchDetail,
    OperationRefused,
    Seated,
)

logger = logging.getLogger(__name__)


class LocalOperations:
    """For the node that has the match; raises as ``operating.Operations`` says."""

    def __init__(self, runners: Mapping[MatchId, Runner], *, node: str) -> None:
        self._runners = runners
        self._node = node

    def inspect(self, match_id: MatchId) -> MatchDetail:
        """See ``Operations``."""
        runner = self._runner(match_id)
        return MatchDetail(
            id=match_id,
            game=runner.game.name,
            mode=runner.mode,
            node=self._node,
            epoch=runner.play.epoch,
            tick=runner.tick,
            state=runner.state,
            created_ms=runner.created_ms,
            players_max=runner.players_max,
            players=_seated(runner),
            events=runner.chronicle.seq,
            uncommitted=runner.uncommitted,
            view=_json(runner.play.view),
            game_state=_json(runner.play.state),
        )

    async def signal(self, match_id: MatchId, message: Any) -> Any:
        """See ``Operations``."""
        runner = self._runner(match_id)
        if runner.has_lapsed() or runner.still:
            raise StoreUnavailable(f"match {match_id} stands still")
        try:
            msgspec.msgpack.encode(message)
        except OverflowError:
            raise OperationRefused(SIGNAL_REFUSED, "whole numbers have 64 bits") from None
        try:
            answer = runner.attendance.signal(message)
        except Refused as refused:
            raise OperationRefused(SIGNAL_REFUSED, refused.reason) from None
        except Exception as error:
            runner.fail(error)
            raise OperationRefused(
                SIGNAL_FAILED, "the game has failed; its match is over"
            ) from error
        version = runner.commits.next_version
        runner.commits.hurry()
        await until_durable(self._runners, runner, lambda: runner.commits.version >= version)
        return answer

    async def end(self, match_id: MatchId, reason: str) -> None:
        """See ``Operations``."""
        runner = self._runner(match_id)
        if runner.has_lapsed():
            raise StoreUnavailable(f"match {match_id} stands still")
        logger.warning("match ended by an operator", extra={"match": match_id})
        runner.abandon(reason)
        await until_durable(self._runners, runner, lambda: runner.finished)

    def kick(self, match_id: MatchId, player_id: PlayerId) -> None:
        """See ``Operations``."""
        if not self._runner(match_id).attendance.kick(player_id):
            raise OperationRefused(NOT_SEATED, f"{player_id} has no seat in match {match_id}")

    def kick_player(self, player_id: PlayerId) -> list[MatchId]:
        """Take all seats of the player in matches here away; of which matches."""
        return [
            runner.match_id
            for runner in list(self._runners.values())
            if not runner.over and runner.attendance.kick(player_id)
        ]

    def seats(self) -> Iterator[tuple[MatchId, str, Seated]]:
        """Who sits in which match, of which game."""
        for runner in list(self._runners.values()):
            if not runner.over:
                for one in _seated(runner):
                    yield runner.match_id, runner.game.name, one

    def _runner(self, match_id: MatchId) -> Runner:
        runner = self._runners.get(match_id)
        if runner is None or runner.over:
            raise OperationRefused(UNKNOWN_MATCH, f"match {match_id} is not known, or over")
        return runner


def _seated(runner: Runner) -> list[Seated]:
    return [
        Seated(
            member.player.id,
            member.player.name,
            member.player.seat,
            member.subscriber is not None,
        )
        for member in runner.attendance.roster
    ]


def _json(value: Any) -> bytes | None:
    """``None`` for what JSON cannot hold, or what is too long."""
    try:
        encoded = packed.encode_json(value)
    except Exception:
        logger.warning("a state cannot be shown as JSON", exc_info=True)
        return None
    return encoded if len(encoded) <= INSPECTED_BYTES_MAX else None
