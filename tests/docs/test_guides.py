"""The code in the guides: whole games are played, everything else is at least Python."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from docs import generate_commands
from gameserver.game.contract import Game
from gameserver.game.testkit import check

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDES = ("rules", "state-and-views", "from-nakama", "from-colyseus")
_WHOLE = re.compile(r"class (\w+)\(Game\[")


def blocks(name: str) -> list[str]:
    text = (DOCS / f"{name}.md").read_text()
    found = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in found]


WHOLE = [(name, block) for name in GUIDES for block in blocks(name) if _WHOLE.search(block)]


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module for the code of a page; types are looked up in it."""
    made = ModuleType("a_guides_game")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


@pytest.mark.parametrize(("name", "block"), WHOLE, ids=[name for name, _ in WHOLE])
def test_a_whole_game_keeps_the_contract(name: str, block: str, module: ModuleType) -> None:
    exec(compile(block, f"{name}.md", "exec"), module.__dict__)
    [found] = _WHOLE.findall(block)
    game = getattr(module, found)
    assert issubclass(game, Game)
    report = check(game, steps=2_000, players=4)
    assert report.inputs and report.matches_ended


def test_there_are_such_games() -> None:
    assert [name for name, _ in WHOLE] == ["rules", "from-nakama", "from-colyseus"]


@pytest.mark.parametrize("name", GUIDES)
def test_everything_else_is_python(name: str) -> None:
    assert blocks(name)
    for block in blocks(name):
        ast.parse(block)


def test_the_page_of_commands_is_that_of_the_programs() -> None:
    written = generate_commands.PAGE.read_text()
    assert written == generate_commands.render(), "run `python -m docs.generate_commands`"
