"""What ``bench.worker`` found, as a page, and as data for its plot."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from bench.match_events import Shape
from bench.worker_latency import Latency
from bench.worker_runs import Drained, Rate

PLAIN_RATIO_MIN = 15.0
COPY_RATIO_MIN = 0.5
CALLS_RATIO_MIN = 20.0
LATENCY_P99_MS_MAX = 500.0
OTHERS_MAX = 0.1
"""Of the cores: a run with more of other programs is no measurement of rates."""


class Round(msgspec.Struct, kw_only=True):
    """One after the other on the same services."""

    ours: Drained
    plain: Rate
    copy: Rate
    sink: Rate


class Results(msgspec.Struct, kw_only=True):
    """``other``: what else was drained, by its name. ``million``: a long backlog."""

    facts: dict[str, str]
    mix: Shape
    rounds: list[Round] = []
    other: dict[str, list[Drained]] = {}
    ceilings: dict[str, Rate] = {}
    latency: Latency | None = None
    million: Drained | None = None


def markdown(results: Results, *, command: str) -> str:
    """The page."""
    parts = [_head(results, command), _rates(results), _targets(results), _other(results)]
    if results.latency is not None:
        parts.append(_latency(results.latency))
    if results.million is not None:
        parts.append(_memory(results.million))
    return "\n\n".join(parts) + "\n"


def plot_data(results: Results) -> dict[str, Any]:
    """For ``plots_worker``: medians, and memory over time."""
    bars = {
        "plain worker": _median(each.plain.per_s for each in results.rounds),
        "COPY, one connection": _median(each.copy.per_s for each in results.rounds),
        "sink alone": _median(each.sink.per_s for each in results.rounds),
        "this worker": _median(each.ours.per_s for each in results.rounds),
    }
    return {"bars": bars, "memory": results.million.rss_mib if results.million else []}


def _head(results: Results, command: str) -> str:
    mix = results.mix
    kinds = ", ".join(f"{count / mix.events:.1%} {kind}" for kind, count in mix.kinds.items())
    machine = ", ".join(f"{name}: {value}" for name, value in results.facts.items())
    return f"""# The persistence worker's speed

`{command}`; {machine}.

**Who runs where.** PostgreSQL (all its processes) and the SQS stand-in share one core; the worker,
the plain worker, or the client of COPY has the other. One worker process of each. PostgreSQL with
its default settings, `fsync` and `synchronous_commit` on, for all alike; tables are emptied and a
checkpoint is made before each run.

**Events.** The bundled games, played by their bots: arena (standard, quick) and liar's dice
(standard, duel, blitz), a match of each in turn, over a thousand under way at a time. One end of a
match in {mix.events / mix.matches:.0f} events, {mix.results / mix.events:.3f} results an event,
{mix.bytes / mix.events:.0f} bytes each: {kinds}. Messages are what the relay's packer makes of
them.

**Who does what.** *This worker*: `python -m persistence_worker run` with its default settings,
everything on: receiving, events, matches, participants, results, players, ratings, boards,
deleting; from the first stored batch of a backlog to its last. *Plain*: receives one message of one
event, INSERT, commit, delete; nothing but the event is stored. *COPY*: the rows that this worker
has stored in `events`, in one binary COPY into the emptied table with its key and indexes. *Sink
alone*: the worker's own, with events that are decoded already, one connection."""


def _rates(results: Results) -> str:
    rounds = results.rounds
    rows = [
        _row("this worker", [each.ours.per_s for each in rounds], rounds[-1].ours.services_us),
        _row("plain worker", [each.plain.per_s for each in rounds], rounds[-1].plain.services_us),
        _row("COPY", [each.copy.per_s for each in rounds], rounds[-1].copy.services_us),
        _row("sink alone", [each.sink.per_s for each in rounds], rounds[-1].sink.services_us),
    ]
    worker = _median(each.ours.worker_us for each in rounds)
    others = [each.ours.others for each in rounds]
    return "\n".join(
        [
            f"## Events a second, {len(rounds)} rounds in turn",
            "",
            "| | median | lowest to highest | PostgreSQL, µs CPU an event | SQS stand-in, µs |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"This worker itself takes {worker:.1f} µs of CPU an event. Other programs had "
            f"{min(others):.0%} to {max(others):.0%} of the machine's cores: rates are of what was "
            "left to it, the CPU an event is mostly its own.",
        ]
    )


def _row(name: str, rates: Sequence[float], services_us: dict[str, float]) -> str:
    spent = " | ".join(f"{services_us[each]:.1f}" for each in ("PostgreSQL", "SQS stand-in"))
    return f"| {name} | {_figures(rates)} | {spent} |"


def _targets(results: Results) -> str:
    rounds = results.rounds
    lines = [
        _target(
            "× the plain worker", PLAIN_RATIO_MIN, rounds, lambda r: r.ours.per_s / r.plain.per_s
        ),
        _target("of COPY's rate", COPY_RATIO_MIN, rounds, lambda r: r.ours.per_s / r.copy.per_s),
        _target(
            "× fewer SQS calls an event",
            CALLS_RATIO_MIN,
            rounds,
            lambda r: r.plain.calls_per_event / r.ours.calls_per_event,
        ),
    ]
    if max(each.ours.others for each in rounds) > OTHERS_MAX:
        lines += [
            "",
            "With so many neighbours the ratio to COPY settles nothing: COPY needs one core, this "
            "worker two.",
        ]
    return "\n".join(
        ["| ratio | wanted | median | lowest to highest | |", "|---|---|---|---|---|", *lines]
    )


def _target(
    name: str, wanted: float, rounds: Sequence[Round], ratio: Callable[[Round], float]
) -> str:
    ratios = [ratio(each) for each in rounds]
    met = "met" if _median(ratios) >= wanted else f"missed by {1 - _median(ratios) / wanted:.0%}"
    shown = f"{_median(ratios):,.2f} | {min(ratios):,.2f}–{max(ratios):,.2f}"
    return f"| {name} | {wanted:g} | {shown} | {met} |"


def _other(results: Results) -> str:
    lines = [
        "## Other events, other messages",
        "",
        "| drained by this worker | events/s | lowest to highest | worker, µs an event "
        "| PostgreSQL, µs | events a message |",
        "|---|---|---|---|---|---|",
    ]
    for name, runs in results.other.items():
        last = runs[-1]
        lines.append(
            f"| {name} | {_figures([each.per_s for each in runs])} | {last.worker_us:.1f} "
            f"| {last.services_us['PostgreSQL']:.1f} | {last.events / last.messages:.0f} |"
        )
    lines += ["", "The SQS stand-in alone, to a client that only receives and deletes:", ""]
    lines += [
        f"- {name}: {rate.per_s:,.0f} events/s, {rate.services_us['SQS stand-in']:.1f} µs each"
        for name, rate in results.ceilings.items()
    ]
    return "\n".join(lines)


def _latency(latency: Latency) -> str:
    met = "met" if latency.p99 < LATENCY_P99_MS_MAX else "missed"
    return (
        f"## From the commit to the row\n\n"
        f"At {latency.per_s:,.0f} events a second, a quarter of the limit, from four relays: "
        f"p50 {latency.p50:.0f} ms, p90 {latency.p90:.0f}, p99 {latency.p99:.0f}, "
        f"max {latency.max:.0f} ({latency.events:,} events); wanted p99 under "
        f"{LATENCY_P99_MS_MAX:.0f}: {met}. Of this the relay waits for up to 250 ms, to fill its "
        "messages. The end is PostgreSQL's own commit time of the row's transaction."
    )


def _memory(run: Drained) -> str:
    quarters = [run.events * n // 4 for n in range(1, 5)]
    peaks, low = [], 0
    for high in quarters:
        part = [mib for _, mib, stored in run.rss_mib if low < stored <= high]
        peaks.append(f"{max(part):.0f}" if part else "–")
        low = high
    return (
        f"## Memory\n\nA backlog of {run.events:,} events in {run.messages:,} messages, drained at "
        f"{run.per_s:,.0f} a second. The worker's RSS, highest in each quarter: "
        f"{', '.join(peaks)} MiB.\n\n![Rates, and memory over a million events](worker.png)"
    )


def _figures(rates: Sequence[float]) -> str:
    return f"{_median(rates):,.0f} | {min(rates):,.0f}–{max(rates):,.0f}"


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
