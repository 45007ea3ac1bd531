"""``python -m gameserver matchmaking simulate RULES``: try a rule set before it goes live.

RULES is a file (TOML or JSON), or ``GAME/MODE`` with a game as ``check`` takes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from gameserver.errors import ConfigError
from gameserver.game.loader import load_game
from gameserver.game.matchmaking import Rules
from gameserver.lobby.crowd import Crowd
from gameserver.lobby.plot import plot
from gameserver.lobby.simulate import Simulation, Summary, summary

PLAYERS_MAX = 1_000_000
_DEFAULT = Crowd()


def add_to(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb and its own verb."""
    meaning = "try a rule set of matchmaking under a simulated crowd"
    verb = verbs.add_parser("matchmaking", help=meaning)
    what = verb.add_subparsers(required=True, metavar="simulate")
    simulate = what.add_parser("simulate", help=meaning, description=__doc__)
    simulate.add_argument("rules", metavar="RULES", help="a file, TOML or JSON; or GAME/MODE")
    simulate.add_argument(
        "--players", type=_players, default=_DEFAULT.players, help="players in all"
    )
    simulate.add_argument(
        "--rate",
        type=_positive,
        default=_DEFAULT.rate,
        help="players who come each second, on average over the day",
    )
    simulate.add_argument("--seed", type=int, default=_DEFAULT.seed, help="of the crowd")
    for name, kind, default, meaning in (
        ("--deviation", _positive, _DEFAULT.skill_deviation, "of skill, in points"),
        ("--patience", _positive, _DEFAULT.patience_s, "mean, s"),
        ("--parties", _share, _DEFAULT.party_share, "share of tickets, 0 to 1"),
        ("--decline", _share, _DEFAULT.decline_share, "share of ready checks, 0 to 1"),
        ("--leave", _share, _DEFAULT.leave_share, "share of players before it begins, 0 to 1"),
    ):
        simulate.add_argument(name, type=kind, default=default, help=meaning)
    simulate.add_argument("--out", type=Path, metavar="DIR", help="write report.json and plot.svg")
    simulate.add_argument("--json", action="store_true", help="print the figures as JSON")
    simulate.set_defaults(command=_simulate)


def load_rules(name: str) -> Rules:
    """Raises ``ConfigError`` that says what is wrong with them."""
    if name.endswith((".toml", ".json")):
        try:
            text = Path(name).read_bytes()
            if name.endswith(".json"):
                return msgspec.json.decode(text, type=Rules)
            return msgspec.toml.decode(text, type=Rules)
        except OSError as error:
            raise ConfigError(f"{name}: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise ConfigError(f"{name}: {error}") from None
    game_name, _, mode_name = name.partition("/")
    game = load_game(game_name)
    mode = game.modes.get(mode_name or next(iter(game.modes)))
    if mode is None or mode.matchmaking is None:
        having = [m for m, each in game.modes.items() if each.matchmaking is not None]
        listed = ", ".join(having) or "none"
        raise ConfigError(f"{name}: modes of {game.name} with matchmaking: {listed}")
    return mode.matchmaking


def _simulate(arguments: argparse.Namespace) -> int:
    rules = load_rules(arguments.rules)
    crowd = Crowd(
        players=arguments.players,
        rate=arguments.rate,
        seed=arguments.seed,
        skill_deviation=arguments.deviation,
        patience_s=arguments.patience,
        party_share=arguments.parties,
        decline_share=arguments.decline,
        leave_share=arguments.leave,
    )
    run = Simulation(rules, crowd).run()
    found = summary(run, rules)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        report = msgspec.json.format(msgspec.json.encode(found), indent=2)
        (arguments.out / "report.json").write_bytes(report + b"\n")
        title = f"{Path(arguments.rules).name}: {crowd.players:,} players at {crowd.rate:g}/s"
        (arguments.out / "plot.svg").write_text(plot(run, title))
    print(msgspec.json.encode(found).decode() if arguments.json else told(found))
    return 0


def told(found: Summary) -> str:
    """The figures for people."""
    lines = [f"{'tickets':34}{'count':>8}{'p50 s':>8}{'p90 s':>8}{'p99 s':>8}{'gave up':>9}"]
    lines += [
        f"{line.group:34}{line.tickets:>8,}{line.p50_s:>8.1f}{line.p90_s:>8.1f}{line.p99_s:>8.1f}"
        f"{line.gave_up:>9.1%}"
        for line in found.lines
    ]
    lines += [
        "",
        f"{found.matches:,} matches of {found.players_per_match:.1f} players",
        f"spread of skill in a match: mean {found.spread_mean:.0f}, p90 {found.spread_p90:.0f}",
        f"gap between teams' means: mean {found.gap_mean:.0f}, p90 {found.gap_p90:.0f}",
        f"backfills: {found.backfills:.1%} of all; {found.seats_offered:,} seats were offered",
        f"ready checks that failed: {found.declined_checks:,}",
    ]
    return "\n".join(lines)


def _players(text: str) -> int:
    value = int(text)
    if not 1 <= value <= PLAYERS_MAX:
        raise argparse.ArgumentTypeError(f"{value} is not within 1 to {PLAYERS_MAX:,}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 to 1")
    return value
