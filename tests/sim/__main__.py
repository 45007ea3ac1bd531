"""Play histories by hand: ``python -m tests.sim --seed 7`` or ``make sim SEEDS=1000``."""

from __future__ import annotations

import argparse
import hashlib
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter

from tests.sim.checkers import Violated
from tests.sim.world import History, simulate

SAY_EVERY_S = 5.0


def main() -> int:
    """The command line; returns the exit code: 1 for a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one and show its history")
    parser.add_argument("--seeds", type=int, default=100, help="play so many from --first")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.seed is None:
        seeds = range(given.first, given.first + given.seeds)
        return _play_all(seeds, processes=given.processes)
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s %(levelname)s")
    history = simulate(given.seed)
    print(*history.trace, sep="\n")
    print(history.counts)
    print("digest", digest(history))
    return 0


def digest(history: History) -> str:
    """Equal for equal histories."""
    return hashlib.sha256(repr((history.trace, history.counts)).encode()).hexdigest()


def _play_all(seeds: range, *, processes: int) -> int:
    """Over all cores. The first violation ends it, with the command that plays it again."""
    began = said = time.monotonic()
    total: Counter[str] = Counter()
    with multiprocessing.Pool(processes) as pool:
        for done, (counts, violation) in enumerate(pool.imap_unordered(_play, seeds), 1):
            if violation:
                print(violation)
                return 1
            total.update(counts)
            now = time.monotonic()
            if now > said + SAY_EVERY_S:
                said = now
                print(f"{done} of {len(seeds)} histories, {done / (now - began):.1f} a second",
                      flush=True)  # fmt: skip
    took_s = time.monotonic() - began
    print(f"{len(seeds)} histories without a violation in {took_s:.0f} s")
    print(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in total.items()))
    return 0


def _play(seed: int) -> tuple[dict[str, int], str]:
    logging.disable(logging.CRITICAL)  # Thousands of faults would be logged.
    try:
        return simulate(seed).counts, ""
    except Violated as violated:
        return {}, str(violated)
    except Exception as error:
        return {}, f"{type(error).__name__}: {error}\nreplay: python -m tests.sim --seed {seed}"


if __name__ == "__main__":
    sys.exit(main())
