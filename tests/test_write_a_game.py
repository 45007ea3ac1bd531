"""docs/write-a-game.md is true: its steps are taken, with the code that stands in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gameserver.__main__ import main
from gameserver.adapters.network_sim import RESEND_MS
from gameserver.devstack import settings
from gameserver.game.loader import load_game
from gameserver.game.schema import messages

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "write-a-game.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the first command makes."""
    [command] = [one for one in blocks("sh") if "gameserver new" in one]
    name = command.split("gameserver new ")[1].split()[0]
    assert main(["new", name, "--in", str(tmp_path)]) == 0
    return tmp_path / name


def run_tests(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_rule_is_changed_test_first(project: Path) -> None:
    test, rule = blocks("python")
    with (project / "tests" / "test_rules.py").open("a") as file:
        file.write(f"\n\n{test}")
    failed = run_tests(project)
    assert failed.returncode == 1 and "test_stars_are_heavy" in failed.stdout
    assert "1 failed" in failed.stdout

    game = project / "star_race" / "game.py"
    text = game.read_text()
    lines = textwrap.dedent(rule).strip().splitlines()
    old = f"        {lines[0]}\n" + "".join(
        f"        {line}\n".replace("speed *", "SPEED *") for line in lines[2:]
    )
    assert text.count(old) == 1, old
    game.write_text(text.replace(old, textwrap.indent("\n".join(lines), " " * 8) + "\n"))
    passed = run_tests(project)
    assert passed.returncode == 0, passed.stdout


def test_the_parts_named_are_the_parts_made(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(project)
    try:
        game = type(load_game("star_race:Game"))
        shown = messages(game)
        source = (project / "star_race" / "game.py").read_text()
        table = PAGE.split("| | what it is |")[1].split("\n\n")[0]
        named = re.findall(r"^\| `(?:Game\.)?(\w+)` ", table, re.MULTILINE)
        assert len(named) == 7
        for name in named:
            assert f"class {name}(" in source or f"def {name}(" in source, name
        assert {"RaceView", "Move", "StarTaken", "RaceResult"} <= shown.defs.keys()
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "star_race"]:
            del sys.modules[name]


def test_variables_ports_and_figures_are_the_real_ones(tmp_path: Path) -> None:
    given = dict(re.findall(r"(LATENCY_MS|JITTER_MS|STALL_PERCENT|RELOAD\w*)=(\d+)", PAGE))
    assert len(given) == 5
    chosen = settings.from_environ({**given, "RUN_DIR": str(tmp_path)}).development
    assert chosen is not None and chosen.reload_log and chosen.end_unfit
    assert chosen.conditions.latency_ms == 150
    assert f"held up by {RESEND_MS:.0f} ms" in PAGE
    forwarded = {int(port) for port in re.findall(r"-L (\d+):", PAGE)}
    assert forwarded == {settings.DEFAULT_PORTS[name] for name in ("page", "ws", "http")}


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    for target in re.findall(r"`((?:gameserver|docs|tests)/[\w./-]+)`", PAGE):
        inside = ROOT / "gameserver" / "scaffold" / "templates"
        assert (ROOT / target).exists() or list(inside.rglob(f"{Path(target).name}.tmpl")), target
