"""``python -m gameserver.devstack.node``: a game server with what only its author should have.

It is the same node as ``python -m gameserver run`` and takes the same settings, plus hot reload
(``--reload``) and simulated bad connections (``--latency-ms`` …; a client may also ask for its own,
by the URL). No ``GAMESERVER_*`` setting turns either on, and this program refuses to start where it
could be reached from elsewhere: it listens on the loopback address only, and not on Amazon ECS.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from gameserver.adapters import json_log
from gameserver.adapters.network_sim import Conditions, NetworkSimulation
from gameserver.app.root import App
from gameserver.config import Config, load, redacted
from gameserver.devstack.options import Options
from gameserver.devstack.reload import Reloader, appending_to
from gameserver.errors import ConfigError, Unavailable
from gameserver.game.loader import load_game

logger = logging.getLogger(__name__)

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def parse(argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="gameserver.devstack.node", description=__doc__)
    parser.add_argument(
        "--reload",
        type=Path,
        metavar="LOG",
        help="reload games when their source changes, and say in this file what came of it",
    )
    parser.add_argument(
        "--end-unfit",
        action="store_true",
        help="end matches whose state does not fit new rules; else they keep the old ones",
    )
    names = Conditions.__struct_fields__
    for name in names:
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=float, default=0.0, help="of sessions that ask for no other")
    options = parser.parse_args(argv)
    try:
        conditions = msgspec.convert(
            {name: getattr(options, name) for name in names}, type=Conditions
        )
    except msgspec.ValidationError as error:
        parser.error(str(error))
    return Options(reload_log=options.reload, end_unfit=options.end_unfit, conditions=conditions)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 failed, 2 wrong settings."""
    options = parse(argv)
    try:
        config = load(os.environ)
        check_is_private(config)
        json_log.configure("gameserver", config.log_level)
        logger.warning("starting for development", extra={"settings": redacted(config)})
        uvloop.run(_serve(config, options))
    except ConfigError as error:
        print(f"gameserver: {error}", file=sys.stderr)
        return 2
    except (Unavailable, OSError) as error:
        print(f"gameserver: {error}", file=sys.stderr)
        return 1
    return 0


def check_is_private(config: Config) -> None:
    """Raises ``ConfigError`` where players could be met."""
    for name in ("ws_host", "http_host"):
        if getattr(config, name) not in _LOOPBACK:
            raise ConfigError(
                f"a development node listens on 127.0.0.1 only, not on {getattr(config, name)} "
                f"(GAMESERVER_{name.upper()}); for players, take `python -m gameserver run`"
            )
    if config.ecs_metadata_uri or config.ecs_agent_uri:
        raise ConfigError("a development node does not run on Amazon ECS")


async def _serve(config: Config, options: Options) -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            App(
                config,
                node_name=f"{socket.gethostname()}-{os.getpid()}",
                network=NetworkSimulation(options.conditions),
            )
        )
        if options.reload_log is not None:
            reloader = Reloader(
                {load_game(name).name: name for name in config.games},
                partial(app.exchange, end_unfit=options.end_unfit),
                appending_to(options.reload_log),
                end_unfit=options.end_unfit,
            )
            task = asyncio.create_task(reloader.run())
            task.add_done_callback(_ended)
            stack.callback(task.cancel)
        await app.run()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("hot reload has ended", exc_info=error)


if __name__ == "__main__":
    sys.exit(main())
