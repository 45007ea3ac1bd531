"""The load generator against the floors, as they are built for a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.programs import Failed, program
from bench.sample import Load, measure
from bench.toolbox import compile_c
from tests.conftest import needs_system

PLAYERS = 16


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_system("cc")
    directory = tmp_path_factory.mktemp("bench")
    for name in ("floor", "loadgen"):
        compile_c(name, into=directory)
    return directory


@pytest.mark.system
@pytest.mark.parametrize("kind", ["tick", "epoll"])
def test_everyone_gets_a_seat_and_the_snapshots_of_every_tick(built: Path, kind: str) -> None:
    load = Load(players=PLAYERS, warmup_s=0.5, seconds=1.5)
    floor = [str(built / "floor"), kind, "PORT"]
    core = min(os.sched_getaffinity(0))
    with program(floor, core=core, log=built / "floor.log", environ={}) as server:
        sample = measure(built / "loadgen", load, server, subject="floor", dialect="raw")

    assert (sample.players, sample.seated) == (PLAYERS, PLAYERS)
    # A machine that is busy elsewhere may hold up a tick or two; a lost protocol loses them all.
    assert 0.5 < sample.delivered < 1.5
    assert sample.latency_ms is not None
    assert sample.latency_ms.p50 > 0
    # Length prefix, head, and for each of 8 players an acknowledgement and 20 bytes.
    assert sample.snapshot_bytes == pytest.approx(2 + 10 + 8 * (4 + 20), rel=0.01)
    assert not [fault for fault in sample.faults if "lateness" not in fault and "came" not in fault]


@pytest.mark.system
def test_a_server_that_is_not_there_is_a_failure_and_not_a_number(built: Path) -> None:
    core = min(os.sched_getaffinity(0))
    never = [str(built / "floor"), "tick"]
    with (
        pytest.raises(Failed, match="usage"),
        program(never, core=core, log=built / "usage.log", environ={}),
    ):
        pass


@pytest.mark.system
def test_a_generator_without_tokens_says_so(built: Path) -> None:
    core = min(os.sched_getaffinity(0))
    floor = [str(built / "floor"), "tick", "PORT"]
    with program(floor, core=core, log=built / "floor.log", environ={}) as server:
        with pytest.raises(Failed, match="--tokens is needed"):
            measure(built / "loadgen", Load(players=1), server, subject="floor", dialect="gs")


@pytest.mark.system
def test_slow_readers_are_in_no_figure_of_the_others(built: Path) -> None:
    load = Load(players=PLAYERS, slow=4, warmup_s=0.5, seconds=1.0)
    floor = [str(built / "floor"), "tick", "PORT"]
    core = min(os.sched_getaffinity(0))
    with program(floor, core=core, log=built / "floor.log", environ={}) as server:
        sample = measure(built / "loadgen", load, server, subject="floor", dialect="raw")

    assert (sample.players, sample.seated, sample.slow) == (PLAYERS, PLAYERS, 4)
    # Of the snapshots that twelve players are due, not of sixteen: with four more it were 1.33.
    assert 0.5 < sample.delivered < 1.2
    assert not [fault for fault in sample.faults if "closed" in fault]
