"""How long a call of the HTTP API takes, beside the same answer from a bare aiohttp handler.

    python -m bench.http [--seconds N] [--rate N] [--out FILE]

The server has one core to itself, the generator the other. The API is the real one: token of RS256
verified, limits counted, parameters decoded, page sorted and encoded; only what is behind it (the
list of matches, the board, the cached profile) is in memory. The bare handler sends the bytes of
the same answer and does nothing else. Requests are due at fixed times over 32 connections, and a
latency counts from when its request was due, so that a server that stalls is charged for all who
wait.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil
import uvloop

from bench.http_server import CALLS
from bench.leaderboard import quantile
from bench.machine import place

OUT = Path(__file__).parent / "results" / "http.md"
CONNECTIONS = 32
WARM_S = 2.0
RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Of one run. ``cpu_us``: the server's CPU time for each request."""

    latencies_ms: list[float]
    cpu_us: float
    sent: int
    refused: int
    body_bytes: int


@asynccontextmanager
async def serving(kind: str, core: int) -> AsyncIterator[tuple[psutil.Process, int, str]]:
    """The server process of ``kind`` on ``core``: itself, its port, a token."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.http_server", kind, str(core), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        told = json.loads(await process.stdout.readline())
        yield psutil.Process(process.pid), told["port"], told["token"]
    finally:
        process.terminate()
        await process.wait()


class _Connection(asyncio.Protocol):
    """Keeps one connection; answers come in the order of the requests."""

    def __init__(self, latencies_ms: list[float]) -> None:
        self._latencies_ms = latencies_ms
        self.due: deque[float] = deque()
        self.refused = 0
        self.body_bytes = 0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its bases

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._latencies_ms.append((time.perf_counter() - self.due.popleft()) * 1000)
            self.refused += b" 200 " not in head[:20]
            self.body_bytes = length


async def run(
    process: psutil.Process, port: int, request: bytes, *, rate: int, seconds: float
) -> Measured:
    """``rate`` requests a second for ``seconds``, after a warm-up that does not count."""
    latencies_ms: list[float] = []
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(latencies_ms), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    connections = [protocol for _, protocol in made]
    await _send(connections, request, rate=rate, seconds=WARM_S)
    latencies_ms.clear()
    before = process.cpu_times()
    sent = await _send(connections, request, rate=rate, seconds=seconds)
    after = process.cpu_times()
    for connection in connections:
        connection.transport.close()
    used_s = after.user + after.system - before.user - before.system
    return Measured(
        latencies_ms=latencies_ms,
        cpu_us=used_s * 1e6 / sent,
        sent=sent,
        refused=sum(connection.refused for connection in connections),
        body_bytes=connections[0].body_bytes,
    )


async def _send(
    connections: list[_Connection], request: bytes, *, rate: int, seconds: float
) -> int:
    begun = time.perf_counter()
    count = int(rate * seconds)
    for number in range(count):
        due = begun + number / rate
        if (wait_s := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        connection = connections[number % len(connections)]
        connection.due.append(due)
        connection.transport.write(request)
    async with asyncio.timeout(30):
        while any(connection.due for connection in connections):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return count


async def measure(*, rate: int, seconds: float) -> list[str]:
    """The lines of the table."""
    where = place()
    os.sched_setaffinity(0, {where.generator})
    lines = [
        "| call | body bytes | p50 ms | p99 ms | max ms | CPU µs a request | bare: p50 ms "
        "| p99 ms | CPU µs | ratio of CPU |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, path in CALLS.items():
        ours: list[Measured] = []
        bare: list[Measured] = []
        for _ in range(RUNS):
            for kind, found in (("api", ours), ("bare", bare)):
                async with serving(kind, where.server) as (process, port, token):
                    head = (
                        f"GET {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\n\r\n"
                    )
                    found.append(
                        await run(process, port, head.encode(), rate=rate, seconds=seconds)
                    )
        lines.append(_line(name, ours, bare))
        print(lines[-1], flush=True)
    return lines


def _line(name: str, ours: list[Measured], bare: list[Measured]) -> str:
    assert not any(each.refused for each in (*ours, *bare)), "answers other than 200"
    figures = []
    for runs in (ours, bare):
        p50, p99, most = (
            sorted(quantile(run.latencies_ms, q) for run in runs)[len(runs) // 2]
            for q in (0.5, 0.99, 1.0)
        )
        figures.append((p50, p99, most, sorted(run.cpu_us for run in runs)[len(runs) // 2]))
    (p50, p99, most, cpu), (bare_p50, bare_p99, _, bare_cpu) = figures
    return (
        f"| {name} | {ours[0].body_bytes:,} | {p50:.2f} | {p99:.2f} | {most:.1f} | {cpu:.0f} "
        f"| {bare_p50:.2f} | {bare_p99:.2f} | {bare_cpu:.0f} | {cpu / bare_cpu:.1f} |"
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each run")
    parser.add_argument("--rate", type=int, default=500, help="requests a second")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    lines = uvloop.run(measure(rate=options.rate, seconds=options.seconds))
    python = ".".join(str(part) for part in sys.version_info[:3])
    day = time.strftime("%Y-%m-%d")
    head = [
        "# The HTTP API under load",
        "",
        f"`python -m bench.http`, {day}, CPython {python}, uvloop: {options.rate} requests a "
        f"second over {CONNECTIONS} connections for {options.seconds:g} s, the server alone on one "
        "core, the generator on the other; latencies count from when a request was due. Medians "
        f"of {RUNS} runs, each with a new process. *Bare*: an aiohttp handler that sends the same "
        "bytes, in turn with the API.",
        "",
    ]
    options.out.write_text("\n".join([*head, *lines]) + "\n")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
