"""What a run comes to: figures, limits, and the verdict. Pure but for ``rich``'s rendering."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from botswarm.histogram import Summary
from botswarm.processes import Outcome
from botswarm.reading import Reading
from botswarm.saturation import reasons
from botswarm.settings import Settings
from botswarm.timeline import Mark, Point

CURVE = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100)
"""Percents of the latency's curve in the report."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run must keep to pass; ``None`` is not checked. Rates are shares from 0 to 1."""

    max_error_rate: float | None = 0.01
    max_protocol_errors: int | None = 0
    max_stalls: int | None = None
    max_p99_ms: float | None = None
    min_snapshots: int | None = None
    min_matches_ended: int | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One limit and whether it was kept."""

    name: str
    limit: float
    value: float
    kept: bool


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Per second in the steady part."""

    inputs: float
    snapshots: float
    bytes_in: float
    bytes_out: float


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Of the whole run; ``playing_at_end``: when the steady part ended."""

    connects: int
    handshakes: int
    reconnects: int
    joins: int
    resumes: int
    given_up: int
    playing_at_end: int
    inputs: int
    inputs_missed: int
    snapshots: int
    full_snapshots: int
    events: int
    matches_joined: int
    matches_ended: int
    errors: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The report file. ``error_rate``: errors per input sent or connection tried. ``reading``:
    how sockets were read in fact, ``woken`` or ``polled``; ``measured_bots``: those that
    ``latency`` and ``ping`` are of. ``saturated``: the generator was the bottleneck, as
    ``bottleneck`` says. ``valid``: it was not, or that was allowed. ``expected``: the kinds of
    errors that are not in ``error_rate``. ``curve``: percentiles of the latency, as (percent, ms).
    ``timeline`` and ``marks``: see ``botswarm.timeline``; ``started``: ISO 8601."""

    passed: bool
    interrupted: bool
    valid: bool
    saturated: bool
    bottleneck: str
    reading: Reading
    measured_bots: int
    settings: Settings
    steady_s: float
    counts: Counts
    rates: Rates
    latency: Summary
    ping: Summary
    connect: Summary
    stall: Summary
    lag: Summary
    late: Summary
    cpu: list[float]
    errors: dict[str, int]
    error_rate: float
    limits: list[Verdict]
    started: str = ""
    scenario: str = ""
    expected: list[str] = []
    curve: list[tuple[float, float]] = []
    marks: list[Mark] = []
    timeline: list[Point] = []

    @property
    def durations(self) -> dict[str, Summary]:
        """All that was timed, by the name that readers know."""
        return {
            "input to snapshot": self.latency,
            "ping": self.ping,
            "connect": self.connect,
            "stall": self.stall,
            "generator lag": self.lag,
            "sent late": self.late,
        }


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a run beside its figures. ``expect``: patterns of errors that belong to it;
    ``deploys``: how many it was to have, ``deployed``: how many went well."""

    started: str = ""
    scenario: str = ""
    expect: list[str] = []
    marks: list[Mark] = []
    timeline: list[Point] = []
    deploys: int = 0
    deployed: int = 0


NO_STORY = Story()


def make_report(
    outcome: Outcome,
    *,
    settings: Settings,
    limits: Limits,
    story: Story = NO_STORY,
    allow_saturation: bool = False,
) -> Report:
    """Judge a run. Latency and rates are those of the steady part, counts of the whole run.

    A run of a saturated generator is not valid, and so has not passed, unless that is allowed.
    """
    total, steady = outcome.total, outcome.steady
    errors = dict(sorted(total.errors.items(), key=lambda item: (-item[1], item[0])))
    if outcome.lost:
        errors["process_lost"] = outcome.lost
    error_count = sum(errors.values())
    expected = [kind for kind in errors if any(fnmatchcase(kind, each) for each in story.expect)]
    judged = {kind: count for kind, count in errors.items() if kind not in expected}
    error_rate = sum(judged.values()) / max(1, total.inputs + total.connects)
    values: dict[str, float] = {
        "max_error_rate": error_rate,
        "max_protocol_errors": sum(n for kind, n in judged.items() if kind.startswith("protocol:")),
        "max_stalls": judged.get("stall", 0),
        "max_p99_ms": steady.latency.summary().p99_ms,
        "min_snapshots": total.snapshots,
        "min_matches_ended": outcome.ledger.matches_ended,
    }
    verdicts = judge(limits, values)
    verdicts.append(_at_least("joins", 1, total.joins))
    if outcome.lost:
        verdicts.append(Verdict(name="process_lost", limit=0, value=outcome.lost, kept=False))
    if story.deploys:
        verdicts.append(_at_least("deploys", story.deploys, story.deployed))
    if limits.max_p99_ms is not None:
        # Without a single measurement a latency limit has not been kept.
        verdicts.append(_at_least("latency_samples", 1, steady.latency.count))
    seconds = outcome.steady_s or 1.0
    polled = total.polled_joins > 0
    bottleneck = _bottleneck(outcome)
    valid = allow_saturation or not bottleneck
    kept = all(verdict.kept for verdict in verdicts)
    return Report(
        passed=kept and valid and not outcome.interrupted,
        interrupted=outcome.interrupted,
        valid=valid,
        saturated=bool(bottleneck),
        bottleneck=bottleneck,
        reading=Reading.POLLED if polled else Reading.WOKEN,
        measured_bots=total.measured_bots if polled else settings.bots,
        settings=settings,
        steady_s=round(outcome.steady_s, 3),
        counts=_counts(outcome, error_count),
        rates=Rates(
            inputs=round(steady.inputs / seconds, 1),
            snapshots=round(steady.snapshots / seconds, 1),
            bytes_in=round(steady.bytes_in / seconds, 1),
            bytes_out=round(steady.bytes_out / seconds, 1),
        ),
        latency=steady.latency.summary(),
        ping=total.ping.summary(),
        connect=total.connect.summary(),
        stall=total.stall.summary(),
        lag=steady.lag.summary(),
        late=steady.late.summary(),
        cpu=[round(load.cpu, 3) for load in outcome.loads],
        errors=errors,
        error_rate=round(error_rate, 6),
        limits=verdicts,
        started=story.started,
        scenario=story.scenario,
        expected=expected,
        curve=[(percent, steady.latency.percentile(percent) / 1000) for percent in CURVE],
        marks=story.marks,
        timeline=story.timeline,
    )


def judge(limits: Limits, values: dict[str, float]) -> list[Verdict]:
    """Each limit that is set against the value of the same name."""
    verdicts = []
    for name in Limits.__struct_fields__:
        limit = getattr(limits, name)
        if limit is None:
            continue
        value = values[name]
        kept = value <= limit if name.startswith("max_") else value >= limit
        verdicts.append(Verdict(name=name, limit=limit, value=round(value, 6), kept=kept))
    return verdicts


def _at_least(name: str, limit: int, value: int) -> Verdict:
    return Verdict(name=name, limit=limit, value=value, kept=value >= limit)


def _counts(outcome: Outcome, errors: int) -> Counts:
    total = outcome.total
    return Counts(
        connects=total.connects,
        handshakes=total.handshakes,
        reconnects=total.reconnects,
        joins=total.joins,
        resumes=total.resumes,
        given_up=total.given_up,
        playing_at_end=outcome.steady.playing,
        inputs=total.inputs,
        inputs_missed=total.inputs_missed,
        snapshots=total.snapshots,
        full_snapshots=total.full_snapshots,
        events=total.events,
        matches_joined=outcome.ledger.matches_joined,
        matches_ended=outcome.ledger.matches_ended,
        errors=errors,
    )


def _bottleneck(outcome: Outcome) -> str:
    """Why the figures say less about the server than about the generator; empty if they do not."""
    found = reasons(outcome.loads)
    if not found:
        return ""
    return (
        "the generator was the bottleneck; figures understate the server: "
        + " and ".join(found)
        + " (use more --processes, --brain scripted, or a machine of its own)"
    )


# ── for people ───────────────────────────────────────────────────────────────────────────────────


def render(report: Report) -> Group:
    """The report as tables."""
    counts, rates = report.counts, report.rates
    title = f"{report.settings.bots} bots, {report.settings.game}, {report.steady_s:.0f} s steady"
    main = Table(title=title, show_header=False, title_justify="left", box=None)
    rows = {
        "connections": f"{counts.handshakes} of {counts.connects} tried, "
        f"{counts.reconnects} reconnects, {counts.resumes} resumes, {counts.given_up} given up",
        "matches": f"{counts.joins} joins, {counts.matches_joined} matches, "
        f"{counts.matches_ended} seen to end, {counts.playing_at_end} bots playing at the end",
        "inputs sent": f"{counts.inputs} ({rates.inputs:.0f}/s), {counts.inputs_missed} left out",
        "snapshots": f"{counts.snapshots} ({rates.snapshots:.0f}/s), {counts.full_snapshots} full",
        "events": str(counts.events),
        "traffic": f"{rates.bytes_in / 1000:.0f} kB/s in, {rates.bytes_out / 1000:.0f} kB/s out",
        "errors": f"{counts.errors} ({report.error_rate:.2%})",
        "generator": "CPU " + ", ".join(f"{share:.0%}" for share in report.cpu),
        "reading": f"{report.reading}, latencies of {report.measured_bots} bots",
    }
    for name, text in rows.items():
        main.add_row(name, text)
    parts: list[Any] = [main, Text(), _durations(report)]
    if report.errors:
        errors = Table("error", "count", title="errors by kind", title_justify="left", box=None)
        for kind, count in report.errors.items():
            note = " (expected)" if kind in report.expected else ""
            errors.add_row(Text(kind + note), str(count))
        parts += [Text(), errors]
    parts += [Text(), _limits(report)]
    if report.bottleneck:
        parts.append(Text(report.bottleneck, style="yellow"))
    if report.interrupted:
        parts.append(Text("interrupted: this is a part of the run", style="yellow"))
    verdict = "passed" if report.passed else "failed" if report.valid else "invalid"
    parts.append(Text(verdict, style="green" if report.passed else "red"))
    return Group(*parts)


def _durations(report: Report) -> Table:
    table = Table(title="milliseconds", title_justify="left", box=None)
    for column in ("", "count", "mean", "p50", "p90", "p99", "p99.9", "max"):
        table.add_column(column, justify="right" if column else "left")
    for name, summary in report.durations.items():
        if summary.count:
            figures = (summary.mean_ms, summary.p50_ms, summary.p90_ms, summary.p99_ms)
            rest = (summary.p999_ms, summary.max_ms)
            table.add_row(name, str(summary.count), *[f"{ms:.1f}" for ms in (*figures, *rest)])
    return table


def _limits(report: Report) -> Table:
    table = Table("limit", "allowed", "was", "", title="limits", title_justify="left", box=None)
    for verdict in report.limits:
        table.add_row(
            verdict.name.replace("_", " "),
            f"{verdict.limit:g}",
            f"{verdict.value:g}",
            Text("kept", style="green") if verdict.kept else Text("BROKEN", style="red"),
        )
    return table
