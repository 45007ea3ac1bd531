"""Which boards a result counts for: seasons, days, points."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence_worker import players as folds
from persistence_worker.boards import (
    POINTS_MAX,
    RESULT_POINTS_MAX,
    Board,
    Result,
    Rules,
    Season,
    Span,
    gains,
    period,
    points,
    read_rules,
)
from persistence_worker.players import Sighting

NOON_MS = 1_764_072_000_000  # 2025-11-25T12:00:00Z
YEAR_9999_MS = 253_402_300_799_999


def result(player: str = "a", score: float = 1.0, at_ms: int = NOON_MS, game: str = "g") -> Result:
    return Result(
        match="m", game=game, mode="x", ended_at_ms=at_ms, player=player, place=1, score=score
    )


@pytest.mark.parametrize(
    ("at_ms", "day", "season"),
    [
        (NOON_MS, "2025-11-25", "2025-11"),
        (0, "1970-01-01", "1970-01"),
        (86_399_999, "1970-01-01", "1970-01"),
        (86_400_000, "1970-01-02", "1970-01"),
        (YEAR_9999_MS, "9999-12-31", "9999-12"),
    ],
)
def test_periods(at_ms: int, day: str, season: str) -> None:
    assert period(Span.ALL, at_ms) == ""
    assert period(Span.DAY, at_ms) == day
    assert period(Span.SEASON, at_ms) == season


def test_named_seasons_begin_and_end() -> None:
    one = Season(name="one", starts_ms=10, ends_ms=20)
    two = Season(name="two", starts_ms=20, ends_ms=30)
    found = [period(Span.SEASON, at, (one, two)) for at in (9, 10, 19, 20, 29, 30)]
    assert found == [None, "one", "one", "two", "two", None]


def test_a_match_between_seasons_counts_for_the_other_boards() -> None:
    rules = Rules(seasons=(Season(name="s", starts_ms=0, ends_ms=1),))
    assert {board.span for board in gains([result()], rules)} == {Span.ALL, Span.DAY}


def test_points_are_thousandths_within_bounds() -> None:
    assert [points(score) for score in (0, 1, -1, 10.5, 0.0004, 0.0006)] == [
        0, 1000, -1000, 10_500, 0, 1,
    ]  # fmt: skip
    assert points(1e300) == -points(-1e300) == RESULT_POINTS_MAX
    many = [result(score=1e300)] * 10_000
    assert [dict(board) for board in gains(many, Rules()).values()] == [{"a": POINTS_MAX}] * 3


def test_a_sum_or_the_best() -> None:
    rows = [result(score=3), result(score=1), result("b", 2)]
    board = Board("g", "x", Span.ALL, "")
    summed, best = gains(rows, Rules()), gains(rows, Rules(best=frozenset({"g"})))
    assert summed[board] == {"a": 4000, "b": 2000}
    assert best[board] == {"a": 3000, "b": 2000}


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(-1e4, 1e4), st.integers(0, 3 * 10**8))),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_the_order_of_results_does_not_matter(
    given_rows: list[tuple[str, float, int]], chance: random.Random, best: bool
) -> None:
    rows = [result(player, score, at_ms) for player, score, at_ms in given_rows]
    rules = Rules(best=frozenset({"g"} if best else ()))
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert gains(shuffled, rules) == gains(rows, rules)


@given(
    st.lists(
        st.builds(
            Sighting,
            player=st.sampled_from("ab"),
            at_ms=st.integers(0, 5),
            name=st.none() | st.sampled_from(["Ann", "Bob", "ä"]),
        )
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_sightings_does_not_matter(
    seen: list[Sighting], chance: random.Random
) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)
    assert folds.players(shuffled, []) == folds.players(seen, [])


def test_rules_are_read() -> None:
    rules = read_rules(
        seasons="autumn=2026-09-01..2026-12-01, Winter 26=2026-12-01..2027-03-01,", best="g, h"
    )
    assert [season.name for season in rules.seasons] == ["autumn", "Winter 26"]
    assert rules.seasons[0].ends_ms == rules.seasons[1].starts_ms == 1_796_083_200_000
    assert rules.best == {"g", "h"}
    assert read_rules(seasons="", best="") == Rules()


@pytest.mark.parametrize(
    ("seasons", "said"),
    [
        ("autumn", "is not of the form"),
        ("a=2026-09-01", "is not of the form"),
        ("=2026-09-01..2026-12-01", "is not of the form"),
        ("a=2026-13-01..2027-01-01", "month must be in 1..12"),
        ("a=2026-12-01..2026-09-01", "ends before it begins"),
        ("a=2026-09-01..2026-09-01", "ends before it begins"),
        ("a=2026-09-01..2026-12-01,b=2026-11-30..2027-01-01", "'b' begins before 'a' has ended"),
        ("a=2026-09-01..2026-10-01,a=2026-11-01..2027-01-01", "two seasons have one name"),
    ],
)
def test_wrong_seasons_are_explained(seasons: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_rules(seasons=seasons, best="")
