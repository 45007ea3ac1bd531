"""``python -m gameserver.devstack.trial GAME``: load a game and play it for a moment, in a process
that may crash, hang or be killed in place of the server.

Exit code 0, or 1 with a few lines for the game's author: where, and what.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from gameserver.devstack.game_source import without_cached_bytecode
from gameserver.errors import ConfigError
from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_game
from gameserver.game.random_input import CannotGenerate
from gameserver.game.testkit import Broken, check

STEPS = 150
PLAYERS_MAX = 6
_OURS = Path(__file__).resolve().parents[1]


def main(argv: Sequence[str]) -> int:
    [name] = argv
    try:
        with without_cached_bytecode():
            game = load_game(name)
        _play(type(game))
    except (ConfigError, Broken) as error:
        print(explain(error))
        return 1
    except SystemExit:
        print("It ends the program (SystemExit): a module of a game only defines things.")
        return 1
    return 0


def _play(game: type[AnyGame]) -> None:
    for mode in game.modes:
        try:
            check(game, mode=mode, steps=STEPS, players=PLAYERS_MAX)
        except CannotGenerate:
            return  # Its own tests give the kit a `make_input`; here it is only loaded.


def explain(error: BaseException) -> str:
    """What is wrong, with the place in the author's own source where it can be told."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    said = "".join(traceback.format_exception_only(cause)).strip()
    if isinstance(cause, SyntaxError):
        return said
    frames = [
        frame
        for frame in traceback.extract_tb(cause.__traceback__)
        if not frame.filename.startswith("<") and not Path(frame.filename).is_relative_to(_OURS)
    ]
    if cause is error or not frames:
        return str(error)
    file = os.path.relpath(frames[-1].filename)
    if file.startswith(os.pardir):
        file = frames[-1].filename
    where = f'File "{file}", line {frames[-1].lineno}, in {frames[-1].name}'
    return f"{said}\n  {where}\n    {frames[-1].line}\n{error}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
