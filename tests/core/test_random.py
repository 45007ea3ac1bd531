from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.game.random import SeededRandom

seeds = st.integers(0, 2**64 - 1)


def test_known_answers() -> None:
    """The reference values for the seed 1234567 of Vigna's splitmix64.c."""
    random = SeededRandom(1234567)
    assert [random.bits() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_history_is_fixed() -> None:
    """A checkpoint of an older release must go on with the same numbers."""
    random = SeededRandom(42)
    items = list(range(8))
    random.shuffle(items)
    assert [
        random.below(6),
        random.between(-3, 3),
        random.unit(),
        random.choice("abcdef"),
        items,
    ] == [4, -1, 0.6184820663561348, "b", [4, 3, 2, 0, 7, 6, 1, 5]]


@given(seeds, st.integers(1, 2**64))
def test_below_is_in_bounds(seed: int, bound: int) -> None:
    assert 0 <= SeededRandom(seed).below(bound) < bound


def test_below_refuses_the_draws_that_would_favour_some_numbers() -> None:
    """With a bound of 2/3 of the range, a plain remainder would favour the lower half 2:1."""
    random, bound = SeededRandom(3), 2**65 // 3
    lower = sum(random.below(bound) < bound // 2 for _ in range(20_000))
    assert 9_700 < lower < 10_300


def test_below_is_even() -> None:
    random = SeededRandom(1)
    counts = Counter(random.below(6) for _ in range(60_000))
    assert set(counts) == set(range(6))
    assert all(9_600 < count < 10_400 for count in counts.values())


@given(seeds, st.integers(-(2**40), 2**40), st.integers(0, 2**40))
def test_between_includes_both_ends(seed: int, low: int, span: int) -> None:
    assert low <= SeededRandom(seed).between(low, low + span) <= low + span
    assert SeededRandom(seed).between(low, low) == low


@given(seeds)
def test_unit_is_below_one(seed: int) -> None:
    assert 0 <= SeededRandom(seed).unit() < 1


@given(seeds, st.lists(st.integers()))
def test_shuffle_keeps_the_items(seed: int, items: list[int]) -> None:
    shuffled = items.copy()
    SeededRandom(seed).shuffle(shuffled)
    assert sorted(shuffled) == sorted(items)


def test_shuffle_reaches_every_order() -> None:
    random = SeededRandom(5)
    orders = Counter()
    for _ in range(6_000):
        items = [1, 2, 3]
        random.shuffle(items)
        orders[tuple(items)] += 1
    assert len(orders) == 6
    assert min(orders.values()) > 850


@given(seeds, st.integers(0, 20))
def test_goes_on_from_its_state(seed: int, drawn: int) -> None:
    random = SeededRandom(seed)
    for _ in range(drawn):
        random.bits()
    assert SeededRandom(random.state).bits() == random.bits()


@pytest.mark.parametrize("bound", [0, -1, 2**64 + 1])
def test_below_refuses_impossible_bounds(bound: int) -> None:
    with pytest.raises(ValueError, match="bound"):
        SeededRandom(1).below(bound)


def test_refuses_what_has_no_answer() -> None:
    with pytest.raises(ValueError, match="no items"):
        SeededRandom(1).choice([])
    with pytest.raises(ValueError, match="low"):
        SeededRandom(1).between(2, 1)
