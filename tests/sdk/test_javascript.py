"""The JavaScript SDK: its tests and its types, run by Deno, which comes as a wheel; its size."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
from pathlib import Path

from deno import find_deno_bin

from gameserver.games.arena_maps import MAPS
from gameserver.games.arena_types import Move
from tests.core.room import Room

ROOT = Path(__file__).parents[2]
SDK = ROOT / "web" / "sdk"
DOC = ROOT / "docs" / "sdk.md"


def deno(*arguments: str, cache: Path, given: str = "") -> str:
    """What it printed. It may read files, and nothing else."""
    done = subprocess.run(
        [find_deno_bin(), *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cache),
            "DENO_DIR": str(cache),
            "DENO_NO_UPDATE_CHECK": "1",
            "NO_COLOR": "1",
        },
        input=given,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_sdk_passes_its_tests_and_does_what_the_vectors_say(tmp_path: Path) -> None:
    shown = deno(
        "test", "--no-check", "--no-remote", "--allow-read=.", "tests/sdk/", cache=tmp_path
    )
    found = re.search(r"ok \| (\d+) passed \| 0 failed", shown)
    assert found and int(found[1]) > 20, shown


def test_the_types_are_right(tmp_path: Path) -> None:
    deno("check", "--no-remote", "tests/sdk/types.ts", cache=tmp_path)


def test_the_page_walks_as_the_arena_does(tmp_path: Path) -> None:
    chance = random.Random(3)
    room = Room("arena", "standard")
    room.join(0)
    body = room.state.bodies[0]
    start, moves, places = [body.x, body.y], [], []
    for _ in range(400):
        dx, dy = chance.randint(-1, 1), chance.randint(-1, 1)
        for _ in range(chance.randint(1, 20)):
            room.step((0, Move(dx, dy)))
            moves.append([dx, dy])
            places.append([body.x, body.y])
    plan = MAPS["court"].plan
    given = {"map": [plan.tile, plan.rows], "start": start, "moves": moves}
    shown = deno("run", "--no-remote", "tests/sdk/walk.js", cache=tmp_path, given=json.dumps(given))
    assert json.loads(shown) == places


def test_the_sdk_needs_nothing_else_and_keeps_its_budget() -> None:
    files = sorted(SDK.glob("*.js"))
    for file in files:
        for name in re.findall(r'from "([^"]+)"', file.read_text()):
            assert name.startswith("./") and (SDK / name).exists(), f"{file.name}: {name}"
    packed = len(gzip.compress(b"".join(file.read_bytes() for file in files), mtime=0))
    text = DOC.read_text()
    budget = int(re.search(r"at most ([\d,]+) bytes", text)[1].replace(",", ""))
    assert packed <= budget, f"{packed} bytes"
    stated = int(re.search(r"\*\*([\d,]+) bytes\*\* gzipped", text)[1].replace(",", ""))
    # zlib's versions differ a little, and the figure need not change with every comment.
    assert abs(packed - stated) <= 0.05 * stated, f"{packed} bytes; docs/sdk.md says {stated}"
