"""Finds games by name: bundled, installed as a plug-in, or anywhere on the import path."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points

from gameserver.errors import ConfigError
from gameserver.game.contract import AnyGame
from gameserver.game.validate import problems

ENTRY_POINT_GROUP = "gameserver.games"

_BUNDLED = {
    "arena": "gameserver.games.arena:Arena",
    "liars_dice": "gameserver.games.liars_dice:LiarsDice",
    "echo": "gameserver.games.echo:Echo",
}


def load_games(names: Iterable[str]) -> dict[str, AnyGame]:
    """The games of ``names``, checked and ready to play, by their own names.

    A name is that of a bundled game, that of an installed one (entry point group
    ``gameserver.games``), or ``module:Class``. Raises ``ConfigError`` that says what to do.
    """
    games: dict[str, AnyGame] = {}
    for name in names:
        game = load_game(name)
        other = games.get(game.name)
        if other is not None and type(other) is not type(game):
            raise ConfigError(
                f"game {name!r}: {_path(type(other))} and {_path(type(game))} are both named "
                f"{game.name!r}; rename one or leave it out"
            )
        games[game.name] = game
    return games


def load_game(name: str) -> AnyGame:
    """One game; see ``load_games``."""
    found = _import(name, target_of(name))
    wrong = problems(found)
    if wrong:
        raise ConfigError(f"game {name!r}: {found!r} cannot be played:" + _listed(wrong))
    try:
        game: AnyGame = found()
    except Exception as error:  # an author's __init__ may raise anything
        raise ConfigError(
            f"game {name!r}: {_path(found)}() failed with {error!r}; a game is made without "
            "arguments, and what it needs belongs into its State"
        ) from error
    return game


def target_of(name: str) -> str:
    """``module:Class`` of a game's name. Raises ``ConfigError``."""
    if ":" in name:
        return name
    if name in _BUNDLED:
        return _BUNDLED[name]
    installed = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name in installed:
        return installed[name]
    known = ", ".join(sorted({*_BUNDLED, *installed}))
    raise ConfigError(f"game {name!r} is not known: name one of {known}, or give module:Class")


def _import(name: str, target: str) -> type[AnyGame]:
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute.isidentifier():
        raise ConfigError(f"game {name!r}: write module:Class, such as mygames.chess:Chess")
    try:
        module = import_module(module_name)
    except Exception as error:  # importing runs the author's code, which may raise anything
        raise ConfigError(
            f"game {name!r}: module {module_name!r} cannot be imported ({error!r}); "
            "is it installed, or its directory on PYTHONPATH?"
        ) from error
    found: type[AnyGame] | None = getattr(module, attribute, None)
    if found is None:
        raise ConfigError(f"game {name!r}: module {module_name!r} has no class {attribute!r}")
    return found


def _path(found: type[AnyGame]) -> str:
    return f"{found.__module__}:{found.__qualname__}"


def _listed(wrong: list[str]) -> str:
    return "".join(f"\n  - {line}" for line in wrong)
