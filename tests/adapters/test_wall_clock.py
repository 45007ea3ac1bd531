"""Ids, time and chance."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from gameserver.adapters.wall_clock import SystemEntropy, WallClock, sortable_id

MILLIS = st.integers(0, 2**48 - 1)
CHANCE = st.integers(0, 2**80 - 1)


def test_the_example_of_the_specification() -> None:
    assert sortable_id(1_469_918_176_385, 0)[:10] == "01aryz6s41"
    assert sortable_id(0, 0) == "0" * 26
    assert sortable_id(2**48 - 1, 2**80 - 1) == "7" + "z" * 25


@given(MILLIS, CHANCE, MILLIS, CHANCE)
def test_ids_sort_as_their_times(ms_a: int, chance_a: int, ms_b: int, chance_b: int) -> None:
    a, b = sortable_id(ms_a, chance_a), sortable_id(ms_b, chance_b)
    assert (a < b) == ((ms_a, chance_a) < (ms_b, chance_b))


def test_ids_are_distinct_and_of_the_promised_form() -> None:
    entropy = SystemEntropy()
    ids = {entropy.match_id() for _ in range(1000)} | {entropy.session_id() for _ in range(1000)}
    assert len(ids) == 2000
    assert all(re.fullmatch(r"[0-9a-z]{26}", id_) for id_ in ids)


def test_seed_and_jitter_stay_in_range() -> None:
    entropy = SystemEntropy()
    assert all(0 <= entropy.seed() < 2**63 for _ in range(1000))
    assert all(0 <= entropy.jitter() < 1 for _ in range(1000))
    assert len({entropy.seed() for _ in range(100)}) == 100


def test_wall_time_is_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= WallClock().wall_ms() <= time.time_ns() // 1_000_000
