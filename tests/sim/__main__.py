"""Play histories by hand: ``python -m tests.sim --seed 7`` or ``--seeds 1000``."""

from __future__ import annotations

import argparse
import hashlib
import logging

from tests.sim.world import simulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one and show its history")
    parser.add_argument("--seeds", type=int, default=100, help="play so many from --first")
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    if given.seed is None:
        logging.disable(logging.CRITICAL)
        for seed in range(given.first, given.first + given.seeds):
            print(seed, simulate(seed).counts)
        return
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s %(levelname)s")
    history = simulate(given.seed)
    print(*history.trace, sep="\n")
    digest = hashlib.sha256(repr((history.trace, history.counts)).encode()).hexdigest()
    print(history.counts)
    print("digest", digest)


if __name__ == "__main__":
    main()
