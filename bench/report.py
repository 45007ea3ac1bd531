"""``latest.json`` → the Markdown tables of ``latest.md``. Pure: no clock, no files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from bench.results import SHARE, AtShare, Compared, Held, Results
from bench.sample import LATENESS_P99_MS_MAX, Sample, added_latency_p99_ms
from bench.subjects import FLOOR, OWN

_REASON_CHARS_MAX = 300


def markdown(results: Results, plots: Sequence[str] = ()) -> str:
    """``plots``: file names beside the report."""
    parts = [
        "# Results of the benchmarks",
        "Made by `make bench`; what is measured, and how, stands in "
        "[docs/benchmarks.md](../../docs/benchmarks.md).",
        facts_table({**results.machine, **results.versions, **results.method}),
        *_left_out(results),
        *_compared(results),
        *_failures(results),
        *_limits(results),
        *_at_share(results),
        *_scaling(results),
        *(f"![{name.removesuffix('.png')}]({name})" for name in plots),
    ]
    return "\n\n".join(parts) + "\n"


def sizes(results: Results) -> list[int]:
    """The numbers of clients at which servers were compared."""
    return sorted({one.sample.players for one in results.compared})


def of(results: Results, key: str, size: int) -> list[Compared]:
    """The repetitions of one server at one size."""
    return [
        one for one in results.compared if one.sample.subject == key and one.sample.players == size
    ]


def _complete(samples: Iterable[Sample]) -> list[Sample]:
    """Without those of half-empty rooms, whose cost per cycle is that of another load."""
    return [sample for sample in samples if sample.seated == sample.players]


def ratios(results: Results, key: str, size: int, base: str) -> list[float]:
    """Costs in units of another server's, each within one repetition."""
    bases = {
        one.repetition: one.sample.us_per_cycle
        for one in of(results, base, size)
        if _complete([one.sample])
    }
    return [
        one.sample.us_per_cycle / bases[one.repetition]
        for one in of(results, key, size)
        if _complete([one.sample]) and bases.get(one.repetition)
    ]


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; the first column is left-aligned, the others are figures."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def facts_table(facts: dict[str, str]) -> str:
    """What a run was made on and how."""
    return table(("", "this run"), list(facts.items()))


def _left_out(results: Results) -> list[str]:
    if not results.left_out:
        return []
    lines = [
        f"- **{label}**: {' '.join(why.split())[:_REASON_CHARS_MAX]}"
        for label, why in results.left_out.items()
    ]
    return ["## Left out", "\n".join(lines)]


def _compared(results: Results) -> list[str]:
    parts: list[str] = []
    for size in sizes(results):
        found = [
            (entry, _complete(one.sample for one in of(results, entry.key, size)))
            for entry in results.entries
        ]
        ranked = sorted(
            ((entry, samples) for entry, samples in found if samples),
            key=lambda pair: median(sample.us_per_cycle for sample in pair[1]),
        )
        rows = [
            (
                f"**{entry.label}**" if entry.key == OWN else entry.label,
                spread([sample.us_per_cycle for sample in samples]),
                spread(ratios(results, entry.key, size, FLOOR), digits=2),
                spread(ratios(results, entry.key, size, OWN), digits=2),
                *_middle(samples),
            )
            for entry, samples in ranked
        ]
        parts += [f"## {size} clients, rooms of 8, 20 Hz", table(_COMPARED_HEAD, rows)]
        parts += remarks(one.sample for one in results.compared if one.sample.players == size)
    notes = [f"- {entry.label}: {entry.note}" for entry in results.entries]
    return [*parts, "\n".join(notes)] if parts else []


_COMPARED_HEAD = (
    "server",
    "µs of CPU per cycle",
    "× the floor",
    "× this server",
    "lateness p50 / p99 ms",
    "input→snapshot p50 / p99 ms",
    "bytes per snapshot",
    "KiB per player",
    "CPU ms to connect",
    "beside it, µs per cycle",
)


def _middle(samples: Sequence[Sample]) -> tuple[str, ...]:
    """The columns that are plain medians."""
    latencies = [sample.latency_ms for sample in samples if sample.latency_ms is not None]
    services = sorted({name for sample in samples for name in sample.beside_us_per_cycle})
    beside = [
        f"{name} {median(sample.beside_us_per_cycle[name] for sample in samples):.1f}"
        for name in services
    ]
    return (
        f"{median(s.lateness_ms.p50 for s in samples):.1f} / "
        f"{median(s.lateness_ms.p99 for s in samples):.1f}",
        f"{median(one.p50 for one in latencies):.0f} / {median(one.p99 for one in latencies):.0f}"
        if latencies
        else "–",
        f"{median(s.snapshot_bytes for s in samples):.0f}",
        f"{median(s.rss_kib_per_player for s in samples):.1f}",
        f"{median(s.connect_cpu_ms for s in samples):.2f}",
        ", ".join(beside) or "–",
    )


def spread(values: Sequence[float], *, digits: int = 1) -> str:
    """``12.5 (12.1–13.0)``: the median, and the least and the most."""
    if not values:
        return "–"
    text = f"{median(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f}–{max(values):.{digits}f})"
    return text


def remarks(samples: Iterable[Sample]) -> list[str]:
    """What does not fit into a table and must not be overlooked."""
    lines = []
    for sample in samples:
        said = list(sample.faults)
        if sample.generator_is_bottleneck:
            said.append(
                f"the generator was the bottleneck (CPU {sample.generator_cpu:.0%}, "
                f"itself late by {sample.generator_late_p99_ms:.1f} ms)"
            )
        if said:
            lines.append(f"- {sample.subject}, {sample.players} clients: {'; '.join(said)}")
    return ["\n".join(["Remarks:", "", *lines])] if lines else []


def _failures(results: Results) -> list[str]:
    lines = [f"- {' '.join(said.split())[:_REASON_CHARS_MAX]}" for said in results.failures]
    return ["\n".join(["Measurements that could not be made:", "", *lines])] if lines else []


def _limits(results: Results) -> list[str]:
    by_key: dict[str, list[Held]] = {}
    for one in results.held:
        by_key.setdefault(one.subject, []).append(one)
    labels = {entry.key: entry.label for entry in results.entries}
    ranked = sorted(by_key.items(), key=lambda pair: -min(one.players for one in pair[1]))
    if not ranked:
        return []
    rows = [
        (
            f"**{labels.get(key, key)}**" if key == OWN else labels.get(key, key),
            ("at least " if any(one.at_least for one in runs) else "")
            + str(min(one.players for one in runs)),
            ", ".join(str(one.players) for one in runs),
            runs[-1].why,
        )
        for key, runs in ranked
    ]
    return [
        f"## Clients on one core with lateness p99 within {LATENESS_P99_MS_MAX:.0f} ms",
        table(("server", "clients that every search held", "each search", "then"), rows),
    ]


def _at_share(results: Results) -> list[str]:
    labels = {entry.key: entry.label for entry in results.entries}
    by_key: dict[str, list[AtShare]] = {}
    for one in results.at_share:
        by_key.setdefault(one.sample.subject, []).append(one)
    rows = []
    for key, runs in by_key.items():
        samples = [one.sample for one in runs]
        added = [ms for sample in samples if (ms := added_latency_p99_ms(sample)) is not None]
        rows.append(
            (
                f"**{labels.get(key, key)}**" if key == OWN else labels.get(key, key),
                ", ".join(f"{one.sample.players} of {one.clients_max}" for one in runs),
                spread(added) if added else "–",
                spread([sample.lateness_ms.p99 for sample in samples]),
                spread([100 * sample.core_share for sample in samples], digits=0),
            )
        )
    head = (
        "server",
        "clients",
        "input→snapshot p99 over the wait for the tick, ms",
        "lateness p99, ms",
        "% of the core",
    )
    said = "Of each search by itself. The wait for the tick is 49.5 ms for 99 % of the inputs."
    return [f"## At {SHARE:.0%} of the clients held", table(head, rows), said] if rows else []


def _scaling(results: Results) -> list[str]:
    if not results.scaled:
        return []
    return ["How this server scales: [scaling/README.md](scaling/README.md)."]
