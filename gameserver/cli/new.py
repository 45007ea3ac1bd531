"""``python -m gameserver new NAME``: a game of one's own, with tests that pass."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from gameserver.scaffold.new import create


def add_to(verbs: Any) -> None:
    """Add the verb to the command line of ``gameserver``."""
    meaning = "make a directory with a game, its tests and what runs it"
    verb = verbs.add_parser("new", help=meaning, description=meaning)
    verb.add_argument("name", help="the game's and its package's, such as star_race")
    verb.add_argument(
        "--turn-based", action="store_true", help="turns with a clock, instead of 20 ticks a second"
    )
    verb.add_argument(
        "--in",
        dest="parent",
        type=Path,
        default=Path(),
        metavar="DIRECTORY",
        help="where to make it; default: here",
    )
    verb.set_defaults(command=new)


def new(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    made = create(arguments.name, parent=arguments.parent, turn_based=arguments.turn_based)
    near = Path(os.path.relpath(made))
    print(f"Made {near}/; the rules are in {near / arguments.name / 'game.py'}.")
    print(f"\n  cd {near}\n  make test    # they hold\n  make run     # play it\n")
    return 0
