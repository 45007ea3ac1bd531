"""``python -m gameserver new``, as a newcomer meets it: what is made works at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gameserver.__main__ import main
from gameserver.errors import ConfigError
from gameserver.scaffold.new import check_name, create

LONGEST = "a" + "_23456789" * 3 + "_234"


def run(
    directory: Path, command: Sequence[str], **settings: str
) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=directory,
        env=environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where mypy keeps what it knows of packages that all games import."""
    return tmp_path_factory.mktemp("types")


@pytest.fixture(scope="module", params=["star_race", "nim --turn-based", LONGEST])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new game, made by the command."""
    parent = tmp_path_factory.mktemp("new")
    arguments = request.param.split()
    assert main(["new", *arguments, "--in", str(parent)]) == 0
    return parent / arguments[0]


@pytest.mark.parametrize(
    "command",
    [["pytest", "-q"], ["mypy"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_is_made_passes_everything_at_once(
    made: Path, types: Path, command: list[str]
) -> None:
    done = run(made, command, MYPY_CACHE_DIR=str(types))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_its_makefile_runs_its_tests(made: Path) -> None:
    done = subprocess.run(
        ["make", "test", f"PYTHON={sys.executable}"],
        cwd=made,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_nothing_is_left_to_be_filled_in(made: Path) -> None:
    for path in made.rglob("*"):
        cached = any("cache" in part for part in path.relative_to(made).parts)
        if path.is_file() and not cached:
            assert "{{" not in path.read_text(), path


def test_the_templates_are_part_of_the_package() -> None:
    import tomllib

    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["gameserver"]
    package = root / "gameserver"
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    templates = {*(package / "scaffold" / "templates").rglob("*.tmpl")}
    assert templates and templates <= packed


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "take a letter"),
        ("2048", "take a letter"),
        ("Chess", "take a letter"),
        ("star-race", "take a letter"),
        ("../away", "take a letter"),
        ("a" * 33, "take a letter"),
        ("class", "word of Python"),
        ("match", "word of Python"),
        ("random", "of Python or of the server"),
        ("gameserver", "of Python or of the server"),
        ("tests", "of Python or of the server"),
        ("msgspec", "is installed"),
        ("pytest", "is installed"),
    ],
)
def test_a_name_that_would_not_work_is_refused(
    name: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", name, "--in", str(tmp_path)]) == 2
    assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_is_one() -> None:
    assert len(LONGEST) == 32
    check_name(LONGEST)


@pytest.mark.parametrize("there", ["a directory", "a file", "a link to nowhere"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    path = tmp_path / "star_race"
    match there:
        case "a directory":
            path.mkdir()
        case "a file":
            path.write_text("mine")
        case _:
            path.symlink_to("nowhere")
    with pytest.raises(ConfigError, match="there already"):
        create("star_race", parent=tmp_path, turn_based=False)
    assert not path.is_dir() or list(path.iterdir()) == []
