"""A run notices that the server under it has become another."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import source


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(source, "ROOT", tmp_path)
    package = tmp_path / "gameserver"
    package.mkdir()
    (package / "app.py").write_text("one")
    return package


def test_nothing_is_said_while_the_source_stays(checkout: Path) -> None:
    guard = source.Guard()
    (checkout / "notes.txt").write_text("of no effect")
    guard.check()


@pytest.mark.parametrize("name", ["app.py", "new.py", "commit.lua", "loops.pyx"])
def test_a_changed_or_new_file_ends_the_run(checkout: Path, name: str) -> None:
    guard = source.Guard()
    (checkout / name).write_text("two")
    with pytest.raises(source.Changed, match="changed during the run"):
        guard.check()


def test_without_git_the_digest_still_says_which_code_it_was(checkout: Path) -> None:
    facts = source.facts()
    assert facts["commit"] == "not in a Git checkout"
    assert facts["digest of the server"] == source.digest()
