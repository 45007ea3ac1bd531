"""The search for the most clients, on servers whose limit is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bench.compare import Bench, Plan, search_limits
from bench.machine import Place
from bench.programs import Failed
from bench.results import Held, Results
from bench.sample import Load, Sample
from bench.subjects import Subject
from tests.bench.test_report import _compared, _sample

PLAN = Plan(sizes=(800,), repetitions=1, searches=1)


def _search(monkeypatch: pytest.MonkeyPatch, behave: Callable[[int], Sample]) -> Held:
    """Search a server whose cost of 25 µs lets the search begin at 1,200."""

    def sample(self: Bench, subject: Subject, load: Load) -> Sample:
        return msgspec.structs.replace(
            behave(load.players), players=load.players, seated=load.players
        )

    monkeypatch.setattr(Bench, "sample", sample)
    results = Results(compared=[_compared(1, _sample("it", 25))])
    place = Place(server=1, generator=0, services=frozenset({0}), spare=())
    bench = Bench(
        generator=Path("unused"),
        place=place,
        results=results,
        mint=lambda players: None,
        keep=lambda: None,
        check=lambda: None,
    )
    subject = Subject(key="it", label="it", note="", dialect="bin", run=lambda: None)
    search_limits(bench, [subject], PLAN)
    return results.held[0]


@pytest.mark.parametrize("limit", [1_200, 1_999, 2_000, 400, 800])
def test_it_finds_the_limit_from_either_side(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    def behave(clients: int) -> Sample:
        return _sample("it", 25, faults=() if clients <= limit else ("late",))

    held = _search(monkeypatch, behave)
    assert (held.players, held.at_least, held.why) == (limit // 200 * 200, False, "late")


def test_a_server_that_holds_nobody_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    held = _search(monkeypatch, lambda clients: _sample("it", 25, faults=("late",)))
    assert (held.players, held.at_least) == (0, False)


def test_a_generator_that_gives_way_is_no_limit_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def behave(clients: int) -> Sample:
        tired = clients > 1_600
        faults = ("late",) if tired else ()
        return _sample("it", 25, faults=faults, generator_is_bottleneck=tired)

    held = _search(monkeypatch, behave)
    assert (held.players, held.at_least) == (1_600, True)
    assert "generator" in held.why


def test_a_failure_ends_the_search_with_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def behave(clients: int) -> Sample:
        if clients > 1_400:
            raise Failed("matchmaking said no")
        return _sample("it", 25)

    held = _search(monkeypatch, behave)
    assert (held.players, held.why) == (1_400, "matchmaking said no")
