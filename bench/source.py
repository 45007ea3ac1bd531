"""Which code is measured: a number means nothing without it, and a checkout may be worked in."""

from __future__ import annotations

import hashlib
import subprocess

from bench.toolbox import ROOT

_TIMEOUT_S = 20


class Changed(Exception):
    """The server's source is another than when the run began; the text says so."""


def digest() -> str:
    """Of every file that the server is made of."""
    found = hashlib.sha256()
    for path in sorted((ROOT / "gameserver").rglob("*")):
        if path.suffix in (".py", ".pyx", ".lua"):
            found.update(str(path.relative_to(ROOT)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


def facts() -> dict[str, str]:
    """The commit, whether the server's files differ from it, and their digest."""
    commit = _git("rev-parse", "--short", "HEAD") or "not in a Git checkout"
    if _git("status", "--porcelain", "--", "gameserver"):
        commit += ", with changes that are not committed"
    return {"commit": commit, "digest of the server": digest()}


class Guard:
    """Raises ``Changed`` from ``check`` once the server's files are no longer the first ones."""

    def __init__(self) -> None:
        self._first = digest()

    def check(self) -> None:
        if digest() != self._first:
            raise Changed(
                "the server's source changed during the run, so its results cannot be compared: "
                "measure in a checkout in which nobody works"
            )


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
