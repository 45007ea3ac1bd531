"""Compile what has a compiled form: ``python -m gameserver.devstack.compile [FILE.pyx …]``.

    gameserver/hot/_fast.pyx ──cython──► C ──cc──► gameserver/hot/_fast.<platform>.so

An installed package brings its own along (pyproject.toml); this is for a checkout. Where there is
no C compiler, one sentence says what that costs, and everything works all the same. Files that are
named are those of a game (docs/compile-rules.md): what keeps one from being compiled is an error.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCES = {
    "gameserver/hot/_fast.pyx": "at about 1.4 times the CPU per player",
    "gameserver/hot/_beat.pyx": "at about 1.4 times the CPU per player",
    "gameserver/wire/_cut.pyx": "at about 1.4 times the CPU per player",
    "gameserver/wire/_shown.pyx": "at about 1.4 times the CPU per player",
    "gameserver/games/_arena_state.pyx": "the arena's rules at about 5 times the CPU",
    "gameserver/games/_arena.pyx": "the arena's rules at about 5 times the CPU",
    "gameserver/games/_arena_view.pyx": "the arena's rules at about 5 times the CPU",
    "persistence_worker/_usual.pyx": "at about 1.5 times the worker's CPU per event",
}
"""What they cost in Python."""
HEADERS = (
    "gameserver/game/fetching.pxd",
    "gameserver/game/fields.pxd",
    "gameserver/games/_arena_state.pxd",
    "gameserver/hot/_fast.pxd",
    "gameserver/wire/_cut.pxd",
    "gameserver/wire/packing.pxd",
    "gameserver/wire/unpacking.pxd",
)
"""What sources have of each other."""
_SAFE = ["-O2", "-fPIC", "-fwrapv", "-Wno-unused-function"]


class NotCompiled(Exception):
    """Why there is no compiled form."""


def target(source: Path) -> Path:
    """Where Python looks for the compiled form of ``source``."""
    return source.with_name(source.stem + (sysconfig.get_config_var("EXT_SUFFIX") or ".so"))


def is_current(source: Path) -> bool:
    """Whether it is there and not older than what it is made of."""
    made = target(source)
    if not made.exists():
        return False
    parts = [source, *(ROOT / header for header in HEADERS)]
    return made.stat().st_mtime >= max(part.stat().st_mtime for part in parts)


def build(source: Path) -> None:
    """Raises ``NotCompiled``."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        raise NotCompiled("Python's headers are missing (on Debian: apt install python3-dev)")
    link = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    compiler = os.environ.get("CC") or link[0]
    with tempfile.TemporaryDirectory() as directory:
        code, made = Path(directory) / f"{source.stem}.c", Path(directory) / "made.so"
        # With the directories of headers: of this package and, by default, all that are installed.
        _call([sys.executable, "-m", "cython", "-3", "-I", str(ROOT), str(source), "-o", str(code)])
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


def main(files: Sequence[str]) -> int:
    """Compile ``files``, or what of the bundled sources is out of date. Without a compiler the
    latter is no failure."""
    for name in files:
        try:
            build(Path(name))
        except NotCompiled as why:
            print(f"{name} is not compiled: {why}")
            return 1
    if files:
        return 0
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
    sys.exit(main(sys.argv[1:]))
