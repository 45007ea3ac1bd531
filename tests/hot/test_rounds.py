"""A round of steps: what the compiled form and the plain one promise of it alike."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from gameserver import hot
from gameserver.hot import plain_beat
from gameserver.metrics import Histogram
from tests.conftest import needs_compiled

BOUNDS = (0.5, 1.0, 2.0, 5.0)


@pytest.fixture(params=["plain", "compiled"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "plain":
        return plain_beat
    needs_compiled(hot.COMPILED)
    return hot


class Round:
    """Steps that note when they were called, and pass time on."""

    def __init__(self) -> None:
        self.now = 10.0
        self.calls: list[tuple[int, float]] = []
        self.errors: list[str] = []
        self.gone: list[Callable[[float], None]] = []
        self.late, self.took = Histogram(BOUNDS), Histogram(BOUNDS)

    def step(self, number: int, *, takes_ms: float = 0.0, fails: str = "") -> Callable[..., None]:
        def step(now: float) -> None:
            self.calls.append((number, now))
            self.now += takes_ms / 1000
            if fails:
                raise RuntimeError(fails)

        return step

    def failed(self) -> None:
        self.errors.append(str(sys.exception()))

    def play(self, module: ModuleType, *steps: Callable[[float], None], due: float = 10.0) -> None:
        module.step_all(steps, self.gone, due, lambda: self.now, self.late, self.took, self.failed)


def test_each_step_is_given_the_time_and_is_counted(module: ModuleType) -> None:
    here = Round()
    here.play(module, here.step(1, takes_ms=1.5), here.step(2, takes_ms=30), here.step(3))
    assert [number for number, _ in here.calls] == [1, 2, 3]
    assert [at for _, at in here.calls] == pytest.approx([10, 10.0015, 10.0315])
    assert here.late.counts == [1, 0, 1, 0, 1]
    assert here.late.total == pytest.approx(33)
    assert here.took.counts == [1, 0, 1, 0, 1]
    assert (here.late.count, here.took.count) == (3, 3)
    assert here.took.total == pytest.approx(31.5)


def test_a_step_before_its_time_is_not_late(module: ModuleType) -> None:
    here = Round()
    here.play(module, here.step(1), due=10.0004)
    assert (here.late.counts[0], here.late.total) == (1, 0)


def test_one_that_fails_is_told_and_holds_up_none(module: ModuleType) -> None:
    here = Round()
    here.play(module, here.step(1, takes_ms=3, fails="a defect"), here.step(2))
    assert [number for number, _ in here.calls] == [1, 2]
    assert here.errors == ["a defect"]
    assert here.took.counts == [1, 0, 0, 1, 0]


def test_those_gone_meanwhile_are_not_called(module: ModuleType) -> None:
    here = Round()
    second, third = here.step(2), here.step(3)

    def first(now: float) -> None:
        here.gone.append(second)

    here.play(module, first, second, third)
    assert [number for number, _ in here.calls] == [3]
    assert here.took.count == 2


def test_many_are_counted_as_few_are(module: ModuleType) -> None:
    here = Round()
    here.play(module, *(here.step(number, takes_ms=0.75) for number in range(200)))
    assert len(here.calls) == here.late.count == here.took.count == 200
    assert here.took.counts == [0, 200, 0, 0, 0]
    assert here.took.total == pytest.approx(150)
    assert sum(here.late.counts) == 200


def test_nothing_is_counted_of_no_step(module: ModuleType) -> None:
    here = Round()
    here.play(module)
    assert (here.late.count, here.took.count, here.late.counts) == (0, 0, [0] * 5)
