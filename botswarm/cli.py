"""The command line: every number has its bounds, every error says what to do."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from botswarm.happening import Deploy, Happening
from botswarm.reading import WOKEN_MAX, Reading
from botswarm.report import Limits
from botswarm.scenario import check_steps, load
from botswarm.settings import BOTS_MAX, RATE_MAX, SECONDS_MAX, Settings
from gameserver.wire.codec import Format

EPILOG = """\
exit codes: 0 all limits kept, 1 a limit broken, 2 the command or its files are wrong,
3 invalid because the generator was saturated, 130 interrupted (with a report of what there was)

also: python -m botswarm scenarios       what --scenario knows by name
      python -m botswarm compare --help  compare the reports of two runs
      python -m botswarm check --help    compare a run's ledger with PostgreSQL"""
CONNECTS_PER_S = 150
"""The default ramp's pace: the server takes 200 connections a second from one address."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the command line asks for it."""

    settings: Settings
    limits: Limits
    scenario: str
    expect: list[str]
    deploy: str
    allow_saturation: bool
    tokens: str
    processes: int
    report: Path | None
    html: Path | None
    ledger: Path | None
    pauses: Path | None
    quiet: bool
    json: bool


class CompareCommand(msgspec.Struct, frozen=True, kw_only=True):
    """``botswarm compare``. ``loosely``: compare runs that are not alike as well."""

    first: Path
    second: Path
    tolerance: float
    loosely: bool
    json: bool


class CheckCommand(msgspec.Struct, frozen=True, kw_only=True):
    """``botswarm check``."""

    ledger: Path
    postgres: str
    wait_s: float


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not within {low} to {high}")
        return value

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if math.isnan(value) or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not within {low:g} to {high:g}")
        return value

    return parse


def _ws_url(text: str) -> str:
    if not text.startswith(("ws://", "wss://")):
        raise argparse.ArgumentTypeError(f"{text!r} must start with ws:// or wss://")
    return text


def run_parser() -> argparse.ArgumentParser:
    """The options of a run."""
    parser = argparse.ArgumentParser(
        prog="botswarm",
        description="Drives a game server with real clients and reports what they saw.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument_group("where").add_argument
    add("--url", type=_ws_url, default="ws://127.0.0.1:8080", help="default: %(default)s")
    add("--ca", default="", metavar="FILE", help="authority to trust for wss (PEM)")
    add(
        "--tokens",
        default="http://127.0.0.1:8000/dev/tokens",
        metavar="FILE|-|URL",
        help="one token a line, or a URL: POST URL?count=N (default: %(default)s)",
    )
    add = parser.add_argument_group("scenario").add_argument
    add("--scenario", metavar="NAME|FILE", help=_SCENARIO_HELP)
    add("--deploy", default="", metavar="COMMAND", help=_DEPLOY_HELP)
    add = parser.add_argument_group("what").add_argument
    add("--bots", type=_whole(1, BOTS_MAX), default=100, help="default: %(default)s")
    add("--game", default="arena", help="a game's name or module:Class (default: %(default)s)")
    add("--mode", default="", help="default: the game's first mode")
    add("--match", default="", help="join this match only")
    add("--brain", choices=("full", "scripted"), default="full", help=_BRAIN_HELP)
    add("--reading", choices=[each.value for each in Reading], default="auto", help=_READING_HELP)
    add("--rate", type=_number(0.01, RATE_MAX), help="inputs/s per bot (default: tick rate)")
    add("--format", choices=("msgpack", "json"), default="msgpack")
    add("--rejoin", action=argparse.BooleanOptionalAction, default=True, help=_REJOIN_HELP)
    add("--seed", type=_whole(0, 2**63 - 1), default=1, help="default: %(default)s")
    add = parser.add_argument_group("how long").add_argument
    add("--duration", type=_number(0.1, SECONDS_MAX), default=30.0, metavar="S", help=_TIME_HELP)
    add("--ramp", type=_number(0, SECONDS_MAX), metavar="S", help=_RAMP_HELP)
    add("--finish", type=_number(0, SECONDS_MAX), default=0.0, metavar="S", help=_FINISH_HELP)
    add("--processes", type=_whole(1, 256), default=1, help="default: %(default)s")
    _add_outputs(parser)
    _add_limits(parser)
    return parser


_SCENARIO_HELP = "what to do and what happens meanwhile; other options come before what it says"
_DEPLOY_HELP = "run where the scenario has a deploy (default: wait for SIGUSR1); no shell"
_EXPECT_HELP = "errors of this kind (a pattern) are reported, not judged; may be repeated"
_BRAIN_HELP = "full: play by what is seen; scripted: valid random inputs, the least CPU"
_READING_HELP = (
    "how sockets are read. woken: when something comes; polled: before an input is sent, the least "
    f"CPU; auto: polled with more than {WOKEN_MAX} bots per process (default)"
)
_REJOIN_HELP = "join the next match when one ends (default: yes)"
_TIME_HELP = "seconds of load after the ramp (default: 30)"
_RAMP_HELP = f"seconds over which the bots connect (default: bots / {CONNECTS_PER_S})"
_PAUSES_HELP = "write every wait of a bot for a frame that was longer than --pause-ms"
_FINISH_HELP = "then up to S seconds more until the matches being played have ended"


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("output").add_argument
    add("--report", type=Path, metavar="FILE", help="write the report as JSON")
    add("--html", type=Path, metavar="FILE", help="write the report as a page with plots")
    add("--ledger", type=Path, metavar="FILE", help="write every event that was announced")
    add("--pauses", type=Path, metavar="FILE", help=_PAUSES_HELP)
    add("--pause-ms", type=_number(1, 3_600_000), default=200.0, help="default: %(default)s")
    add("--quiet", action="store_true", help="no progress")
    add("--json", action="store_true", help="the report on stdout as JSON instead of a table")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("limits (broken: exit 1)").add_argument
    many = 10**12
    add("--max-error-rate", type=_number(0, 1), default=0.01, help="default: %(default)s")
    add("--max-protocol-errors", type=_whole(0, many), default=0, help="default: %(default)s")
    add("--max-stalls", type=_whole(0, many), help="gaps over 1 s between snapshots")
    add("--max-p99-ms", type=_number(0, 3_600_000), help="input to snapshot")
    add("--min-snapshots", type=_whole(0, many), help="received in all")
    add("--min-matches-ended", type=_whole(0, many), help="matches that a bot saw end")
    add("--expect", action="append", metavar="KIND", help=_EXPECT_HELP)
    add(
        "--allow-saturation",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="judge a run by the limits alone, though the generator was the bottleneck",
    )


def parse_run(arguments: Sequence[str]) -> Command:
    """Exits with 2 and a message if something is wrong, or raises ``ConfigError``."""
    parser = run_parser()
    given = parser.parse_args(arguments)
    scenario = None if given.scenario is None else load(given.scenario)
    if scenario is not None:
        parser.set_defaults(**scenario.options())
        given = parser.parse_args(arguments)
    steps = [] if scenario is None else scenario.steps
    check_steps(steps, duration_s=given.duration, url=given.url)
    _check_together(parser, given, steps)
    expect = [*([] if scenario is None else scenario.expect), *(given.expect or [])]
    return Command(
        settings=_settings(given, steps),
        limits=Limits(**{name: getattr(given, name) for name in Limits.__struct_fields__}),
        scenario="" if scenario is None else scenario.name,
        expect=expect,
        deploy=given.deploy,
        allow_saturation=given.allow_saturation,
        tokens=given.tokens,
        processes=given.processes,
        report=given.report,
        html=given.html,
        ledger=given.ledger,
        pauses=given.pauses,
        quiet=given.quiet or given.json,
        json=given.json,
    )


def _check_together(
    parser: argparse.ArgumentParser, given: argparse.Namespace, steps: list[Happening]
) -> None:
    if given.ca and not given.url.startswith("wss://"):
        parser.error("--ca: only for a wss:// URL")
    if given.reading == Reading.POLLED and given.url.startswith("wss://"):
        parser.error("--reading polled: only for a ws:// URL; with TLS all sockets are woken")
    if given.processes > given.bots:
        parser.error(f"--processes {given.processes}: more than there are bots ({given.bots})")
    for path in (given.report, given.html, given.ledger, given.pauses):
        if path is not None and not path.parent.is_dir():
            parser.error(f"{path}: the directory {path.parent} does not exist")
    if given.deploy and not any(isinstance(step, Deploy) for step in steps):
        parser.error("--deploy: only for a scenario with a deploy step")
    try:
        shlex.split(given.deploy)
    except ValueError as error:
        parser.error(f"--deploy {given.deploy!r}: {error}")


def _settings(given: argparse.Namespace, steps: list[Happening]) -> Settings:
    return Settings(
        url=given.url,
        bots=given.bots,
        game=given.game,
        mode=given.mode,
        match=given.match,
        rate=given.rate or 0.0,
        duration_s=given.duration,
        ramp_s=given.bots / CONNECTS_PER_S if given.ramp is None else given.ramp,
        finish_s=given.finish,
        seed=given.seed,
        format=Format.MSGPACK if given.format == "msgpack" else Format.JSON,
        brain=given.brain,
        reading=Reading(given.reading),
        rejoin=given.rejoin,
        record_events=given.ledger is not None,
        ca_file=given.ca,
        pause_s=0.0 if given.pauses is None else given.pause_ms / 1000,
        happenings=steps,
    )


def check_parser() -> argparse.ArgumentParser:
    """The options of ``botswarm check``."""
    parser = argparse.ArgumentParser(
        prog="botswarm check",
        description="Compares what clients were told with what PostgreSQL keeps: every event "
        "stored once with the same content, every match that ended stored as ended.",
        allow_abbrev=False,
    )
    parser.add_argument("--ledger", type=Path, required=True, metavar="FILE")
    parser.add_argument("--postgres", required=True, metavar="DSN", help="postgresql://…")
    parser.add_argument(
        "--wait",
        type=_number(0, 3600),
        default=30.0,
        metavar="S",
        help="let the worker catch up for so long (default: 30)",
    )
    return parser


def parse_check(arguments: Sequence[str]) -> CheckCommand:
    """Exits with 2 and a message if something is wrong."""
    parser = check_parser()
    given = parser.parse_args(arguments)
    if not given.postgres.startswith(("postgres://", "postgresql://")):
        parser.error("--postgres: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return CheckCommand(ledger=given.ledger, postgres=given.postgres, wait_s=given.wait)


def compare_parser() -> argparse.ArgumentParser:
    """The options of ``botswarm compare``."""
    parser = argparse.ArgumentParser(
        prog="botswarm compare",
        description="Holds the second run against the first, figure by figure.",
        epilog="exit codes: 0 not worse, 1 a figure is worse beyond tolerance, 2 a file is wrong, "
        "3 the runs are not alike (unless --loosely)",
        allow_abbrev=False,
    )
    parser.add_argument("first", type=Path, help="what --report wrote: the one to be held against")
    parser.add_argument("second", type=Path)
    parser.add_argument(
        "--tolerance",
        type=_number(0, 10),
        default=0.1,
        metavar="SHARE",
        help="a figure may be worse by this share (default: %(default)s)",
    )
    parser.add_argument("--loosely", action="store_true", help="though settings differ")
    parser.add_argument("--json", action="store_true", help="instead of a table")
    return parser


def parse_compare(arguments: Sequence[str]) -> CompareCommand:
    """Exits with 2 and a message if something is wrong."""
    given = compare_parser().parse_args(arguments)
    return CompareCommand(
        first=given.first,
        second=given.second,
        tolerance=given.tolerance,
        loosely=given.loosely,
        json=given.json,
    )
