"""One measurement: a server under a number of players, seen by the load generator."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.programs import Failed, Running

LATENESS_P99_MS_MAX = 10.0
"""Of snapshots: what a server may do and still hold its clients."""
DELIVERED_MIN = 0.98
"""Share of the snapshots that a tick rate promises."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles in ms."""

    p50: float
    p99: float
    max: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle is one snapshot delivered, and with inputs at the tick rate also one input taken."""

    subject: str
    players: int
    seated: int
    us_per_cycle: float  # the server's CPU time, all threads
    beside_us_per_cycle: dict[str, float]  # of its services
    core_share: float  # of one core, the server's own
    lateness_ms: Spread
    latency_ms: Spread | None  # None where snapshots are not searched for acknowledgements
    snapshot_bytes: float  # on the wire, with headers
    delivered: float
    rss_kib_per_player: float
    connect_cpu_ms: float  # per player, from TCP to a seat
    connects_per_s: float  # as they happened; the generator may have asked for no more
    generator_cpu: float
    generator_late_p99_ms: float
    generator_is_bottleneck: bool
    faults: tuple[str, ...]
    """Why the server does not hold these players; empty if it does."""

    @property
    def passes(self) -> bool:
        return not self.faults


class _Watched(msgspec.Struct):
    pid: int
    connect_cpu_s: float
    cpu_s: float
    rss_start_kib: int
    rss_end_kib: int


class _Generator(msgspec.Struct):
    cpu: float
    late_p99_ms: float
    bottleneck: bool


class _Report(msgspec.Struct):
    players: int
    seated: int
    connect_s: float
    seconds: float
    snapshots: int
    bytes: int
    latency_ms: Spread
    lateness_ms: Spread
    refused: int
    closed_early: int
    protocol_errors: int
    watched: list[_Watched]
    generator: _Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the generator is asked to do; ``seconds`` are measured after ``warmup_s``."""

    players: int
    warmup_s: float = 4.0
    seconds: float = 6.0
    hz: int = 20  # of inputs and of ticks
    connects_per_s: int = 1_000


def measure(generator: Path, load: Load, server: Running, *, subject: str, dialect: str) -> Sample:
    """Run the load generator, on the caller's cores, and read its report.

    Raises ``Failed`` with what the generator said if it could not measure.
    """
    watched = ",".join(map(str, [*server.pids, *server.services.values()]))
    command = [str(generator), "--port", str(server.port), "--dialect", dialect, "--watch", watched]
    command += ["--conns", str(load.players), "--connect-rate", str(load.connects_per_s)]
    command += ["--warmup", str(load.warmup_s), "--seconds", str(load.seconds)]
    command += ["--rate", str(load.hz), "--tick-hz", str(load.hz), *server.options]
    limit_s = 60 + load.players / 20 + load.warmup_s + load.seconds
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"the generator did not end within {limit_s:.0f} s") from None
    if not done.stdout.startswith("{"):
        raise Failed(f"the generator said: {done.stderr.strip()[-500:]}")
    report = msgspec.json.decode(done.stdout, type=_Report)
    if not report.snapshots:
        # A cost per nothing would enter the medians as an absurd number.
        raise Failed(
            f"no snapshot came; {report.seated} of {report.players} players found a seat: "
            f"{done.stderr.strip()[-300:]}"
        )
    return _sample(report, load, server, subject=subject)


def _sample(report: _Report, load: Load, server: Running, *, subject: str) -> Sample:
    own, beside = report.watched[: len(server.pids)], report.watched[len(server.pids) :]
    cpu_s = sum(one.cpu_s for one in own)
    cycles = max(1, report.snapshots)
    rss_kib = sum(one.rss_end_kib - one.rss_start_kib for one in own)
    expected = report.players * load.hz * report.seconds
    return Sample(
        subject=subject,
        players=report.players,
        seated=report.seated,
        us_per_cycle=cpu_s / cycles * 1e6,
        beside_us_per_cycle={
            name: one.cpu_s / cycles * 1e6
            for name, one in zip(server.services, beside, strict=True)
        },
        core_share=cpu_s / report.seconds if report.seconds else 0.0,
        lateness_ms=report.lateness_ms,
        latency_ms=report.latency_ms if report.latency_ms.max else None,
        snapshot_bytes=report.bytes / cycles,
        delivered=report.snapshots / expected if expected else 0.0,
        rss_kib_per_player=rss_kib / report.players,
        connect_cpu_ms=sum(one.connect_cpu_s for one in own) * 1e3 / report.players,
        connects_per_s=report.seated / max(report.connect_s, 1e-3),
        generator_cpu=report.generator.cpu,
        generator_late_p99_ms=report.generator.late_p99_ms,
        generator_is_bottleneck=report.generator.bottleneck,
        faults=tuple(_faults(report, expected)),
    )


def _faults(report: _Report, expected: float) -> list[str]:
    faults = []
    if report.seated < report.players:
        faults.append(f"{report.players - report.seated} players found no seat")
    if report.closed_early:
        faults.append(f"{report.closed_early} connections were closed")
    if report.protocol_errors:
        faults.append(f"{report.protocol_errors} messages were errors")
    if report.snapshots < DELIVERED_MIN * expected:
        faults.append(f"{report.snapshots / max(1.0, expected):.0%} of the snapshots came")
    if report.lateness_ms.p99 > LATENESS_P99_MS_MAX:
        faults.append(f"lateness p99 {report.lateness_ms.p99:.1f} ms")
    return faults
