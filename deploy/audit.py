"""``python -m deploy.audit``: known vulnerabilities of all that is locked, told honestly.

pip-audit asks the package index for each package of the image, the tests, the scanner and the
benchmarks, and npm its registry for what their peers need. Where these cannot be asked, they call
that "no known vulnerabilities"; this calls it not audited. Exit codes: 0 every package was looked
up and none is known to be vulnerable, 1 some are, 3 not all could be looked up. ``deploy.licences``
needs no network.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCKS = (
    "requirements.lock",
    "requirements-build.lock",
    "requirements-dev.lock",
    "deploy/requirements.lock",
    "bench/requirements.lock",
)
NPM = ("bench/peers/node_ws", "bench/peers/colyseus")
TIMEOUT_S = 180
CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``lines`` are for a person."""

    code: int
    lines: tuple[str, ...]


def judge(report: dict[str, Any]) -> Verdict:
    """What a report of ``pip-audit --format json`` comes to."""
    packages = report["dependencies"]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {_versions(flaw)}"
        for one in packages
        for flaw in one.get("vulns", ())
    ]
    found = bool(lines)
    if skipped:
        lines.append(
            f"{len(skipped)} of {len(packages)} packages could not be looked up "
            f"({', '.join(skipped[:5])}{', …' if len(skipped) > 5 else ''}): not audited"
        )
    if not lines:
        lines.append(f"{len(packages)} packages, none known to be vulnerable")
    code = VULNERABLE if found else NOT_AUDITED if skipped else CLEAN
    return Verdict(code=code, lines=tuple(lines))


def _versions(flaw: dict[str, Any]) -> str:
    return " or ".join(flaw["fix_versions"]) or "no version yet"


def judge_npm(report: dict[str, Any], packages: int) -> Verdict:
    """What a report of ``npm audit --json`` on so many packages comes to."""
    found = report.get("vulnerabilities")
    if found is None:
        why = str(report.get("message") or report.get("error"))
        # Where the registry is, is nobody's business.
        why = re.sub(r"\S*://\S*", "its registry", why)
        line = f"{packages} packages could not be looked up ({why:.80}): not audited"
        return Verdict(code=NOT_AUDITED, lines=(line,))
    lines = tuple(
        f"{name} {flaw['range']}: {flaw['severity']}" for name, flaw in sorted(found.items())
    )
    if lines:
        return Verdict(code=VULNERABLE, lines=lines)
    return Verdict(code=CLEAN, lines=(f"{packages} packages, none known to be vulnerable",))


def audit(lock: str) -> Verdict:
    """Ask about all packages of a lock file."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--timeout", "10"]
    command += ["--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--requirement", str(ROOT / lock)]
    return _asked(command, ROOT, judge)


def audit_npm(directory: str) -> Verdict:
    """Ask about all packages of an npm lock."""
    lock = json.loads((ROOT / directory / "package-lock.json").read_text())
    packages = sum(1 for path in lock["packages"] if path)
    command = ["npm", "audit", "--json", "--package-lock-only"]
    return _asked(command, ROOT / directory, lambda report: judge_npm(report, packages))


def _asked(
    command: list[str], directory: Path, judged: Callable[[dict[str, Any]], Verdict]
) -> Verdict:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        return judged(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        reason = f"no answer within {TIMEOUT_S} s"
    except json.JSONDecodeError:
        reason = f"it said: {done.stderr.strip()[-500:]}"
    except OSError as error:
        reason = f"{command[0]}: {error.strerror}"
    return Verdict(code=NOT_AUDITED, lines=(f"not audited: {reason}",))


def together(codes: list[int]) -> int:
    """One exit code: a vulnerability counts most, then what could not be looked up."""
    return max(codes, key=(CLEAN, NOT_AUDITED, VULNERABLE).index)


def main() -> int:
    """Returns the exit code."""
    codes = []
    for name, ask in [*((lock, audit) for lock in LOCKS), *((npm, audit_npm) for npm in NPM)]:
        verdict = ask(name)
        codes.append(verdict.code)
        print("\n".join(f"{name}: {line}" for line in verdict.lines), flush=True)
    return together(codes)


if __name__ == "__main__":
    sys.exit(main())
