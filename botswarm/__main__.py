"""``python -m botswarm``: run a swarm, or check a run against PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import uvloop
from rich.console import Console

from botswarm import check, compare, ledger, page, pauses, processes, scenario
from botswarm.brain import load_brains
from botswarm.cli import (
    CheckCommand,
    Command,
    CompareCommand,
    parse_check,
    parse_compare,
    parse_run,
)
from botswarm.deploys import Deploys
from botswarm.processes import Outcome, Overview
from botswarm.progress import Display
from botswarm.report import Report, Story, make_report, render
from botswarm.settings import shares
from botswarm.swarm import check_url, tls_context
from botswarm.timeline import Timeline
from botswarm.tokens import load_tokens
from gameserver.errors import ConfigError

PASSED, FAILED, WRONG, INVALID, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["check"]:
            return _check(parse_check(given[1:]))
        if given[:1] == ["compare"]:
            return _compare(parse_compare(given[1:]))
        if given == ["scenarios"]:
            return _list_scenarios()
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
    outcome, story = uvloop.run(_swarm(command, tokens))
    report = make_report(
        outcome,
        settings=settings,
        limits=command.limits,
        story=story,
        allow_saturation=command.allow_saturation,
    )
    _write(command, report, outcome)
    if report.interrupted:
        return INTERRUPTED
    if not report.valid:
        return INVALID
    return PASSED if report.passed else FAILED


async def _swarm(command: Command, tokens: list[str]) -> tuple[Outcome, Story]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        """The first asks for a partial report, the second ends the process at once."""
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    settings = command.settings
    parts = shares(settings, tokens, processes=command.processes)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    timeline = Timeline(settings)
    display = Display(
        Console(stderr=True),
        bots=settings.bots,
        quiet=command.quiet,
        title=f"{settings.game} {command.scenario}".strip(),
        span_s=settings.duration_s,
        happenings=settings.happenings,
    )
    deploys = Deploys(settings.happenings, command=command.deploy, say=display.say)

    def watch(overview: Overview) -> None:
        for each in (timeline, deploys, display):
            each(overview)

    with display, deploys:
        try:
            outcome = await processes.run(parts, watch=watch, stop=stop)
        finally:
            await deploys.close()
    marks = sorted([*timeline.marks(settings.happenings), *deploys.marks], key=lambda m: m.at_s)
    return outcome, Story(
        started=started,
        scenario=command.scenario,
        expect=command.expect,
        marks=marks,
        timeline=timeline.points,
        deploys=len(deploys.wanted),
        deployed=deploys.done,
    )


def _write(command: Command, report: Report, outcome: Outcome) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=2)
    try:
        if command.report is not None:
            command.report.write_bytes(encoded + b"\n")
        if command.html is not None:
            command.html.write_text(page.render(report), encoding="utf-8")
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


def _compare(command: CompareCommand) -> int:
    first, second = compare.read(command.first), compare.read(command.second)
    found = compare.compare(first, second, compare.Tolerance(share=command.tolerance))
    if command.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(compare.render(found))
    if found.doubts and not command.loosely:
        return INVALID
    return FAILED if found.worse else PASSED


def _list_scenarios() -> int:
    for name in scenario.shipped():
        print(f"{name:16} {scenario.load(name).about}")
    return PASSED


if __name__ == "__main__":
    sys.exit(main())
