"""The wheel visits everyone once a period, spread out."""

from __future__ import annotations

from gameserver.adapters.ping_wheel import SLOTS, PingWheel


class FakeLoop:
    """Just enough of a loop to turn the wheel by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback):
        self.due.append((when, callback))

    def run_one(self) -> None:
        when, callback = self.due.pop(0)
        self.now = max(self.now, when)
        callback()


class Visited:
    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.at: list[float] = []

    def visit(self) -> None:
        self.at.append(self.loop.now)


def test_each_once_a_period_and_never_many_at_once() -> None:
    loop = FakeLoop()
    wheel: PingWheel[Visited] = PingWheel(loop, period_s=6.4)
    crowd = [Visited(loop) for _ in range(3 * SLOTS)]
    for one in crowd:
        wheel.add(one)
    assert len(wheel) == len(crowd)
    wheel.start()
    for _ in range(2 * SLOTS):
        loop.run_one()
    for one in crowd:
        first, second = one.at
        assert abs(second - first - 6.4) < 1e-6
    moments = [at for one in crowd for at in one.at]
    assert all(moments.count(at) == 3 for at in set(moments))
    wheel.discard(crowd[0])
    wheel.discard(crowd[0])
    for _ in range(SLOTS):
        loop.run_one()
    assert len(crowd[0].at) == 2
    assert len(crowd[1].at) == 3
    assert len(list(wheel)) == len(crowd) - 1


def test_missed_turns_are_not_made_up_for() -> None:
    loop = FakeLoop()
    wheel: PingWheel[Visited] = PingWheel(loop, period_s=6.4)
    one = Visited(loop)
    wheel.add(one)
    wheel.start()
    loop.now += 100  # the process was stopped
    for _ in range(SLOTS):
        loop.run_one()
    assert len(one.at) == 1
