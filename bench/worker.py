"""``make bench-worker``: the persistence worker beside a plain one and COPY, in one run.

    relay's packer ──► SQS stand-in ──► worker process ──► PostgreSQL with fsync

Writes ``results/worker.md`` and its plot. The parts can be run by themselves, in less time:
``--only rates``, ``other``, ``latency``, ``memory``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import machine, match_events, toolbox, worker_runs
from bench.match_events import stream
from bench.worker_latency import latency
from bench.worker_report import Results, Round, markdown, plot_data
from bench.worker_stack import Stack, stack
from persistence_worker.migrate import migrate
from tests.worker.builders import match_id, story

MIX = "as played"
ROUNDS = 3
EVENTS = 300_000
PLAIN_EVENTS = 1_500
MILLION = 1_000_000
SMALL_MESSAGE = 40
"""What a relay has gathered within its linger time from 2,400 players of the arena."""
LATENCY_S = 10.0
PARTS = ("rates", "other", "latency", "memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.worker", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="these parts")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--data", type=Path, default=toolbox.BUILD / "worker.json")
    given = parser.parse_args(arguments)
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "bench")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "bench")
    facts = {**machine.facts(), "niceness": str(os.nice(0))}
    results = Results(facts=facts, mix=match_events.shape(MIX))
    if given.only and given.data.exists():
        results = msgspec.json.decode(given.data.read_bytes(), type=Results)
        results.facts = facts
    with stack() as services:
        asyncio.run(_measure(services, results, given))
    given.data.parent.mkdir(parents=True, exist_ok=True)
    given.data.write_bytes(msgspec.json.encode(results))
    if results.rounds:
        _write(results)
    return 0


async def _measure(services: Stack, results: Results, given: argparse.Namespace) -> None:
    parts = given.only or PARTS
    await migrate(services.dsn)
    if "rates" in parts:
        await _rates(services, results, given.events, given.rounds)
    if "other" in parts:
        await _other(services, results, given.events // 3, given.rounds)
    if "latency" in parts:
        await _latency(services, results)
    if "memory" in parts:
        print("a million…", flush=True)
        results.million = await worker_runs.drain(services, list(stream(MIX, MILLION)))


async def _rates(services: Stack, results: Results, events: int, rounds: int) -> None:
    records = list(stream(MIX, events))
    results.rounds = []
    for _ in range(rounds):
        ours = await worker_runs.drain(services, records)
        one = Round(
            ours=ours,
            copy=await worker_runs.copy(services),
            sink=await worker_runs.sink(services, records),
            plain=await worker_runs.plain(services, records[:PLAIN_EVENTS]),
        )
        results.rounds.append(one)
        rates = (each.per_s for each in (one.ours, one.copy, one.sink, one.plain))
        print("ours, COPY, sink, plain:", *(f"{rate:,.0f}" for rate in rates), flush=True)


async def _other(services: Stack, results: Results, events: int, rounds: int) -> None:
    mixed, short = list(stream(MIX, events)), list(stream("short matches", events))
    twelve = [raw for _ in range(events // 12) for raw in story(match_id(), scores=5)]
    given = {
        f"the same, {SMALL_MESSAGE} events a message": (mixed, SMALL_MESSAGE),
        "arena's quick matches: an end in 32 events, 8 results each": (short, None),
        "an end in 12 events, 2 results each, always the same two players": (twelve, None),
    }
    results.other = {name: [] for name in given}
    for _ in range(rounds):
        for name, (records, records_max) in given.items():
            run = await worker_runs.drain(services, records, records_max=records_max)
            results.other[name].append(run)
            print(f"{name}: {run.per_s:,.0f}", flush=True)
    for name, records, records_max in (
        ("full messages", mixed, None),
        ("messages of one event", mixed[:10_000], 1),
    ):
        results.ceilings[name] = await worker_runs.ceiling(services, records, records_max)


async def _latency(services: Stack, results: Results) -> None:
    # Kept from the next start on.
    services.postgres.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    await asyncio.to_thread(services.restart_postgres)
    limit = sorted(each.ours.per_s for each in results.rounds)[len(results.rounds) // 2]
    per_s = limit / 4
    # Played before: the time it takes would be in every figure.
    records = list(stream(MIX, round(per_s * (LATENCY_S + 4))))
    results.latency = await latency(services, records, per_s=per_s, seconds=LATENCY_S)
    print(results.latency, flush=True)
    services.postgres.execute("ALTER SYSTEM SET track_commit_timestamp = off")
    await asyncio.to_thread(services.restart_postgres)


def _write(results: Results) -> None:
    out = toolbox.BENCH / "results"
    page = markdown(results, command="make bench-worker")
    (out / "worker.md").write_text(page)
    print(page)
    data = toolbox.BUILD / "worker_plot.json"
    data.write_text(json.dumps(plot_data(results)))
    try:
        python = toolbox.venv_python()
    except toolbox.Missing as error:
        print(f"no plot: {error}", file=sys.stderr)
        return
    script = toolbox.BENCH / "plots_worker.py"
    subprocess.run([str(python), str(script), str(data), str(out / "worker.png")], check=True)


if __name__ == "__main__":
    sys.exit(main())
