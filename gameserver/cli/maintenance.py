"""``python -m gameserver maintenance on|off|status``: by way of Redis, with the server's settings.

It asks no node: it works while none runs, or none can be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import re
import socket
from datetime import UTC, datetime, timedelta

from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.wall_clock import WallClock
from gameserver.config import Config, load
from gameserver.maintenance import Maintenance, Notice, begun, shown
from gameserver.metrics import Metrics
from gameserver.ports import Directory

_AHEAD = re.compile(r"\+(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_to(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb and its own verbs."""
    meaning = "turn maintenance of the whole cluster on or off, or show it"
    verb = verbs.add_parser(
        "maintenance",
        help=meaning,
        description="While maintenance is on, no match is opened and no new seat is given; what "
        "runs plays on. docs/maintenance.md says more.",
    )
    what = verb.add_subparsers(required=True, metavar="on|off|status")
    on = what.add_parser("on", help="turn it on, or change what players are told")
    on.add_argument("--message", required=True, type=message, help="one line for the players")
    on.add_argument(
        "--until",
        type=until_ms,
        metavar="TIME",
        help="when it is expected to be over: 2026-01-31T18:00+01:00 (without an offset: UTC), or "
        "+45m, +2h, +1d from now; it is ended by `off` all the same",
    )
    off = what.add_parser("off", help="turn it off")
    status = what.add_parser("status", help="show it")
    for each, verb_of in ((on, _turn_on), (off, _turn_off), (status, _read)):
        each.add_argument("--json", action="store_true", help="print the state as JSON")
        each.set_defaults(command=_command, verb=verb_of)


def message(text: str) -> str:
    """``text``, if players can be told so. Raises ``ArgumentTypeError``."""
    try:
        return Notice(message=text).message
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def until_ms(text: str) -> int:
    """A time to come, in ms since the Unix epoch. Raises ``ArgumentTypeError``."""
    now = datetime.now(UTC)
    ahead = _AHEAD.fullmatch(text)
    try:
        if ahead is not None:
            then = now + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
        else:
            then = datetime.fromisoformat(text)
            then = then.replace(tzinfo=then.tzinfo or UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 2026-01-31T18:00+01:00, or +45m, +2h, +1d"
        ) from None
    if then <= now:
        raise argparse.ArgumentTypeError(f"{text} lies in the past")
    return int(then.timestamp() * 1000)


def _command(arguments: argparse.Namespace) -> int:
    """Raises ``ConfigError``, or ``StoreUnavailable`` where Redis does not answer."""
    maintenance = asyncio.run(_run(arguments, load(os.environ)))
    if arguments.json:
        print(json.dumps(shown(maintenance), ensure_ascii=False))
    else:
        print(_told(maintenance))
    return 0


async def _run(arguments: argparse.Namespace, config: Config) -> Maintenance | None:
    clock = WallClock()
    async with RedisDirectory.connect(config, clock=clock, metrics=Metrics()) as directory:
        found: Maintenance | None = await arguments.verb(arguments, directory, clock.wall_ms())
        return found


async def _turn_on(
    arguments: argparse.Namespace, directory: Directory, now_ms: int
) -> Maintenance | None:
    notice = Notice(message=arguments.message, until_ms=arguments.until)
    earlier = await directory.maintenance()
    wanted = begun(notice, earlier=earlier, by=_operator(), now_ms=now_ms)
    await directory.set_maintenance(wanted)
    return wanted


async def _turn_off(_: argparse.Namespace, directory: Directory, now_ms: int) -> Maintenance | None:
    await directory.set_maintenance(None)
    return None


async def _read(_: argparse.Namespace, directory: Directory, now_ms: int) -> Maintenance | None:
    return await directory.maintenance()


def _operator() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # A container's user need not have a name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _told(maintenance: Maintenance | None) -> str:
    if maintenance is None:
        return "Maintenance is off."
    until = "" if maintenance.until_ms is None else f", until about {_time(maintenance.until_ms)}"
    return (
        f"Maintenance is on since {_time(maintenance.since_ms)}{until}, by {maintenance.by}.\n"
        f"Players are told: {maintenance.message}"
    )


def _time(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(" ", "seconds")
