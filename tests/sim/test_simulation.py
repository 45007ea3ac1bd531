"""Histories from seeds, and the loop that they run under."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.loop import Deadlock, run
from tests.sim.world import simulate

SEEDS = 4
"""A slice; `make sim SEEDS=1000` plays more."""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_promised_holds(seed: int) -> None:
    counts = simulate(seed).counts
    # A match whose node died before its first commit has never been.
    assert 5 < counts["matches_ended"] <= counts["matches_started"]
    assert counts["games_failed"] == 0


def test_one_seed_is_one_history() -> None:
    """In other processes, with other hashes of strings."""
    digests = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.sim", "--seed", "3"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(re.findall(r"^digest (\w+)$", done.stdout, re.M)[0])
    assert len(digests) == 1


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
