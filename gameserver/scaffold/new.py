"""A new game as a directory: its rules, their tests, and what installs and runs it.

    templates/common  +  templates/realtime | turn_based  ──render──► DIRECTORY/
                                                                      ├── NAME/game.py …
                                                                      ├── tests/
                                                                      └── pyproject.toml …

Templates are real files that end in ``.tmpl``; ``{{word}}`` in them is replaced, and their
directory ``package`` becomes the game's name.
"""

from __future__ import annotations

import keyword
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from gameserver.errors import ConfigError

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""What the contract asks of a game's name, which is a package's name here too."""
_TAKEN = frozenset({"gameserver", "botswarm", "persistence_worker", "tests", "test"})
_WORD = re.compile(r"\{\{(\w+)\}\}")
_SUFFIX = ".tmpl"
_ABOUT = {
    False: "Players run about a field and collect stars; who has enough of them first wins.",
    True: "Nim: in turn, players take matches from a heap; who takes the last one wins.",
}


def create(name: str, *, parent: Path, turn_based: bool) -> Path:
    """Make the directory ``parent/name``; returns it.

    Raises ``ConfigError`` for a name that cannot be one, and where something is there already.
    """
    check_name(name)
    directory = parent / name
    if os.path.lexists(directory):
        raise ConfigError(f"{directory} is there already; nothing was changed")
    wrong = taken(name)
    if wrong:
        raise ConfigError(f"a game cannot be named {name!r}: {wrong}")
    words = _words(name, directory, turn_based=turn_based)
    templates = files("gameserver.scaffold") / "templates"
    kind = "turn_based" if turn_based else "realtime"
    rendered = {
        path: _render(text, words)
        for part in ("common", kind)
        for path, text in _templates(templates / part, Path())
    }
    for path, text in rendered.items():
        target = directory / Path(*(name if part == "package" else part for part in path.parts))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return directory


def check_name(name: str) -> None:
    """Raises ``ConfigError`` where ``name`` is not the name of a game."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"a game cannot be named {name!r}: take a letter and up to 31 letters, digits and _, "
            "all in lower case, such as 'star_race'"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise ConfigError(f"a game cannot be named {name!r}: it is a word of Python")


def taken(name: str) -> str | None:
    """Why a package of this name would stand in the way of another, or the other in its way."""
    if name in _TAKEN or name in sys.stdlib_module_names:
        return "a module of Python or of the server has this name"
    spec = find_spec(name)
    # A directory without __init__.py is a module too, but one that gives way to any other.
    if spec is not None and spec.origin is not None:
        return f"a module of this name is installed ({spec.origin})"
    return None


def _words(name: str, directory: Path, *, turn_based: bool) -> dict[str, str]:
    checkout = _checkout()
    if checkout is None:
        near, found = "", [".", ""]
    else:
        near = os.path.relpath(checkout, directory.resolve())
        found = [".", near]
    mypy_path = ":".join(f"$MYPY_CONFIG_FILE_DIR/{one}" for one in found[1:] if one)
    listed = ", ".join(f'"{one}"' for one in found if one)
    has_venv = checkout is not None and (checkout / ".venv").is_dir()
    return {
        "name": name,
        "distribution": name.replace("_", "-").strip("-"),
        "about": _ABOUT[turn_based],
        "checkout": near,
        "python": "$(GAMESERVER)/.venv/bin/python" if has_venv else "python3",
        "pythonpath": f"[{listed}]",
        "mypy_path": mypy_path or "$MYPY_CONFIG_FILE_DIR",
    }


def _checkout() -> Path | None:
    """Where gameserver's source lies, unless it is installed like any other package."""
    try:
        distribution("gameserver")
    except PackageNotFoundError:
        return Path(__file__).resolve().parents[2]
    return None


def _templates(directory: Traversable, path: Path) -> Iterator[tuple[Path, str]]:
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _templates(entry, path / entry.name)
        elif entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            yield path / (".gitignore" if name == "gitignore" else name), entry.read_text()


def _render(text: str, words: dict[str, str]) -> str:
    return _WORD.sub(lambda found: words[found[1]], text)
