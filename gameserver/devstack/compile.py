"""Compile what has a compiled form: ``python -m gameserver.devstack.compile``.

    gameserver/hot/_fast.pyx ──cython──► C ──cc──► gameserver/hot/_fast.<platform>.so

An installed package brings them along (pyproject.toml); this is for a checkout. Where there is no
C compiler, one sentence says what that costs, and everything works all the same.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCES = {
    "gameserver/hot/_fast.pyx": "at about 1.4 times the CPU per player",
    "gameserver/wire/_cut.pyx": "at about 1.4 times the CPU per player",
    "gameserver/games/_arena.pyx": "the arena's rules at about 5 times the CPU",
    "persistence_worker/_usual.pyx": "at about 1.5 times the worker's CPU per event",
}
"""What they cost in Python."""
_SAFE = ["-O2", "-fPIC", "-fwrapv", "-Wno-unused-function"]


class NotCompiled(Exception):
    """Why there is no compiled form."""


def target(source: Path) -> Path:
    """Where Python looks for the compiled form of ``source``."""
    return source.with_name(source.stem + (sysconfig.get_config_var("EXT_SUFFIX") or ".so"))


def is_current(source: Path) -> bool:
    """Whether it is there and not older than its source."""
    made = target(source)
    return made.exists() and made.stat().st_mtime >= source.stat().st_mtime


def build(source: Path) -> None:
    """Raises ``NotCompiled``."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        raise NotCompiled("Python's headers are missing (on Debian: apt install python3-dev)")
    link = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    compiler = os.environ.get("CC") or link[0]
    with tempfile.TemporaryDirectory() as directory:
        code, made = Path(directory) / f"{source.stem}.c", Path(directory) / "made.so"
        _call([sys.executable, "-m", "cython", "-3", str(source), "-o", str(code)])
        _call([compiler, *link[1:], *_SAFE, f"-I{header.parent}", str(code), "-o", str(made)])
        # Renamed into place, so that nobody loads half of it.
        waiting = target(source).with_suffix(f".{os.getpid()}")
        waiting.write_bytes(made.read_bytes())
        waiting.chmod(0o755)
        waiting.replace(target(source))


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotCompiled(
            f"there is no C compiler {command[0]!r} (on Debian: apt install gcc libc6-dev)"
        ) from error
    if done.returncode:
        raise NotCompiled(f"{shlex.join(command[:3])} failed:\n{done.stdout}{done.stderr}")


def main() -> int:
    """Compile what is out of date. Without a compiler that is no failure."""
    for name, price in SOURCES.items():
        source = ROOT / name
        if is_current(source):
            continue
        target(source).unlink(missing_ok=True)  # One of an older source must not be used.
        try:
            build(source)
        except NotCompiled as why:
            print(f"{name} runs in Python, {price}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
