"""Ratings of players by openskill: Plackett-Luce after Weng and Lin (JMLR 12, 2011). Pure.

Every player is a team of one; who shares a place has drawn. The library's defaults hold: a
newcomer has mu 25 and sigma 25/3, and each match adds a little uncertainty (tau = 25/300).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
from openskill.models import PlackettLuce, PlackettLuceRating

from persistence_worker.boards import Result
from persistence_worker.erasure import is_pseudonym

Key = tuple[str, str, str]
"""Player, game, mode."""

_model = PlackettLuce()
NEWCOMER = (_model.mu, _model.sigma)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one match did to one player's rating; pairs are ``(mu, sigma)``."""

    match: str
    key: Key
    place: int
    before: tuple[float, float]
    after: tuple[float, float]


def order(result: Result) -> tuple[int, str, int, str]:
    """The order of rating within a batch: by the matches' ends, then by their ids."""
    return result.ended_at_ms, result.match, result.place, result.player


def rate(results: Iterable[Result], ratings: Mapping[Key, tuple[float, float]]) -> list[Change]:
    """What the matches of ``results`` do, one after the other, to ``ratings`` as they are.

    A match with a single player rates nobody. An erased player counts as a newcomer in each match,
    and is not rated.
    """
    current = dict(ratings)
    changes: list[Change] = []
    seats: list[PlackettLuceRating] = []
    for _, group in groupby(sorted(results, key=order), key=lambda result: result.match):
        standings = list(group)
        if len(standings) < 2:
            continue
        while len(seats) < len(standings):
            seats.append(_model.rating())
        for change in _rate(standings, current, seats):
            if is_pseudonym(change.key[0]):
                continue
            current[change.key] = change.after
            changes.append(change)
    return changes


class _Teams(list[list[PlackettLuceRating]]):
    """The library copies what it is given, so as not to change it. These may be changed."""

    def __deepcopy__(self, memo: dict[int, Any]) -> list[list[PlackettLuceRating]]:
        return list(self)


def _rate(
    standings: list[Result],
    current: Mapping[Key, tuple[float, float]],
    seats: Sequence[PlackettLuceRating],
) -> list[Change]:
    """``seats``: used for the calculation, since to make one takes longer than all the rest."""
    keys = [(result.player, result.game, result.mode) for result in standings]
    before = [current.get(key, NEWCOMER) for key in keys]
    teams = _Teams()
    for (mu, sigma), seat in zip(before, seats, strict=False):
        seat.mu, seat.sigma = mu, sigma
        teams.append([seat])
    rated = _model.rate(teams, ranks=[float(result.place) for result in standings])
    return [
        Change(
            match=result.match,
            key=key,
            place=result.place,
            before=was,
            after=(float(team[0].mu), float(team[0].sigma)),
        )
        for result, key, was, team in zip(standings, keys, before, rated, strict=True)
    ]
