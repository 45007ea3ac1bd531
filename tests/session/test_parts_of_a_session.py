"""The table and the bucket by themselves."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.session.lifecycle import TRANSITIONS, Change, IllegalChange, State, after
from gameserver.session.rate_limit import TokenBucket


@pytest.mark.parametrize(("state", "change"), list(itertools.product(State, Change)))
def test_every_pair_is_in_the_table_or_refused(state: State, change: Change) -> None:
    if (state, change) in TRANSITIONS:
        assert after(state, change) is TRANSITIONS[state, change]
    else:
        with pytest.raises(IllegalChange, match=f"{change.name} in state {state.name}"):
            after(state, change)


def test_every_state_can_be_reached_and_closed() -> None:
    reached = {State.OPEN} | set(TRANSITIONS.values())
    assert reached == set(State)
    for state in set(State) - {State.CLOSED}:
        assert after(state, Change.CLOSE) is State.CLOSED
    assert not [change for state, change in TRANSITIONS if state is State.CLOSED]


@given(
    steps=st.lists(st.floats(min_value=0, max_value=2), max_size=60),
    per_s=st.integers(1, 50),
    burst=st.integers(1, 50),
)
def test_a_bucket_never_gives_more_than_burst_and_rate(
    steps: list[float], per_s: int, burst: int
) -> None:
    bucket = TokenBucket(per_s=per_s, burst=burst, now=0.0)
    now, taken = 0.0, 0
    for step in steps:
        now += step
        taken += bucket.take(now)
        assert taken <= burst + per_s * now + 1e-6


def test_a_bucket_fills_again_and_ignores_time_going_back() -> None:
    bucket = TokenBucket(per_s=10, burst=2, now=100.0)
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(50.0)
    assert not bucket.take(100.05)
    assert bucket.take(100.11)
