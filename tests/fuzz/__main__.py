"""``make fuzz MINUTES=5 SEED=1``: half of the time in processes of their own, target by target,
half of it against a real server and worker. docs/security/fuzzing.md"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from gameserver.devstack.compile import ROOT
from tests.fuzz import inprocess, sanitized
from tests.fuzz.campaign import ALL, Campaign, directory_of
from tests.fuzz.mutant import MUTATIONS
from tests.fuzz.targets import COMPILED, TARGETS
from tests.fuzz.watched import Watched

SANITIZED = "sanitized"
MEMORY = "memory"
"""The mutation that only ``--sanitize`` has: ``sanitized.DEFECT``."""


def main() -> int:
    """The command line; returns the exit code: 1 for a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--only", choices=[*TARGETS, *ALL], action="append", default=[])
    parser.add_argument("--live", action="store_true", help="against a server alone")
    parser.add_argument("--mutation", choices=[*sorted(MUTATIONS), MEMORY], default="")
    parser.add_argument(
        "--sanitize",
        action="store_true",
        help="the compiled modules alone, with AddressSanitizer and guided by their coverage",
    )
    given = parser.parse_args()
    targets = [name for name in TARGETS if not given.only or name in given.only]
    if given.live:
        targets = []
    kinds = tuple(kind for kind in ALL if not given.only or kind in given.only)
    directory = directory_of(ROOT, given.seed, given.mutation)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    build = None
    if given.sanitize:
        targets, kinds = [name for name in targets if name in COMPILED], ()
        build = ROOT / "artifacts" / "fuzz" / SANITIZED
        try:
            print("building the compiled modules with AddressSanitizer …", flush=True)
            sanitized.build(build, defect=given.mutation == MEMORY)
        except sanitized.NotBuilt as why:
            print(f"not fuzzed: {why}")
            return 3
    seconds = 60 * given.minutes
    share = 0.5 if targets and kinds else 1.0
    bad = _in_process(given, targets, share * seconds, directory, build)
    if kinds and not bad:
        bad = _against_a_server(given, kinds, share * seconds, directory)
    return 1 if bad else 0


def _in_process(
    given: argparse.Namespace,
    targets: list[str],
    seconds: float,
    directory: Path,
    build: Path | None,
) -> bool:
    for name in targets:
        outcome = inprocess.in_child(
            name,
            seed=given.seed,
            seconds=seconds / len(targets),
            directory=directory,
            build=build,
            mutation="" if given.mutation == MEMORY else given.mutation,
        )
        kept = f", {outcome.kept} went new ways" if build else ""
        print(f"{name}: {outcome.cases:,} cases{kept}", flush=True)
        if outcome.finding is not None:
            print(f"FOUND by seed {given.seed}: {outcome.finding.what}")
            print(f"case (hex): {outcome.finding.case}")
            return True
    return False


def _against_a_server(
    given: argparse.Namespace, kinds: tuple[str, ...], seconds: float, directory: Path
) -> bool:
    with Watched(directory, mutation=given.mutation) as watched:
        made = Campaign(watched, seed=given.seed, kinds=kinds)
        outcome = asyncio.run(made.run(seconds=seconds, say=lambda line: print(line, flush=True)))
    cases = ", ".join(f"{count:,} × {kind}" for kind, count in outcome.cases.items())
    print(f"\n{outcome.batches} batches: {cases}")
    print("ended by:", ", ".join(f"{n} × {what}" for what, n in outcome.seen.items()))
    print("warnings:", ", ".join(f"{n} × {what}" for what, n in outcome.warnings.items()) or "none")
    print(f"memory: {outcome.memory_more_bytes / 2**20:.1f} MiB more at the most")
    for found in outcome.found:
        print(f"FOUND by seed {given.seed} in batch {found.batch} of {found.kind}: {found.what}")
        print(f"case (hex): {found.case or 'no single one'}  dice: {found.dice}")
    if not outcome.found:
        print("No violation.")
    return bool(outcome.found)


if __name__ == "__main__":
    sys.exit(main())
