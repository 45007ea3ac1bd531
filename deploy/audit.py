"""``python -m deploy.audit``: known vulnerabilities of what is locked, told honestly.

pip-audit asks the package index for each package. Where the index cannot be asked, it calls that
"no known vulnerabilities"; this calls it not audited. Exit codes: 0 every package was looked up
and none is known to be vulnerable, 1 some are, 3 not all could be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock")
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


def audit() -> Verdict:
    """Ask about all packages of the image."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--timeout", "10"]
    command += ["--disable-pip", "--require-hashes", "--format", "json"]
    for lock in LOCKS:
        command += ["--requirement", str(ROOT / lock)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        return judge(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        reason = f"the package index did not answer within {TIMEOUT_S} s"
    except json.JSONDecodeError:
        reason = f"pip-audit said: {done.stderr.strip()[-500:]}"
    return Verdict(code=NOT_AUDITED, lines=(f"not audited: {reason}",))


def main() -> int:
    """Returns the exit code."""
    verdict = audit()
    print("\n".join(verdict.lines))
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
