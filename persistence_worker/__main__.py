"""``python -m persistence_worker COMMAND``; ``--help`` lists them.

Exit codes: 0 done · 1 a service did not answer, or something failed · 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from persistence_worker import cli_dlq, log
from persistence_worker.config import DATABASE, DATABASES, QUEUES, Config, load, redacted
from persistence_worker.errors import ConfigError, UsageError, WorkerError

if TYPE_CHECKING:
    from persistence_worker.commands import Said

logger = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_USAGE = 2
HEALTHCHECK_S = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        config = load(os.environ, required=arguments.required)
        return int(arguments.command(arguments, config))
    except (ConfigError, UsageError) as error:
        return _fail(str(error), EXIT_USAGE)
    except (WorkerError, OSError) as error:
        # OSError: most often a port that is taken.
        return _fail(str(error), EXIT_FAILED)
    except BaseExceptionGroup as group:
        logger.critical("ended by an error", exc_info=group)
        return _fail(f"ended by an error: {_cause(group)!r}", EXIT_FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_FAILED)


def _fail(message: str, code: int) -> int:
    print(f"persistence_worker: error: {message}", file=sys.stderr)
    return code


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, however deep."""
    first = group.exceptions[0]
    return _cause(first) if isinstance(first, BaseExceptionGroup) else first


def parser() -> argparse.ArgumentParser:
    """All commands and their options; argparse itself exits with 2 on wrong usage."""
    top = argparse.ArgumentParser(
        prog="persistence_worker",
        description="Drains key events from SQS into PostgreSQL. Settings are WORKER_* variables; "
        "docs/worker.md lists them.",
    )
    verbs = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Any, required: tuple[str, ...], meaning: str) -> Any:
        verb = verbs.add_parser(name, help=meaning, description=meaning)
        verb.set_defaults(command=command, required=required)
        return verb

    add("run", _run, QUEUES + DATABASE, "drain the queue until SIGTERM")
    goal = add("migrate", _migrate, DATABASE, "bring the database's schema up to date")
    goal = goal.add_mutually_exclusive_group()
    goal.add_argument("--to", metavar="REV", default="head", help="a revision, head, or base")
    goal.add_argument(
        "--down",
        dest="to",
        action="store_const",
        const="-1",
        help="one revision down; what only the newer schema holds is dropped",
    )
    add("maintain", _maintain, DATABASE, "partitions ahead, retention, matches not yet counted")
    add("rebuild", _rebuild, DATABASE, "count players, ratings and boards anew; workers wait")
    carry = add("carry", _carry, DATABASES, "store what another database holds and this one lacks")
    carry.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        default=datetime(1, 1, 1, tzinfo=UTC),
        help="only what was stored there since, like 2026-11-26T10:00Z; an hour early does no harm",
    )
    compare = add("compare", _compare, DATABASES, "whether two databases hold the same rows")
    for verb in (carry, compare):
        verb.add_argument("--json", action="store_true", help="for programs")
    anew = add("rewrap", _rewrap, DATABASE, "wrap data keys anew under another KMS key")
    anew.add_argument("--to", metavar="KEY", help="id, ARN or alias; default WORKER_KMS_KEY_ID")
    anew.add_argument(
        "--older-than",
        type=cli_dlq.age,
        metavar="AGE",
        default=timedelta(0),
        help="only what was wrapped longer ago than 90s, 15m, 2h, 3d, …",
    )
    anew.add_argument("--dry-run", action="store_true", help="only count them")
    letters = add(
        "dlq", None, (), "dead letters, in their queue and parked: look, redrive, discard"
    )
    cli_dlq.add_verbs(letters, command=_dlq)
    export = add("recording", _recording, DATABASE, "write the recording of a match as JSON Lines")
    export.add_argument("match", metavar="MATCH")
    export.add_argument("--out", metavar="FILE", help="default: standard output")
    export.add_argument("--open", action="store_true", help="open what is sealed; needs KMS")
    add("config", _config, (), "print the settings in force, without secrets")
    add("healthcheck", _healthcheck, (), "exit 0 if the worker on this machine is alive")
    return top


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 2026-11-26T10:00Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} names no time zone; add Z for UTC")
    return moment


# The commands import what they need: `healthcheck` is called every few seconds, and the libraries
# for AWS and migrations take a second of CPU to load.


def _run(_: argparse.Namespace, config: Config) -> int:
    import uvloop

    from persistence_worker.service import run

    log.configure(config.log_level)
    return uvloop.run(run(config))


def _migrate(arguments: argparse.Namespace, config: Config) -> int:
    from persistence_worker.databases import password_of
    from persistence_worker.migrate import migrate

    done = asyncio.run(
        migrate(
            config.postgres_dsn,
            to=arguments.to,
            connect_s=config.postgres_connect_ms / 1000,
            password=password_of(config),
        )
    )
    before, after = done.before or "empty", done.after or "empty"
    print(f"schema at {after}" if before == after else f"schema from {before} to {after}")
    return 0


def _maintain(_: argparse.Namespace, config: Config) -> int:
    from persistence_worker import commands

    return _say(commands.maintain(config))


def _rebuild(_: argparse.Namespace, config: Config) -> int:
    from persistence_worker import commands

    return _say(commands.rebuild(config))


def _carry(arguments: argparse.Namespace, config: Config) -> int:
    from persistence_worker import commands

    return _say(commands.carry(config, since=arguments.since, json=arguments.json))


def _compare(arguments: argparse.Namespace, config: Config) -> int:
    from persistence_worker import commands

    return _say(commands.compare(config, json=arguments.json))


def _rewrap(arguments: argparse.Namespace, config: Config) -> int:
    from persistence_worker import commands

    under = arguments.to or config.kms_key_id
    if not under:
        raise UsageError("name a key with --to, or set WORKER_KMS_KEY_ID")
    work = commands.rewrap(
        config, under=under, older_than=arguments.older_than, dry_run=arguments.dry_run
    )
    return _say(work)


def _say(command: Coroutine[Any, Any, Said]) -> int:
    text, well = asyncio.run(command)
    print(text)
    return 0 if well else EXIT_FAILED


def _dlq(arguments: argparse.Namespace, config: Config) -> int:
    return asyncio.run(cli_dlq.run(arguments, config))


def _recording(arguments: argparse.Namespace, config: Config) -> int:
    from persistence_worker.recordings import read_lines

    lines = asyncio.run(read_lines(config, arguments.match, opened=arguments.open))
    with open(arguments.out, "wb") if arguments.out else nullcontext(sys.stdout.buffer) as file:
        file.writelines(lines)
        file.flush()
    return 0


def _config(_: argparse.Namespace, config: Config) -> int:
    print(msgspec.json.format(msgspec.json.encode(redacted(config)), indent=2).decode())
    return 0


def _healthcheck(_: argparse.Namespace, config: Config) -> int:
    host = "127.0.0.1" if config.http_host in ("0.0.0.0", "::", "") else config.http_host
    connection = http.client.HTTPConnection(host, config.http_port, timeout=HEALTHCHECK_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return _fail(f"no answer from {host}:{config.http_port}: {error}", EXIT_FAILED)
    finally:
        connection.close()
    return 0 if status == 200 else _fail(f"/healthz answered {status}", EXIT_FAILED)


if __name__ == "__main__":
    sys.exit(main())
