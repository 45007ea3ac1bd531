"""Games that are named by their directory: ``make run GAME=./star_race``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gameserver.devstack.process import DevstackError
from gameserver.game.loader import ENTRY_POINT_GROUP

_PROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Games:
    """``names`` as ``GAMESERVER_GAMES`` has them; ``paths``: where their modules are found."""

    names: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()


def resolve(given: Iterable[str]) -> Games:
    """A directory stands for the games that its pyproject.toml offers; any other name for itself.

    Raises ``DevstackError`` for a directory that offers none."""
    names: list[str] = []
    paths: list[Path] = []
    for name in given:
        if _is_directory(name):
            directory = Path(name).resolve()
            names += _offered(directory)
            paths.append(directory)
        else:
            names.append(name)
    return Games(names=tuple(names), paths=tuple(paths))


def _is_directory(name: str) -> bool:
    return ":" not in name and (os.sep in name or (Path(name) / _PROJECT).is_file())


def _offered(directory: Path) -> list[str]:
    project = directory / _PROJECT
    try:
        read = tomllib.loads(project.read_text())
    except OSError as error:
        raise DevstackError(f"{project} cannot be read ({error.strerror}).") from None
    except tomllib.TOMLDecodeError as error:
        raise DevstackError(f"{project} is not TOML: {error}.") from None
    points = read.get("project", {}).get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    if not points:
        raise DevstackError(
            f'{project} offers no game: it needs [project.entry-points."{ENTRY_POINT_GROUP}"], as '
            "`python -m gameserver new` writes it; or name the game as module:Class."
        )
    return [str(target) for target in points.values()]
