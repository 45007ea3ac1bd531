"""``make chaos MINUTES=5 SEED=1``: a campaign by hand."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import msgspec

from tests.chaos.campaign import ROOT, Campaign, Outcome
from tests.chaos.mutant import MUTATIONS

SHOWN_MAX = 10


def main() -> int:
    """The command line; returns the exit code: 1 for a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--bots", type=int, default=48)
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), default="")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON at the end")
    given = parser.parse_args()
    directory = ROOT / "artifacts" / "chaos" / f"seed-{given.seed}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)

    def say(text: str) -> None:
        print(text, flush=True, file=sys.stderr if given.json else sys.stdout)

    with Campaign(
        directory,
        seed=given.seed,
        seconds=60 * given.minutes,
        bots=given.bots,
        say=say,
        mutation=given.mutation,
    ) as campaign:
        outcome = campaign.run()
    if given.json:
        print(msgspec.json.encode(outcome).decode())
    else:
        command = f"python -m tests.chaos --seed {given.seed} --minutes {given.minutes:g}"
        _show(outcome, directory, f"{command} --bots {given.bots}")
    return 1 if outcome.violations else 0


def _show(outcome: Outcome, directory: Path, command: str) -> None:
    verdict = outcome.verdict
    faults = ", ".join(f"{count} × {kind}" for kind, count in sorted(outcome.faults.items()))
    print(f"\n{sum(outcome.faults.values())} faults: {faults}")
    print(f"{verdict.matches} matches; {verdict.stored:,} events stored, {verdict.told:,} told")
    errors = outcome.swarm.get("errors", {})
    print("what bots met:", ", ".join(f"{n} × {kind}" for kind, n in sorted(errors.items())))
    for violation in verdict.violations[:SHOWN_MAX]:
        print("VIOLATION:", violation)
    if verdict.violations:
        logs = directory.relative_to(ROOT)
        print(f"{len(verdict.violations)} violations; logs: {logs}/stack/logs")
        print(f"again: {command}")
    else:
        print("No violation: what clients were told is in PostgreSQL, each once.")


if __name__ == "__main__":
    sys.exit(main())
