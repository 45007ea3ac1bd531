"""``python -m deploy.capacity``: how much is run for how many players, and what gives way first.

Without figures it also writes docs/capacity.md and its plot; with your own it only prints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import fields
from pathlib import Path

from bench.toolbox import Missing, venv_python
from deploy.capacity.document import PLAYERS, account, alone, document, plans, ways
from deploy.capacity.model import ARENA, MEANING, Game
from deploy.capacity.points import points

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "docs" / "capacity.md"
PLOT = ROOT / "docs" / "images" / "capacity.png"


def main(argv: list[str] | None = None) -> int:
    """See the module's text."""
    given = _parser().parse_args(argv)
    values = {one.name: getattr(given, one.name) for one in fields(Game)}
    game = Game(**{name: value for name, value in values.items() if value is not None})
    print(plans(given.players, game))
    print(ways(game))
    print(alone(given.players, game))
    print(account(given.players, game))
    print(f"a server's cycle: {game.cycle_us:.1f} µs; players of a server: {game.per_server}")
    if game == ARENA and given.players == PLAYERS:
        TARGET.write_text(document())
        print(f"wrote {TARGET.name}")
        draw(PLOT)
    return 0


def draw(target: Path) -> None:
    """The plot, by the Python that has matplotlib."""
    try:
        python = venv_python()
    except Missing as error:
        print(f"no plot: {error}")
        return
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "points.json"
        data.write_text(json.dumps(points()))
        script = Path(__file__).with_name("plot.py")
        subprocess.run([str(python), str(script), str(data), str(target)], check=True)
    print(f"wrote {target.name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.capacity", description=__doc__)
    for one in fields(Game):
        default = f"{getattr(ARENA, one.name):g}"
        parser.add_argument(
            f"--{one.name.replace('_', '-')}",
            type=_positive,
            metavar="N",
            help=f"{MEANING[one.name]} (the arena: {default})",
        )
    parser.add_argument(
        "--players", type=_players, default=PLAYERS, metavar="N,N", help="at the peak"
    )
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def _players(text: str) -> tuple[int, ...]:
    numbers = tuple(int(one) for one in text.split(","))
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("must be above 0")
    return numbers


if __name__ == "__main__":
    raise SystemExit(main())
