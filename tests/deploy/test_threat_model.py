"""docs/security/threat-model.md: every edge has six letters, and every row what shows it."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.deploy.task_definitions import ROOT

DOCUMENT = ROOT / "docs/security/threat-model.md"
LETTERS = {*"STRIDE"}
EDGES_MIN = 10


def edges() -> dict[str, list[list[str]]]:
    """Title → rows of letter, threat, control, and what shows it."""
    parts = re.split(r"^## (\d+\. .*)$", DOCUMENT.read_text(), flags=re.M)
    return {title: _rows(body) for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def _rows(body: str) -> list[list[str]]:
    lines = body.partition("\n## ")[0].splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"
    ]
    return [row for row in cells if row[0] in LETTERS]


@cache
def names_of(path: str) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, functions) and node.name.startswith("test_")
    }


def complaint(reference: str) -> str | None:
    """What is wrong with a reference: ``FILE::TEST``, ``FILE::*`` for all of a file, or a file."""
    path, _, name = reference.partition("::")
    if not (ROOT / path).is_file():
        return f"{path} is not there"
    if path.startswith("tests/") and name != "*" and name not in names_of(path):
        return f"{path} has no test {name or '(none is named)'}"
    if name == "*" and not names_of(path):
        return f"{path} has no tests"
    return None


@pytest.mark.parametrize(("title", "rows"), edges().items())
def test_every_letter_is_answered_by_what_exists(title: str, rows: list[list[str]]) -> None:
    assert {row[0] for row in rows} == LETTERS, title
    for letter, threat, control, shown in rows:
        assert threat and control, (title, letter)
        references = re.findall(r"`([^`]+)`", shown)
        assert references, f"{title}: nothing shows “{threat}”"
        assert [complaint(one) for one in references] == [None] * len(references)


SPOKEN_OF = ("operator", "spectator", "chat", "party", "replay", "session record", "ticket")
SPOKEN_OF += ("dead letter", "fuzz", "friend", "licence", "recorded match")


@pytest.mark.parametrize("what", SPOKEN_OF)
def test_what_the_server_does_is_spoken_of(what: str) -> None:
    rows = [" ".join(row[1:3]).lower() for each in edges().values() for row in each]
    assert any(what in row for row in rows)


def test_all_edges_are_looked_at_and_a_lost_test_is_noticed() -> None:
    assert len(edges()) >= EDGES_MIN
    assert complaint("tests/deploy/test_threat_model.py::test_that_is_not_there")
    assert complaint("tests/nowhere.py::test_anything")
    assert complaint("tests/deploy/test_threat_model.py")
    assert complaint("tests/deploy/bases.py::*")
