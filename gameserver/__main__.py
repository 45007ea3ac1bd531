"""``python -m gameserver VERB``; ``--help`` lists them."""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence

import msgspec
import uvloop

from gameserver import healthcheck
from gameserver.adapters import json_log
from gameserver.adapters.http_endpoints import openapi
from gameserver.app.root import App
from gameserver.cli import certificate, maintenance, matchmaking, new, replay
from gameserver.config import Config, load, redacted
from gameserver.errors import ConfigError, Unavailable
from gameserver.game.loader import load_games
from gameserver.game.testkit import Broken, check

logger = logging.getLogger("gameserver")

EXIT_FAILED = 1
EXIT_USAGE = 2
STEPS_MAX = 1_000_000
_GAME = "NAME|MODULE:CLASS"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 1 failed, 2 wrong settings or usage."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except ConfigError as error:
        print(f"gameserver: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Unavailable as error:
        print(f"gameserver: {error}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        # Most often a port that is taken or a certificate file that cannot be read.
        print(f"gameserver: {error}", file=sys.stderr)
        return EXIT_FAILED


def parser() -> argparse.ArgumentParser:
    """All verbs and their options; argparse itself exits with 2 on wrong usage."""
    top = argparse.ArgumentParser(
        prog="gameserver",
        description="Authoritative real-time matches. Settings are GAMESERVER_* variables; "
        "docs/configuration.md lists them.",
    )
    verbs = top.add_subparsers(required=True, metavar="VERB")
    for name, command, meaning in (
        ("run", _run, "serve until SIGTERM"),
        ("config", _config, "print the settings in force, without secrets"),
        ("openapi", _openapi, "print the OpenAPI document of the HTTP API"),
        ("healthcheck", _healthcheck, "exit 0 if the server on this machine is alive"),
        ("games", _games, "list games: those of GAMESERVER_GAMES, or the ones named"),
        ("check", _check, "play games with random inputs and report what is wrong with them"),
    ):
        verb = verbs.add_parser(name, help=meaning, description=meaning)
        verb.set_defaults(command=command)
        if name in ("run", "config"):
            verb.add_argument(
                "--game",
                action="append",
                metavar=_GAME,
                help="offer this game instead of GAMESERVER_GAMES (may be given several times)",
            )
        if name in ("games", "check"):
            verb.add_argument(
                "game",
                nargs="*" if name == "games" else "+",
                metavar=_GAME,
                help="one or more: a name, or where the class is",
            )
        if name == "check":
            verb.add_argument("--steps", type=_steps, default=2_000, help="default: %(default)s")
            verb.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    new.add_to(verbs)
    certificate.add_to(verbs)
    maintenance.add_to(verbs)
    matchmaking.add_to(verbs)
    replay.add_to(verbs)
    return top


def _steps(text: str) -> int:
    value = int(text)
    if not 1 <= value <= STEPS_MAX:
        raise argparse.ArgumentTypeError(f"{value} is not within 1 to {STEPS_MAX}")
    return value


def _settings(arguments: argparse.Namespace) -> Config:
    config = load(os.environ)
    if getattr(arguments, "game", None):
        config = msgspec.structs.replace(config, games=tuple(arguments.game))
    return config


def _run(arguments: argparse.Namespace) -> int:
    config = _settings(arguments)
    json_log.configure("gameserver", config.log_level)
    logger.info("starting", extra={"settings": redacted(config)})
    uvloop.run(_serve(config))
    return 0


async def _serve(config: Config) -> None:
    async with App(config, node_name=f"{socket.gethostname()}-{os.getpid()}") as app:
        await app.run()


def _config(arguments: argparse.Namespace) -> int:
    print(json.dumps(redacted(_settings(arguments)), indent=2))
    return 0


def _openapi(arguments: argparse.Namespace) -> int:
    sys.stdout.write(openapi().decode())
    return 0


def _games(arguments: argparse.Namespace) -> int:
    for name, game in load_games(arguments.game or load(os.environ).games).items():
        rate = f"{game.tick_rate} Hz" if game.tick_rate else "turn-based"
        print(f"{name:20} {rate:12} modes: {', '.join(game.modes)}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """The test kit from the command line: every mode of every game named."""
    broken = 0
    for game in load_games(arguments.game).values():
        for mode in game.modes:
            try:
                report = check(
                    type(game),
                    mode=mode,
                    seed=arguments.seed,
                    steps=arguments.steps,
                    timer=time.perf_counter,
                )
            except Broken as error:
                broken += 1
                print(f"✗ {game.name} {mode}: {error}")
            else:
                print(
                    f"✓ {game.name} {mode}: {report.steps} steps, {report.inputs} inputs, "
                    f"{report.events} events, view up to {report.view_bytes_max} bytes, "
                    f"state up to {report.state_bytes_max}, {report.steps_per_s:,.0f} steps/s"
                )
    return EXIT_FAILED if broken else 0


def _healthcheck(arguments: argparse.Namespace) -> int:
    return healthcheck.main()


if __name__ == "__main__":
    sys.exit(main())
