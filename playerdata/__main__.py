"""``python -m playerdata erase PLAYER [--dry-run] | export PLAYER --out FILE``.

One command for all stores of server and worker; it takes the settings of both, ``GAMESERVER_*`` and
``WORKER_*``. It may be cut short and repeated. docs/privacy.md says what goes and what stays.

Exit codes: 0 done everywhere · 1 a store was not reached, or is in use: repeat it · 2 wrong usage
or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gameserver.config import Config as ServerConfig
from gameserver.config import load as load_server
from gameserver.errors import ConfigError as ServerConfigError
from gameserver.errors import Unavailable as ServerUnavailable
from persistence_worker.config import DATABASE, QUEUES, Config, load, need
from persistence_worker.errors import ConfigError, Unavailable
from playerdata.report import Outcome, Report, Step, told
from playerdata.stores import Store, running, stores

EXIT_FAILED = 1
EXIT_USAGE = 2
PLAYER_CHARS_MAX = 128
_AWAY = (Unavailable, ServerUnavailable, OSError)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        worker = load(os.environ, required=QUEUES + DATABASE)
        if arguments.command is _erase:
            need(worker, ("erasure_key",))
        return int(asyncio.run(arguments.command(arguments, load_server(os.environ), worker)))
    except (ConfigError, ServerConfigError) as error:
        print(f"playerdata: error: {error}", file=sys.stderr)
        return EXIT_USAGE


def parser() -> argparse.ArgumentParser:
    """Both commands; argparse itself exits with 2 on wrong usage."""
    top = argparse.ArgumentParser(
        prog="playerdata", description="What the stores hold of one player: erase it, export it."
    )
    verbs = top.add_subparsers(required=True, metavar="COMMAND")
    erase = verbs.add_parser("erase", help="erase a player from all stores, store by store")
    erase.set_defaults(command=_erase)
    erase.add_argument("--dry-run", action="store_true", help="only say what is there")
    export = verbs.add_parser("export", help="write down all that is stored, opened")
    export.set_defaults(command=_export)
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new JSON file")
    for verb in (erase, export):
        verb.add_argument("player", type=_player, metavar="PLAYER", help="the id (Cognito's sub)")
        verb.add_argument("--json", action="store_true", help="print JSON")
    return top


def _player(text: str) -> str:
    if not (0 < len(text) <= PLAYER_CHARS_MAX and text.isprintable()):
        raise argparse.ArgumentTypeError(f"{text!r} is no player's id")
    return text


async def _erase(arguments: argparse.Namespace, server: ServerConfig, worker: Config) -> int:
    steps = [
        await _erase_one(store, arguments.player, dry_run=arguments.dry_run)
        for store in stores(server, worker)
    ]
    if not arguments.dry_run:
        steps.append(await _running(server, worker, arguments.player))
    return _say(Report(player=arguments.player, steps=steps), json=arguments.json)


async def _erase_one(store: Store, player: str, *, dry_run: bool) -> Step:
    try:
        counts = await (store.look(player) if dry_run else store.erase(player))
    except _AWAY as error:
        return _unreachable(store.name, error)
    outcome = Outcome.FOUND if dry_run else Outcome.DONE
    return Step(store=store.name, outcome=outcome, counts=counts)


async def _running(server: ServerConfig, worker: Config, player: str) -> Step:
    """Matches that go on with the player: what they hold goes when they end."""
    name = "matches"
    try:
        found = await running(server, worker, player)
    except _AWAY as error:
        return _unreachable(name, error)
    outcome = Outcome.PENDING if found else Outcome.DONE
    return Step(store=name, outcome=outcome, counts={"running": len(found)}, detail=" ".join(found))


async def _export(arguments: argparse.Namespace, server: ServerConfig, worker: Config) -> int:
    steps, found = [], {}
    for store in stores(server, worker):
        try:
            found[store.name] = await store.export(arguments.player)
        except _AWAY as error:
            steps.append(_unreachable(store.name, error))
            continue
        counts = _counts(found[store.name])
        steps.append(Step(store=store.name, outcome=Outcome.DONE, counts=counts))
    report = Report(player=arguments.player, steps=steps)
    manifest = {
        "player": arguments.player,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "complete": report.well,
        "stores": steps,
    }
    document = msgspec.json.encode({"manifest": manifest, "stores": found}, enc_hook=str)
    _write(arguments.out, msgspec.json.format(document, indent=2))
    return _say(report, json=arguments.json)


def _counts(found: Any) -> dict[str, int]:
    if isinstance(found, dict):
        return {name: len(rows) for name, rows in found.items()}
    return {"letters": len(found)}


def _write(path: Path, document: bytes) -> None:
    """For its owner's eyes only, and never over another file."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror}") from error
    with open(file, "wb") as out:
        out.write(document + b"\n")


def _unreachable(name: str, error: Exception) -> Step:
    return Step(store=name, outcome=Outcome.UNREACHABLE, counts={}, detail=str(error))


def _say(report: Report, *, json: bool) -> int:
    if json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print(told(report))
    return 0 if report.well else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
