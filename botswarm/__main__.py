"""``python -m botswarm``: run a swarm, or check a run against PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

import msgspec
import uvloop
from rich.console import Console

from botswarm import check, ledger, pauses, processes
from botswarm.brain import load_brains
from botswarm.cli import CheckCommand, Command, parse_check, parse_run
from botswarm.processes import Outcome
from botswarm.progress import Display
from botswarm.report import Report, make_report, render
from botswarm.settings import shares
from botswarm.swarm import check_url, tls_context
from botswarm.tokens import load_tokens
from gameserver.errors import ConfigError

PASSED, FAILED, WRONG, INVALID, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["check"]:
            return _check(parse_check(given[1:]))
        return _run(parse_run(given))
    except ConfigError as error:
        print(f"botswarm: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(command: Command) -> int:
    settings = command.settings
    # What can be wrong is found before the first token is asked for.
    check_url(settings)
    tls_context(settings)
    load_brains(settings.game, kind=settings.brain, format=settings.format, seed=settings.seed)
    tokens = load_tokens(command.tokens, settings.bots)
    outcome = uvloop.run(_swarm(command, tokens))
    report = make_report(
        outcome,
        settings=settings,
        limits=command.limits,
        allow_saturation=command.allow_saturation,
    )
    _write(command, report, outcome)
    if report.interrupted:
        return INTERRUPTED
    if not report.valid:
        return INVALID
    return PASSED if report.passed else FAILED


async def _swarm(command: Command, tokens: list[str]) -> Outcome:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        """The first asks for a partial report, the second ends the process at once."""
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    parts = shares(command.settings, tokens, processes=command.processes)
    console = Console(stderr=True)
    with Display(console, bots=command.settings.bots, quiet=command.quiet) as display:
        return await processes.run(parts, watch=display, stop=stop)


def _write(command: Command, report: Report, outcome: Outcome) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=2)
    try:
        if command.report is not None:
            command.report.write_bytes(encoded + b"\n")
        if command.ledger is not None:
            ledger.write(command.ledger, outcome.ledger.lines())
        if command.pauses is not None:
            header = pauses.Header(
                over_ms=command.settings.pause_s * 1000,
                bots=command.settings.bots,
                uncounted=outcome.pauses_uncounted,
            )
            pauses.write(command.pauses, header, outcome.pauses)
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be written ({error.strerror})") from error
    if command.json:
        print(encoded.decode())
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(render(report))


def _check(command: CheckCommand) -> int:
    work = check.check(command.ledger, dsn=command.postgres, wait_s=command.wait_s)
    comparison = uvloop.run(work)
    print(check.describe(comparison))
    return PASSED if comparison.equal else FAILED


if __name__ == "__main__":
    sys.exit(main())
