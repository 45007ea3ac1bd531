"""Games named by their directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameserver.devstack import settings
from gameserver.devstack.game_paths import resolve
from gameserver.devstack.process import DevstackError
from gameserver.scaffold.new import create


def test_a_directory_stands_for_what_it_offers(tmp_path: Path) -> None:
    made = create("star_race", parent=tmp_path, turn_based=False)
    found = resolve([str(made), "arena", "mash:Mash"])
    assert found.names == ("star_race:Game", "arena", "mash:Mash")
    assert found.paths == (made.resolve(),)


def test_a_name_without_a_slash_is_a_directory_only_where_it_is_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create("star_race", parent=tmp_path, turn_based=False)
    (tmp_path / "arena").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve(["star_race"]).names == ("star_race:Game",)
    assert resolve(["arena"]).names == ("arena",)


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read"), ("[", "is not TOML"), ("[project]\n", "offers no game")],
)
def test_a_directory_without_a_game_is_a_sentence(
    content: str | None, why: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "pyproject.toml").write_text(content)
    with pytest.raises(DevstackError, match=why):
        resolve([f"{tmp_path}/"])


def test_both_variables_count_and_the_command_line_wins(tmp_path: Path) -> None:
    environ = {"GAMES": "arena, echo", "GAME": "mash:Mash", "RUN_DIR": str(tmp_path)}
    assert settings.from_environ(environ).games.names == ("arena", "echo", "mash:Mash")
    assert settings.from_environ(environ, games=["echo"]).games.names == ("echo",)
    assert settings.from_environ({}).games.names == ()
