from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from botswarm.wheel import Timer, Wheel

RESOLUTION_S = 0.01


@given(st.lists(st.floats(0, 3), max_size=30), st.lists(st.floats(0, 0.5), max_size=20))
def test_timers_fire_once_never_early_and_at_most_a_slot_late(dues, steps):
    wheel = Wheel(now=0.0, resolution_s=RESOLUTION_S)
    fired: dict[int, list[float]] = {index: [] for index in range(len(dues))}
    for index, due in enumerate(dues):
        wheel.set(Timer(fired[index].append), due)
    now = 0.0
    for step in [*steps, 5.0]:
        now += step
        wheel.advance(now)
        for index, due in enumerate(dues):
            if due + 2 * RESOLUTION_S <= now:
                assert len(fired[index]) == 1
            if now < due:
                assert fired[index] == []


def test_a_timer_that_is_moved_fires_only_at_its_new_time():
    wheel, calls = Wheel(now=0.0, resolution_s=RESOLUTION_S), []
    timer = Timer(calls.append)
    wheel.set(timer, 0.1)
    wheel.set(timer, 0.3)
    wheel.set(timer, 0.1)
    wheel.advance(0.2)
    assert len(calls) == 1
    wheel.advance(1.0)
    assert len(calls) == 1
    assert not timer.is_set


def test_a_cancelled_timer_does_not_fire():
    wheel, calls = Wheel(now=0.0, resolution_s=RESOLUTION_S), []
    timer = Timer(calls.append)
    wheel.set(timer, 0.1)
    timer.cancel()
    wheel.advance(1.0)
    assert calls == []


def test_a_timer_may_set_itself_again_and_times_gone_by_mean_soon():
    wheel, calls = Wheel(now=10.0, resolution_s=RESOLUTION_S), []

    def again(now: float) -> None:
        calls.append(now)
        wheel.set(timer, 0.0)

    timer = Timer(again)
    wheel.set(timer, 0.0)
    for _ in range(3):
        wheel.advance(wheel.next_at + 1e-6)
    assert len(calls) == 3
