"""Histories from seeds, and the loop that they run under."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.sim.__main__ import digest
from tests.sim.loop import Deadlock, run
from tests.sim.world import History, simulate

pytestmark = pytest.mark.timeout(300)
SEEDS = 4
"""A slice; `make sim SEEDS=1000` plays more."""
ROOT = Path(__file__).parents[2]


@cache
def history(seed: int) -> History:
    """Played once, looked at by several tests."""
    return simulate(seed)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_promised_holds(seed: int) -> None:
    counts = history(seed).counts
    # A match whose node died before its first commit has never been.
    assert 5 < counts["matches_ended"] <= counts["matches_started"]
    assert counts["games_failed"] == 0


def test_histories_hold_what_matchmaking_must_survive() -> None:
    """Over a few seeds: matches, backfills, declines, lost masters, matches that cannot open."""
    total: Counter[str] = Counter()
    for seed in range(SEEDS):
        total.update(history(seed).counts)
    for name in ("matches_formed", "matches_backfilled", "tickets_declined", "openings_failed"):
        assert total[name] > 5, name
    assert total["queues_lost"] > 0 and total["tickets_matched"] > 50


def test_one_seed_is_one_history() -> None:
    """In another process, with another hash of strings than this one's."""
    others = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim", "--seed", "3"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": others},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r"^digest (\w+)$", done.stdout, re.M) == [digest(history(3))]


def test_waiting_takes_no_time_and_keeps_its_order() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        began, woken = loop.time(), []

        async def wait(seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(round(loop.time() - began, 6))

        await asyncio.gather(*(wait(seconds) for seconds in (86_400, 0.1, 3600, 0.1)))
        return woken

    assert run(main()) == [0.1, 0.1, 3600, 86_400]


def test_waiting_for_nothing_is_noticed() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(main())
