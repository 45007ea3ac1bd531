"""Pauses → tables and lines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bench.failover_report import (
    Pausing,
    Relayed,
    Results,
    markdown,
    of_fault,
    of_step,
    percentile,
    plot_data,
)
from botswarm.pauses import Pause

COUNTS = {"matches_joined": 2, "reconnects": 3, "resumes": 3, "given_up": 0}


def _pausing(**changes: Any) -> Pausing:
    """Faults at 100 s and 110 s: bot 1 waits 2 s after the first, bot 2 for 0.3 s after each."""
    run = Pausing(
        at_s=[100.0, 110.0],
        pauses=[
            Pause(2, 100_200.0, 300.0),
            Pause(1, 102_000.0, 2000.0),
            Pause(1, 105_000.0, 400.0),
            Pause(2, 110_400.0, 300.0),
        ],
        errors={},
        counts=COUNTS,
        cpu=[0.3],
        told=9,
        broken=[],
    )
    return msgspec.structs.replace(run, **changes)


def test_a_pause_belongs_to_the_fault_that_it_began_at() -> None:
    run = _pausing()
    assert sorted(pause.bot for pause in of_fault(run, 100.0)) == [1, 2]
    assert [pause.length_ms for pause in of_fault(run, 110.0)] == [300.0]
    assert [len(of_step(run, index)) for index in range(2)] == [3, 1]


@pytest.mark.parametrize(("share", "found"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentile(share: float, found: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == found
    assert percentile([], share) == 0


def _results(**changes: Any) -> Results:
    one = {"p50_ms": 25.0, "p90_ms": 45.0, "p99_ms": 50.0}
    other = {"p50_ms": 26.5, "p90_ms": 46.0, "p99_ms": 52.0}
    results = Results(
        machine={"cores": "2"},
        bots=600,
        over_ms=150.0,
        killed=_pausing(),
        rolled=_pausing(),
        relayed=[Relayed(own=one, other=other)],
    )
    return msgspec.structs.replace(results, **changes)


def test_the_report_says_what_was_kept_and_what_was_broken() -> None:
    text = markdown(_results())
    assert "| 1 | 2 | 0.30 | 2.00 | 2.00 |" in text
    assert "| 1 | 3 | 400 | 2000 | 2000 | none |" in text, "three of 600 are less than 1 %"
    assert "| run 1, **added** | 1.5 | 1.0 | 2.0 |" in text
    assert "2 from the first second to the last, none lost" in text
    broken = markdown(_results(killed=_pausing(broken=["a match is gone"])))
    assert "**broken**: a match is gone" in broken


def test_lines_of_the_plot_count_who_waits() -> None:
    lines = plot_data(_results())["panels"][0]["lines"]
    first = dict(lines[0])
    assert (first[-0.5], first[0.1], first[1.0], first[3.0]) == (0, 2, 1, 0)
