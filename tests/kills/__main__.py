"""``make kills``: workers are killed at random points while they drain a backlog with poison."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
from pathlib import Path

from tests.kills.campaign import Campaign, Plan

ROOT = Path(__file__).parents[2]


def main() -> None:
    """The command line; a violation is an ``AssertionError``."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
    directory = ROOT / "artifacts" / "kills" / f"seed-{given.seed}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    plan = Plan(events=given.events, kills=given.kills, seed=given.seed)
    done = asyncio.run(Campaign(directory, plan, lambda text: print(text, flush=True)).run())
    print(
        f"\n{done.kills} kills in {done.kills_s:.0f} s, {done.kills_starting} of them while the "
        f"worker was starting and {done.kills_idle} while it had nothing to do; "
        f"{done.stored_during_kills:.0%} of the events were stored meanwhile, the rest within "
        f"{done.drained_s:.0f} s after."
    )
    print(
        f"{done.events:,} good events are stored, each once, and all that is told from them; "
        f"{done.poison:,} poisoned ones are parked with their reasons; the queues are empty."
    )


if __name__ == "__main__":
    main()
