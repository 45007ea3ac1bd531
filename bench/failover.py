"""``make failover``: what players notice when nodes die or are exchanged, seen by real clients.

    swarm ──► balancer ──► 3 nodes ──► Valkey, SQS ──► worker ──► PostgreSQL

Endless matches of eight. *Kill*: SIGKILL to one node after another. *Rolling restart*: SIGTERM to
each node, and a new one when it has gone. The swarm writes down how long each bot waited for the
next frame of its match (``botswarm --pauses``); at the end what bots were told is compared with
PostgreSQL. *Relay*: two groups of bots play one match, one on the node that owns it, one on
another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench import machine, toolbox
from bench.failover_report import Pausing, Relayed, Results, markdown, plot_data
from botswarm import check, pauses
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Stack
from gameserver.devstack.tokens import bot_name, bot_player

PAUSE_MS = 150.0
"""Three ticks; a shorter wait for a frame is none."""
RAMP_S = 6.0
STEADY_S = 5.0
AWAY_S = 3.0
"""How long a killed node stays away."""
BETWEEN_S = 8.0
CALM_S = 3.0
"""After its start a node is busy for a moment, and gives new matches away."""
RELAY_BOTS = 24
RELAY_S = 20.0
RELAY_RATE = 17.0
"""Not the tick rate, so that inputs meet the tick at every phase."""
NODES = 3

Action = Callable[[Stack, str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write ``failover.md`` and ``failover.png``. Exit code 1: a promise was broken."""
    given = _parse(arguments)
    out = toolbox.BENCH / "results"
    with tempfile.TemporaryDirectory(prefix="failover-") as name:
        directory = Path(name)
        killed = _pausing(directory / "kill", given.bots, given.rounds, _kill)
        rolled = _pausing(directory / "rolling", given.bots, 1, _restart)
        relayed = [_relay(directory / f"relay-{n}", first=n) for n in range(2)]
    results = Results(
        machine=machine.facts(),
        bots=given.bots,
        over_ms=PAUSE_MS,
        killed=killed,
        rolled=rolled,
        relayed=relayed,
    )
    (out / "failover.md").write_text(markdown(results))
    data = toolbox.BUILD / "failover.json"
    data.parent.mkdir(exist_ok=True)
    data.write_bytes(msgspec.json.encode(plot_data(results)))
    try:
        plots = toolbox.BENCH / "plots_failover.py"
        command = [str(toolbox.venv_python()), str(plots), str(data), str(out / "failover.png")]
        subprocess.run(command, timeout=120, check=True)
    except (toolbox.Missing, subprocess.SubprocessError) as error:
        print(f"failover: no plot: {error}", file=sys.stderr)
    print((out / "failover.md").read_text())
    broken = [*killed.broken, *rolled.broken]
    for sentence in broken:
        print(f"broken: {sentence}", file=sys.stderr)
    return 1 if broken else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make failover", description=__doc__.splitlines()[0])
    parser.add_argument("--bots", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2, help="kills of each node (default: 2)")
    given = parser.parse_args(arguments)
    if not 8 <= given.bots <= 5_000 or not 1 <= given.rounds <= 20:
        parser.error("--bots lies between 8 and 5000, --rounds between 1 and 20")
    return given


def _kill(stack: Stack, name: str) -> None:
    stack.kill(name)
    time.sleep(AWAY_S)
    stack.start(name, progress=_silent)


def _restart(stack: Stack, name: str) -> None:
    stack.stop(name)
    stack.start(name, progress=_silent)


def _pausing(directory: Path, bots: int, rounds: int, action: Action) -> Pausing:
    """Let ``action`` happen to each node, ``rounds`` times, under ``bots``."""
    with _cluster(directory) as stack:
        steps = rounds * NODES
        at: list[float] = []
        swarm = Swarm(stack, directory, stack.settings.ws_url, numbers=range(1, bots + 1))
        # The length is not known before: the swarm is told to stop instead.
        swarm.start("--mode", "bench", "--ramp", str(RAMP_S), "--duration", "3600")
        time.sleep(RAMP_S + STEADY_S)
        names = list(stack.nodes)
        for step in range(steps):
            at.append(time.time())
            action(stack, names[step % NODES])
            print(f"{action.__name__[1:]} {names[step % NODES]}", file=sys.stderr, flush=True)
            time.sleep(BETWEEN_S)
        report = swarm.stop()
        header, found = pauses.read(directory / "pauses.jsonl")
        comparison = asyncio.run(
            check.check(directory / "ledger.jsonl", dsn=stack.postgres_dsn, wait_s=60)
        )
    broken = list(comparison.differences)
    matches = math.ceil(bots / 8)
    if report["counts"]["matches_joined"] != matches:
        broken.append(f"{report['counts']['matches_joined']} matches were seen, not {matches}")
    if report["counts"]["playing_at_end"] != bots:
        broken.append(f"{report['counts']['playing_at_end']} of {bots} bots play at the end")
    if header.uncounted:
        broken.append(f"{header.uncounted} pauses were not kept")
    return Pausing(
        at_s=at,
        pauses=found,
        errors=report["errors"],
        counts=report["counts"],
        cpu=report["cpu"],
        told=comparison.events_told,
        broken=broken,
    )


def _relay(directory: Path, *, first: int) -> Relayed:
    """Input→snapshot of two halves of a match, the second on a node that does not own it."""
    with _cluster(directory) as stack:
        nodes = list(stack.nodes.values())
        swarms = []
        for half in range(2):
            url = nodes[(first + half) % NODES].ws_url
            low = 1 + half * RELAY_BOTS
            numbers = range(low, low + RELAY_BOTS)
            swarm = Swarm(stack, directory / f"half-{half}", url, numbers=numbers)
            seconds = str(RELAY_S + (RAMP_S if half == 0 else 0))
            arguments = ["--mode", "crowd", "--ramp", "1", "--duration", seconds]
            swarm.start(*arguments, "--rate", str(RELAY_RATE))
            swarms.append(swarm)
            time.sleep(RAMP_S / 2)
        time.sleep(RAMP_S / 2)
        links = [_links(node.api_url) for node in nodes]
        own, other = (swarm.wait() for swarm in swarms)
    if sorted(links) != [0] * (NODES - 1) + [RELAY_BOTS]:
        raise RuntimeError(f"relayed players by node: {links}, not {RELAY_BOTS} on one of them")
    return Relayed(own=own["latency"], other=other["latency"])


def _links(url: str) -> int:
    """Players on a node whose match is elsewhere."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("gameserver_links_remote "):
                return int(float(line.split()[1]))
    raise RuntimeError("there is no metric gameserver_links_remote")


@contextmanager
def _cluster(directory: Path) -> Iterator[Stack]:
    directory.mkdir(parents=True)
    stack = Stack(on_free_ports(directory / "stack", nodes=NODES))
    with stack:
        stack.start(progress=_silent)
        time.sleep(CALM_S)
        yield stack


class Swarm:
    """A swarm in a process of its own; its files are in ``directory``."""

    def __init__(self, stack: Stack, directory: Path, url: str, *, numbers: range) -> None:
        directory.mkdir(exist_ok=True)
        cognito = stack.moto.cognito()
        self._directory, self._url, self._bots = directory, url, len(numbers)
        (directory / "tokens").write_text(
            "".join(cognito.token(bot_player(i), username=bot_name(i)) + "\n" for i in numbers)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        at = self._directory
        command = [sys.executable, "-m", "botswarm", "--url", self._url, "--quiet"]
        command += ["--tokens", str(at / "tokens"), "--bots", str(self._bots)]
        command += ["--brain", "scripted", "--reading", "woken", "--max-error-rate", "1"]
        command += ["--report", str(at / "report.json"), "--ledger", str(at / "ledger.jsonl")]
        command += ["--pauses", str(at / "pauses.jsonl"), "--pause-ms", str(PAUSE_MS)]
        with (at / "swarm.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *arguments], cwd=toolbox.BENCH.parent, stdout=log, stderr=log
            )

    def stop(self) -> dict[str, Any]:
        assert self._process is not None
        self._process.terminate()
        return self.wait()

    def wait(self) -> dict[str, Any]:
        """Its report. Raises ``RuntimeError`` if it has left none."""
        assert self._process is not None
        self._process.wait(timeout=120)
        report = self._directory / "report.json"
        if not report.exists():
            raise RuntimeError((self._directory / "swarm.log").read_text()[-2000:])
        return dict(json.loads(report.read_text()))


def _silent(name: str) -> None:
    """Nobody is told what starts."""


if __name__ == "__main__":
    sys.exit(main())
