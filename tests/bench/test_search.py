"""The search for the most clients, on servers whose limit is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bench import compare
from bench.compare import Bench, Plan, search_limits
from bench.machine import Place
from bench.programs import Failed
from bench.results import Results
from bench.sample import Load, Sample
from bench.subjects import Subject
from tests.bench.test_report import _compared, _sample

PLAN = Plan(sizes=(800,), repetitions=1, searches=1)


def _search(
    monkeypatch: pytest.MonkeyPatch, behave: Callable[[int], Sample], *, key: str = "it"
) -> Results:
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
    subject = Subject(key=key, label="it", note="", dialect="bin", run=lambda: None)
    search_limits(bench, [subject], PLAN)
    return results


@pytest.mark.parametrize("limit", [1_000, 600, 0])
def test_a_generator_that_gives_way_at_once_is_asked_for_less(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    def behave(clients: int) -> Sample:
        tired = clients > limit
        faults = ("late",) if tired else ()
        return _sample("it", 25, faults=faults, generator_is_bottleneck=tired)

    held = _search(monkeypatch, behave).held[0]
    assert (held.players, held.at_least) == (limit, limit > 0)
    assert "generator" in held.why


@pytest.mark.parametrize("limit", [1_200, 1_400, 1_999, 2_000, 400, 800, 600, 200])
def test_it_finds_the_limit_from_either_side(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    def behave(clients: int) -> Sample:
        return _sample("it", 25, faults=() if clients <= limit else ("late",))

    held = _search(monkeypatch, behave).held[0]
    assert (held.players, held.at_least, held.why) == (limit // 200 * 200, False, "late")


def test_a_server_that_holds_nobody_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    results = _search(monkeypatch, lambda clients: _sample("it", 25, faults=("late",)))
    held = results.held[0]
    assert (held.players, held.at_least) == (0, False)
    assert not results.at_share


def test_a_generator_that_gives_way_is_no_limit_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def behave(clients: int) -> Sample:
        tired = clients > 1_600
        faults = ("late",) if tired else ()
        return _sample("it", 25, faults=faults, generator_is_bottleneck=tired)

    held = _search(monkeypatch, behave).held[0]
    assert (held.players, held.at_least) == (1_600, True)
    assert "generator" in held.why


def test_a_failure_ends_the_search_with_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def behave(clients: int) -> Sample:
        if clients > 1_400:
            raise Failed("matchmaking said no")
        return _sample("it", 25)

    held = _search(monkeypatch, behave).held[0]
    assert (held.players, held.why) == (1_400, "matchmaking said no")


def test_one_failure_counts_though_more_clients_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def behave(clients: int) -> Sample:
        return _sample("it", 25, faults=("a stall",) if clients == 1_600 else ())

    assert _search(monkeypatch, behave).held[0].players == 1_400


def test_nothing_is_searched_beyond_what_a_search_goes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "CLIENTS_MAX", 2_000)
    held = _search(monkeypatch, lambda clients: _sample("it", 25)).held[0]
    assert (held.players, held.at_least) == (2_000, True)


def test_the_latency_is_measured_below_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def behave(clients: int) -> Sample:
        return _sample("it", 25, faults=() if clients <= 2_000 else ("late",))

    only = _search(monkeypatch, behave).at_share[0]
    assert (only.clients_max, only.sample.players) == (2_000, 1_600)


def test_the_floors_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    results = _search(monkeypatch, lambda clients: _sample("it", 25), key="floor_tick")
    assert not results.held
