"""Other rules for running matches, between two of their steps. For development: see
``gameserver.devstack.reload``.

    old state ──encode──► bytes ──decode──► the new rules' State ──► the match plays on by them
                                   └─ does not fit ──► the match keeps the rules it has
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from gameserver.errors import GameServerError
from gameserver.game.contract import AnyGame
from gameserver.hot import Given
from gameserver.ids import MatchId
from gameserver.match import checkpoint as checkpoints
from gameserver.match.checkpoint import BadCheckpoint
from gameserver.match.runner import Runner


class Unfit(GameServerError):
    """Why a match cannot go on by other rules, as a sentence for the game's author."""


class Kept(NamedTuple):
    """A match that cannot go on by the new rules, and why."""

    match_id: MatchId
    why: str


class Exchanged(NamedTuple):
    """What became of the running matches of a game."""

    carried: list[MatchId]
    kept: list[Kept]


def exchange(runners: Iterable[Runner], game: AnyGame, *, end_unfit: bool) -> Exchanged:
    """Let all of ``runners`` that play the game of this name play by ``game`` from now on.
    ``end_unfit``: one that cannot ends, as after an error of its game."""
    exchanged = Exchanged([], [])
    for runner in list(runners):
        if runner.game.name != game.name or runner.over:
            continue
        try:
            state = _fitting(runner, game)
        except Unfit as unfit:
            exchanged.kept.append(Kept(runner.match_id, str(unfit)))
            if end_unfit:
                runner.fail(unfit)
        else:
            _swap(runner, game, state)
            exchanged.carried.append(runner.match_id)
    return exchanged


def _fitting(runner: Runner, game: AnyGame) -> Any:
    """The match's state in the form of ``game``, tried out. Raises ``Unfit``."""
    if game.tick_rate != runner.game.tick_rate:
        raise Unfit(
            f"its tick_rate was {runner.game.tick_rate} and is {game.tick_rate}, by which match "
            "time would jump"
        )
    try:
        state = checkpoints.decode_state(runner.play.encode_state(), game.State)
    except BadCheckpoint as error:
        raise Unfit(
            f"its state does not fit ({error}); a new field needs a default, and a field that "
            "changes its meaning a new name"
        ) from None
    except Exception as error:  # a __post_init__, or a state that msgspec cannot encode
        raise Unfit(f"its state does not fit ({error!r})") from error
    try:
        game.encode_view(state)
        views: list[Any] = []
        if game.hidden:
            views += [game.view_for(state, member.player) for member in runner.attendance.roster]
            if game.spectate_delay_ms is not None:
                views.append(game.view_public(state))
        for view in views:
            msgspec.msgpack.encode(view)
        if not game.tick_rate:
            game.wake_at(state)
    except Exception as error:
        raise Unfit(f"the new rules fail on its state ({error!r})") from error
    return state


def _swap(runner: Runner, game: AnyGame, state: Any) -> None:
    inputs = [_converted(given, game) for given in runner.inputs]
    runner.inputs = [given for given in inputs if given is not None]
    runner.game = game
    runner.play.exchange(game, state)
    runner.attendance.exchanged()
    runner.changed()
    runner.pacer.request()


def _converted(given: Given, game: AnyGame) -> Given | None:
    """An input that waits for the next step; ``None`` where the new rules do not know it."""
    try:
        data = msgspec.msgpack.decode(msgspec.msgpack.encode(given.data), type=game.Input)
    except Exception:
        return None
    return Given(given.player_id, given.seat, given.seq, data)
