"""``python -m gameserver.devstack run | swarm | clean``: behind the verbs of the Makefile."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from gameserver.devstack import settings as stack_settings
from gameserver.devstack.postgres import Postgres, dsn_at
from gameserver.devstack.process import DevstackError, port_is_taken
from gameserver.devstack.run import only_one, run
from gameserver.devstack.stack import DATABASE

FLAGS = {
    "--latency-ms": "LATENCY_MS",
    "--jitter-ms": "JITTER_MS",
    "--stall-percent": "STALL_PERCENT",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="gameserver.devstack", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("verb", choices=("run", "swarm", "clean"))
    parser.add_argument(
        "--game",
        action="append",
        metavar="NAME|MODULE:CLASS|DIRECTORY",
        help="run: what is played (may be given several times); default: GAMES or GAME",
    )
    for name, variable in FLAGS.items():
        parser.add_argument(name, metavar=variable, help=f"run: the same as {variable}=")
    parser.add_argument("--reload", action="store_true", help="run: the same as RELOAD=1")
    options, rest = parser.parse_known_args(argv)
    if options.verb == "swarm" and options.game:  # A word of the swarm's too.
        rest = [word for name in options.game for word in ("--game", name)] + rest
    if rest and options.verb != "swarm":
        parser.error(f"unknown: {' '.join(rest)}")
    try:
        match options.verb:
            case "run":
                return run(_environ(options), games=options.game or ())
            case "swarm":
                return swarm(os.environ, rest)
            case _:
                return clean(os.environ)
    except DevstackError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _environ(options: argparse.Namespace) -> dict[str, str]:
    """The environment, with what was said on the command line over it."""
    flags = {variable: getattr(options, variable.lower()) for variable in FLAGS.values()}
    given = {variable: value for variable, value in flags.items() if value is not None}
    return {**os.environ, **given, **({"RELOAD": "1"} if options.reload else {})}


def swarm(environ: Mapping[str, str], arguments: list[str]) -> int:
    """Send a bot swarm to the running stack, then hold what the bots were told against PostgreSQL.

    ``arguments`` come after ours, and so win."""
    settings = stack_settings.from_environ(environ)
    if not port_is_taken(settings.ports["page"]):
        raise DevstackError(
            f"Nothing answers at {settings.page_url}/: start the stack first, with `make run` in "
            "another terminal."
        )
    command = [sys.executable, "-m", "botswarm", "--url", settings.ws_url]
    ledger = settings.directory / "ledger.jsonl"
    command += ["--tokens", f"{settings.page_url}/dev/tokens", "--ledger", str(ledger)]
    # Everything is on one machine here: the verdict is about what was promised, not about speed.
    command += ["--allow-saturation"]
    played = subprocess.run([*command, *arguments], check=False).returncode
    if "--ledger" in arguments or not ledger.exists():
        return played
    print("\nWhat the bots were told, and what PostgreSQL holds:", flush=True)
    stored = dsn_at(settings.ports["postgres"], DATABASE)
    check = [sys.executable, "-m", "botswarm", "check", "--ledger", str(ledger)]
    held = subprocess.run([*check, "--postgres", stored, "--wait", "60"], check=False).returncode
    return played or held


def clean(environ: Mapping[str, str]) -> int:
    """Remove logs and data, wherever PostgreSQL's had to be put."""
    settings = stack_settings.from_environ(environ)
    if not settings.directory.exists():
        return 0
    with only_one(settings.directory):
        postgres = Postgres(port=1, data=settings.data / "postgres", log=settings.logs / "clean")
        shutil.rmtree(postgres.base, ignore_errors=True)
        shutil.rmtree(settings.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
