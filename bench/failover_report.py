"""What ``failover`` has found → ``failover.md``, and the numbers of its plot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bench.report import facts_table
from botswarm.pauses import Pause

WITHIN_S = 0.5
"""A pause that is under way at some moment of so many seconds after a kill is that kill's."""
BEFORE_S, AFTER_S, STEP_S = 1.0, 6.0, 0.05
"""The window of the plot around a fault."""


class Pausing(msgspec.Struct, frozen=True, kw_only=True):
    """A run with faults at ``at_s`` (Unix time). ``broken``: promises, as sentences."""

    at_s: list[float]
    pauses: list[Pause]
    errors: dict[str, int]
    counts: dict[str, Any]
    cpu: list[float]
    told: int
    broken: list[str]


class Relayed(msgspec.Struct, frozen=True, kw_only=True):
    """Input→snapshot latency of players on the owner of their match and on another node."""

    own: dict[str, float]
    other: dict[str, float]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run of ``make failover``."""

    machine: dict[str, str]
    bots: int
    over_ms: float
    killed: Pausing
    rolled: Pausing
    relayed: list[Relayed]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of ``values`` do not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def of_fault(run: Pausing, at_s: float) -> list[Pause]:
    """The longest pause of each bot that waited right after the fault."""
    longest: dict[int, Pause] = {}
    for pause in run.pauses:
        ended_s = pause.ended_ms / 1000
        if ended_s < at_s or ended_s - pause.length_ms / 1000 > at_s + WITHIN_S:
            continue
        if pause.bot not in longest or pause.length_ms > longest[pause.bot].length_ms:
            longest[pause.bot] = pause
    return list(longest.values())


def of_step(run: Pausing, index: int) -> list[Pause]:
    """All pauses that ended between this fault and the next."""
    at_s = run.at_s[index]
    until_s = run.at_s[index + 1] if index + 1 < len(run.at_s) else float("inf")
    return [pause for pause in run.pauses if at_s <= pause.ended_ms / 1000 < until_s]


def markdown(results: Results) -> str:
    """The report."""
    parts = [
        "# When nodes die, and when they are exchanged",
        "Made by `make failover`; what is done, and how it is seen, stands in "
        "[docs/failover.md](../../docs/failover.md). A *pause* is a wait of more than "
        f"{results.over_ms:.0f} ms from one frame to the next, as {results.bots} bots saw it.",
        facts_table(results.machine),
        "![How many players wait](failover.png)",
        "## SIGKILL",
        _killed(results),
        _sum_up(results.killed),
        "## Rolling restart",
        _rolled(results),
        _sum_up(results.rolled),
        "## Relayed players",
        _relayed(results.relayed),
    ]
    return "\n\n".join(parts) + "\n"


def _killed(results: Results) -> str:
    lines = [
        "| kill | players that paused | p50, s | p99, s | longest, s |",
        "|---|---|---|---|---|",
    ]
    everyone: list[float] = []
    for index, at_s in enumerate(results.killed.at_s, 1):
        lengths = [pause.length_ms / 1000 for pause in of_fault(results.killed, at_s)]
        everyone += lengths
        lines.append(_row(str(index), lengths, digits=2))
    lines.append(_row("**all**", everyone, digits=2))
    return "\n".join(lines)


def _rolled(results: Results) -> str:
    lines = [
        "| node | pauses | p50, ms | p99, ms | longest, ms | p99 of all players, ms |",
        "|---|---|---|---|---|---|",
    ]
    everyone: list[float] = []
    for index in range(len(results.rolled.at_s)):
        lengths = [pause.length_ms for pause in of_step(results.rolled, index)]
        everyone += lengths
        lines.append(_row(str(index + 1), lengths) + _of_all(lengths, results.bots))
    all_players = results.bots * len(results.rolled.at_s)
    lines.append(_row("**all**", everyone) + _of_all(everyone, all_players))
    return "\n".join(lines)


def _row(name: str, lengths: Sequence[float], *, digits: int = 0) -> str:
    shown = [percentile(lengths, 0.5), percentile(lengths, 0.99), max(lengths, default=0.0)]
    return f"| {name} | {len(lengths)} | " + " | ".join(f"{x:.{digits}f}" for x in shown) + " |"


def _of_all(lengths: Sequence[float], players: int) -> str:
    """Those who did not pause count with 0."""
    padded = [*lengths, *[0.0] * max(0, players - len(lengths))]
    found = percentile(padded, 0.99)
    return f" {found:.0f} |" if found else " none |"


def _sum_up(run: Pausing) -> str:
    errors = ", ".join(f"{count} × {kind}" for kind, count in run.errors.items()) or "none"
    counts = run.counts
    lines = [
        f"- matches: {counts['matches_joined']} from the first second to the last, none lost"
        if not run.broken
        else f"- **broken**: {'; '.join(run.broken)}",
        f"- events that bots were told: {run.told}, each once in PostgreSQL",
        f"- connections made anew: {counts['reconnects']}; matches resumed: {counts['resumes']}; "
        f"given up: {counts['given_up']}",
        f"- errors that bots saw: {errors}",
    ]
    return "\n".join(lines)


def _relayed(runs: Sequence[Relayed]) -> str:
    lines = [
        "| input→snapshot, ms | p50 | p90 | p99 |",
        "|---|---|---|---|",
    ]
    for number, run in enumerate(runs, 1):
        for name, one in (("on the owner", run.own), ("on another node", run.other)):
            lines.append(f"| run {number}, {name} " + _percentiles(one))
        added = {key: run.other[key] - run.own[key] for key in ("p50_ms", "p90_ms", "p99_ms")}
        lines.append(f"| run {number}, **added** " + _percentiles(added))
    return "\n".join(lines)


def _percentiles(values: dict[str, float]) -> str:
    return "".join(f"| {values[key]:.1f} " for key in ("p50_ms", "p90_ms", "p99_ms")) + "|"


def plot_data(results: Results) -> dict[str, Any]:
    """For each kind of fault how many bots wait, by time since the fault; and all pauses."""
    return {
        "bots": results.bots,
        "over_ms": results.over_ms,
        "panels": [
            {"title": "SIGKILL of a node", "lines": _waiting(results.killed, AFTER_S)},
            {"title": "SIGTERM: drain and exchange", "lines": _waiting(results.rolled, AFTER_S)},
        ],
    }


def _waiting(run: Pausing, after_s: float) -> list[list[tuple[float, int]]]:
    lines = []
    for at_s in run.at_s:
        steps = int((BEFORE_S + after_s) / STEP_S) + 1
        line = []
        for step in range(steps):
            since_s = step * STEP_S - BEFORE_S
            line.append((round(since_s, 3), _waiting_at(run.pauses, at_s + since_s)))
        lines.append(line)
    return lines


def _waiting_at(pauses: Sequence[Pause], moment_s: float) -> int:
    moment_ms = moment_s * 1000
    return sum(
        1 for pause in pauses if pause.ended_ms - pause.length_ms <= moment_ms < pause.ended_ms
    )
