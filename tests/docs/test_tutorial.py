"""docs/tutorial.md, typed and run from its first line to its last, on a whole system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gameserver.devstack.process import free_port
from gameserver.devstack.settings import DEFAULT_PORTS, variable
from tests.docs.typed import Reader, patched, printed, steps

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"


@pytest.mark.timeout(400)
def test_the_tutorial_leads_to_a_game_that_is_played(devstack_dir: Path) -> None:
    place = devstack_dir / "tutorial"
    place.mkdir()
    ports = {name: free_port() for name in DEFAULT_PORTS}
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ |= {variable(name): str(port) for name, port in ports.items()}
    reader = Reader(
        ROOT,
        environ=environ | {"PYTHON": sys.executable, "COLUMNS": "200"},
        words={
            "make setup": "make --dry-run setup",
            ".venv/bin/python": sys.executable,
            "--in ..": f"--in {place}",
            "cd ../": f"cd {place}/",
        }
        | {f"127.0.0.1:{DEFAULT_PORTS[door]}": f"127.0.0.1:{ports[door]}" for door in ports},
    )
    try:
        for step in steps(PAGE.read_text()):
            reader.do(step)
    finally:
        reader.close()
    made = place / "paint_floor"
    for command in (["check", "."], ["format", "--check", "."]):
        subprocess.run([sys.executable, "-m", "ruff", *command], cwd=made, check=True)
    wanted = {"paint_floor/game.py", "tests/test_rules.py", "tests/test_contract.py", "bot.py"}
    assert all((made / path).exists() for path in wanted)


def test_a_diff_that_fits_nowhere_or_twice_is_an_error() -> None:
    assert patched("a\nb\nc\n", " a\n-b\n+d\n@@\n c\n+e\n") == "a\nd\nc\ne\n"
    for text in ("b\n", "a\na\n"):
        with pytest.raises(AssertionError, match="found"):
            patched(text, " a\n+b\n")


def test_lines_are_printed_in_order_or_not_at_all() -> None:
    assert printed("one\nthree\n", "a one\na two\na three\n")
    assert not printed("three\none\n", "one\ntwo\nthree\n")


def test_a_block_without_a_word_about_it_is_an_error() -> None:
    assert [step.what for step in steps("<!-- tutorial: run -->\n```sh\nls\n```\n")] == ["run"]
    with pytest.raises(AssertionError, match="no comment"):
        steps("```sh\nls\n```\n")
