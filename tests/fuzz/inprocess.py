"""One target, many cases: ``python -m tests.fuzz.inprocess usual --seed 1 --seconds 30``.

The case under way stands in a file, so that one which ends the process is known to who started it.
Where edges are counted (``sanitized``), a case that goes a new one is kept, and changed further.
"""

from __future__ import annotations

import argparse
import json
import mmap
import random
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.fuzz import sanitized
from tests.fuzz.minimise import minimised

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

KEPT_MAX = 4000
NOTE_BYTES = 4 * 1024 * 1024
CRASH_TRIES_MAX = 20
"""Each try is a process, which takes some seconds to begin with AddressSanitizer."""
EXIT_S = 120


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A case that does what must not be: ``case`` as hex, made as small as it could be."""

    target: str
    seed: int
    what: str
    case: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """``kept``: cases that went new ways."""

    target: str
    cases: int
    kept: int
    finding: Finding | None


class Note:
    """A file in which the case under way stands, whatever becomes of the process."""

    def __init__(self, path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(NOTE_BYTES)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), NOTE_BYTES)

    def __call__(self, case: bytes) -> None:
        size = min(len(case), NOTE_BYTES - 4)
        self._map[4 : 4 + size] = case[:size]
        self._map[:4] = size.to_bytes(4, "big")


def noted(path: Path) -> bytes:
    """The case that was under way."""
    data = path.read_bytes()
    return data[4 : 4 + int.from_bytes(data[:4], "big")]


def complaint(target: Target, case: bytes) -> str | None:
    """What is wrong; an exception that leaves the judge is, too."""
    try:
        return target.judge(case)
    except Exception:
        return traceback.format_exc(limit=-4)


def run(
    target: Target,
    *,
    seed: int,
    seconds: float = 3600.0,
    cases: int | None = None,
    fresh: Callable[[], int] | None = None,
    note: Callable[[bytes], None] | None = None,
) -> Outcome:
    """Try ``cases`` cases, or for ``seconds``; stops at the first that fails."""
    chance = random.Random(f"{seed}/{target.name}")
    until, done, kept = time.monotonic() + seconds, 0, list[bytes]()
    finding = None
    while time.monotonic() < until and done != cases:
        case = _next(target, chance, kept)
        done += 1
        if note is not None:
            note(case)
        what = complaint(target, case)
        if what is not None:
            small = minimised(case, lambda each: complaint(target, each) is not None)
            finding = Finding(
                target=target.name,
                seed=seed,
                what=complaint(target, small) or what,
                case=small.hex(),
            )
            break
        if fresh is not None and fresh() and len(kept) < KEPT_MAX:
            kept.append(case)
    return Outcome(target=target.name, cases=done, kept=len(kept), finding=finding)


def _next(target: Target, chance: random.Random, kept: list[bytes]) -> bytes:
    from tests.fuzz.mutate import mutated

    if kept and chance.random() < 0.5:
        return mutated(chance, chance.choice(kept[-400:]), kept[-40:])
    return target.made(chance)


# ── in a process of its own ──────────────────────────────────────────────────────────────────────


def in_child(
    name: str,
    *,
    seed: int,
    seconds: float,
    directory: Path,
    build: Path | None = None,
    mutation: str = "",
) -> Outcome:
    """``run`` in a process that may crash. ``build``: a directory of ``sanitized``."""
    note = directory / f"{name}.case"
    words = ["--seed", str(seed), "--seconds", str(seconds), "--note", str(note)]
    done = _child(name, words, build=build, mutation=mutation, timeout_s=seconds + EXIT_S)
    if done.returncode == 0:
        return msgspec.json.decode(done.stdout, type=Outcome)
    case = noted(note)

    def crashes(each: bytes) -> bool:
        path = directory / f"{name}.try"
        path.write_bytes(each)
        again = ["--case", str(path), "--note", str(note)]
        return _child(name, again, build=build, mutation=mutation, timeout_s=EXIT_S).returncode != 0

    if crashes(case):
        case = minimised(case, crashes, tries_max=CRASH_TRIES_MAX)
    what = f"the process ended with {done.returncode}: {gist(done.stderr)}"
    finding = Finding(target=name, seed=seed, what=what, case=case.hex())
    return Outcome(target=name, cases=0, kept=0, finding=finding)


def gist(said: str) -> str:
    """What a process said at its end: a sanitizer's summary and where in our code, else its end."""
    lines = said.splitlines()
    summary = [line for line in lines if line.startswith("SUMMARY: ")]
    places = [line.strip() for line in lines if re.search(r"_(cut|fast|usual)\.(c|pyx)", line)]
    return "\n".join([*summary, *places[:4]]) if summary else said[-2000:]


def _child(
    name: str, words: list[str], *, build: Path | None, mutation: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    from gameserver.devstack.programs import environment

    command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.inprocess", name, *words]
    extra = {}
    if build is not None:
        command += ["--build", str(build)]
        extra = sanitized.environment()
    if mutation:
        command += ["--mutation", mutation]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment(extra),
        check=False,
    )


def main() -> int:
    """The exit code is 0 whatever was found: that stands in the outcome."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.inprocess", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--note", type=Path)
    parser.add_argument("--build", type=Path)
    parser.add_argument("--mutation", default="")
    parser.add_argument("--case", type=Path, help="try this file alone")
    given = parser.parse_args()
    fresh = sanitized.install(given.build) if given.build else None
    from tests.fuzz import mutant
    from tests.fuzz.targets import TARGETS

    if given.mutation:
        mutant.apply(given.mutation)
    target = TARGETS[given.target]
    if given.case is not None:
        what = complaint(target, given.case.read_bytes())
        print(json.dumps(what))
        return 0
    note = Note(given.note) if given.note else None
    outcome = run(target, seed=given.seed, seconds=given.seconds, fresh=fresh, note=note)
    print(msgspec.json.encode(outcome).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
