"""Every curve that is promised is there, and its games keep the contract."""

from __future__ import annotations

import pytest

from bench import games
from bench.curves import CURVES, Point
from bench.machine import Place
from bench.scaling_report import FIGURES
from gameserver.game.contract import AnyGame
from gameserver.game.testkit import check
from gameserver.games.arena import Arena

TWO_CORES = Place(server=1, generator=0, services=frozenset({0}), spare=())
SIX_CORES = Place(server=5, generator=0, services=frozenset({1}), spare=(2, 3, 4))
GAMES: tuple[type[AnyGame], ...] = (
    Arena,
    games.Rooms,
    games.Views,
    games.Sized,
    games.Rate10,
    games.Rate60,
)


def _points(place: Place = TWO_CORES) -> list[Point]:
    return [point for curve in CURVES.values() for point in curve.points(place)]


def test_a_curve_has_at_least_two_points_of_different_names() -> None:
    for name, curve in CURVES.items():
        names = [(point.series, point.setting) for point in curve.points(TWO_CORES)]
        assert len(names) == len(set(names)) > 1, name
        assert set(curve.shown) <= set(FIGURES), name


def test_every_point_names_a_mode_of_a_game_that_is_there() -> None:
    rates = {f"bench_rate{hz}" for hz in games.RATES_HZ}
    modes = {game.name: set(game.modes) for game in GAMES} | {rate: {"bench"} for rate in rates}
    for point in _points():
        assert point.mode in modes[point.game], point


@pytest.mark.parametrize(
    ("game", "mode"), [(game, mode) for game in GAMES[1:] for mode in game.modes]
)
def test_the_games_of_the_curves_keep_the_contract(game: type[AnyGame], mode: str) -> None:
    check(game, mode=mode, steps=60)


def test_processes_fill_the_cores_and_the_last_one_sits_beside_the_generator() -> None:
    counts = [
        [p.processes for p in CURVES["processes"].points(at)] for at in (TWO_CORES, SIX_CORES)
    ]
    assert counts == [[1, 2], [1, 2, 3, 4]]


def test_slow_readers_are_compared_with_as_many_players_who_read() -> None:
    none, slow = CURVES["slow_readers"].points(TWO_CORES)
    assert (none.players, none.slow) == (slow.players, 0) == (1_000, 0)
    assert slow.slow == 100
    assert none.overrides == slow.overrides
