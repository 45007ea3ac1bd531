"""One measurement: a server under a number of players, seen by the load generator."""

from __future__ import annotations

import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.programs import Failed, Running

LATENESS_P99_MS_MAX = 10.0
"""Of snapshots: what a server may do and still hold its clients."""
COUNTERS = ("snapshots_replaced", "slow_consumers", "bytes_sent")
_METRICS_TIMEOUT_S = 10
_LEFT_BEHIND = "session_records_waiting"
"""What joining leaves to be done afterwards; a cycle is measured when it is done."""
SETTLE_S_MAX = 90.0
_POLL_S = 1.0
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
    rss_mib: float = 0.0  # of the server at the end, all of it
    connect_cpu_ms: float  # per player, from TCP to a seat
    connects_per_s: float  # as they happened; the generator may have asked for no more
    generator_cpu: float
    generator_late_p99_ms: float
    generator_is_bottleneck: bool
    faults: tuple[str, ...]
    """Why the server does not hold these players; empty if it does."""
    slow: int = 0  # of the players: they read nothing, and are in no figure but the server's own
    hz: int = 20
    counters: dict[str, float] = {}
    """What the server's own counters rose by, from before the first connection."""

    @property
    def passes(self) -> bool:
        return not self.faults


def added_latency_p99_ms(sample: Sample) -> float | None:
    """What input→snapshot takes over the wait for the tick. Of inputs sent at any time, 99 % wait
    for 0.99 periods at most, so that much is no server's doing."""
    if sample.latency_ms is None:
        return None
    return sample.latency_ms.p99 - 0.99 * 1_000 / sample.hz


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
    slow: int = 0  # of the players: they stop reading for good
    join: bool = True  # else sessions are opened and stay without a match


def measure(generator: Path, load: Load, server: Running, *, subject: str, dialect: str) -> Sample:
    """Run the load generator, on the caller's cores, and read its report.

    Raises ``Failed`` with what the generator said if it could not measure.
    """
    watched = ",".join(map(str, [*server.pids, *server.services.values()]))
    command = [str(generator), "--port", str(server.port), "--dialect", dialect, "--watch", watched]
    command += ["--conns", str(load.players), "--connect-rate", str(load.connects_per_s)]
    command += ["--warmup", str(load.warmup_s), "--seconds", str(load.seconds)]
    command += ["--rate", str(load.hz), "--tick-hz", str(load.hz), *server.options]
    command += ["--slow", str(load.slow), "--join", str(int(load.join))]
    counted = counters(server)
    limit_s = 60 + load.players / 20 + load.warmup_s + load.seconds
    if server.metrics_url and load.join:
        command += ["--settle", str(SETTLE_S_MAX)]
        limit_s += SETTLE_S_MAX
    output, said = _generate(command, server, limit_s=limit_s)
    if not output.startswith("{"):
        raise Failed(f"the generator said: {said[-500:]}")
    report = msgspec.json.decode(output, type=_Report)
    if load.join and not report.snapshots:
        # A cost per nothing would enter the medians as an absurd number.
        raise Failed(
            f"no snapshot came; {report.seated} of {report.players} players found a seat: "
            f"{said[-300:]}"
        )
    sample = _sample(report, load, server, subject=subject)
    rose = {name: value - counted.get(name, 0.0) for name, value in counters(server).items()}
    return msgspec.structs.replace(sample, counters=rose)


def _generate(command: list[str], server: Running, *, limit_s: float) -> tuple[str, str]:
    """What the generator printed, and what it said on the way. While nothing is left behind by
    joining it is told so; it takes that for an answer once its warm-up is over. Once it measures,
    the server is asked nothing any more: an answer costs it several ms."""
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(
            [*command, "--begun", f"{directory}/begun"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child,
    ):
        begun = Path(directory, "begun")
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                output, said = child.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                waits = "--settle" in command and not begun.exists()
                if waits and _read(server).get(_LEFT_BEHIND) == 0.0:
                    child.send_signal(signal.SIGUSR1)
            else:
                return output, said.strip()
        child.kill()
    raise Failed(f"the generator did not end within {limit_s:.0f} s")


def counters(server: Running) -> dict[str, float]:
    """The server's own counters of backpressure; empty where it has none."""
    read = _read(server)
    return {name: read[f"{name}_total"] for name in COUNTERS if f"{name}_total" in read}


def _read(server: Running) -> dict[str, float]:
    """The server's metrics, without their prefix; empty where it shows none."""
    if not server.metrics_url:
        return {}
    # The certificate is one that the benchmark has made for this machine.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(
            server.metrics_url, timeout=_METRICS_TIMEOUT_S, context=context
        ) as answer:
            lines = answer.read().decode().splitlines()
    except OSError as error:
        raise Failed(f"{server.metrics_url}: {error}") from None
    pairs = (line.rpartition(" ") for line in lines if line.startswith("gameserver_"))
    return {name.removeprefix("gameserver_"): float(value) for name, _, value in pairs}


def _sample(report: _Report, load: Load, server: Running, *, subject: str) -> Sample:
    own, beside = report.watched[: len(server.pids)], report.watched[len(server.pids) :]
    cpu_s = sum(one.cpu_s for one in own)
    cycles = max(1, report.snapshots)
    rss_kib = sum(one.rss_end_kib - one.rss_start_kib for one in own)
    expected = (report.players - load.slow) * load.hz * report.seconds
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
        delivered=report.snapshots / expected if expected and load.join else 0.0,
        rss_kib_per_player=rss_kib / report.players,
        rss_mib=sum(one.rss_end_kib for one in own) / 1024,
        connect_cpu_ms=sum(one.connect_cpu_s for one in own) * 1e3 / report.players,
        connects_per_s=report.seated / max(report.connect_s, 1e-3),
        generator_cpu=report.generator.cpu,
        generator_late_p99_ms=report.generator.late_p99_ms,
        generator_is_bottleneck=report.generator.bottleneck,
        faults=tuple(_faults(report, expected if load.join else 0.0)),
        slow=load.slow,
        hz=load.hz,
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
