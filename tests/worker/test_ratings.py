"""Ratings as a pure function of results in their order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from persistence_worker.boards import Result
from persistence_worker.ratings import NEWCOMER, rate


def result(match: str, player: str, place: int, ended_at_ms: int = 0, **changes: str) -> Result:
    fields = {"game": "arena", "mode": "duel"} | changes
    return Result(
        match=match, ended_at_ms=ended_at_ms, player=player, place=place, score=0.0, **fields
    )


def match(name: str, *players: str, ended_at_ms: int = 0) -> list[Result]:
    return [result(name, player, 1 + n, ended_at_ms) for n, player in enumerate(players)]


def test_a_win_raises_and_a_loss_lowers() -> None:
    won, lost = rate(match("m", "a", "b"), {})
    assert (won.key, lost.key) == (("a", "arena", "duel"), ("b", "arena", "duel"))
    assert won.before == lost.before == NEWCOMER
    assert won.after[0] > NEWCOMER[0] > lost.after[0]
    assert max(won.after[1], lost.after[1]) < NEWCOMER[1]


def test_who_shares_a_place_has_drawn() -> None:
    one, other = rate([result("m", "a", 1), result("m", "b", 1)], {})
    assert one.after == other.after


def test_a_match_alone_rates_nobody() -> None:
    assert rate(match("m", "a"), {}) == []
    assert rate([], {}) == []


def test_matches_are_rated_by_their_ends() -> None:
    late, early = match("m1", "a", "b", ended_at_ms=2), match("m2", "b", "c", ended_at_ms=1)
    changes = rate(late + early, {})
    assert [change.match for change in changes] == ["m2", "m2", "m1", "m1"]
    assert changes[3].before == changes[0].after
    assert changes == rate(early, {}) + rate(
        late, {change.key: change.after for change in changes[:2]}
    )


def test_each_game_and_mode_has_a_rating_of_its_own() -> None:
    known = {("a", "arena", "duel"): (30.0, 2.0)}
    other = [result("m", "a", 1, mode="team"), result("m", "b", 2, mode="team")]
    assert rate(other, known)[0].before == NEWCOMER
    assert rate(match("m", "a", "b"), known)[0].before == (30.0, 2.0)


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True), max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(matches: list[list[str]], chance: random.Random) -> None:
    rows = [row for n, players in enumerate(matches) for row in match(f"m{n}", *players)]
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert rate(shuffled, {}) == rate(rows, {})
