"""What the README shows is true: the game in it is extracted, checked and played."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from gameserver.game.loader import load_games
from gameserver.game.testkit import check

README = Path(__file__).parent.parent / "README.md"


def example() -> str:
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    return str(code)


def test_the_first_game_passes_the_test_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mash.py").write_text(example())
    monkeypatch.syspath_prepend(tmp_path)
    try:
        game = load_games(["mash:Mash"])["mash"]
        report = check(type(game), seed=1, steps=500, players=4)
    finally:
        sys.modules.pop("mash", None)
    assert report.steps == 500


def test_the_first_game_is_as_short_as_promised() -> None:
    lines = [line for line in example().splitlines() if line.strip()]
    assert len(lines) <= 40


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target
