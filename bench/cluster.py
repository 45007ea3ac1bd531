"""What the servers of a cluster cost each other in Valkey, by their number.

    python -m bench.cluster [--out FILE]

The production adapters over a real Valkey, one caller: heartbeats over a directory of so many
servers, messages, looks for matches without an owner. `python -m deploy.capacity` reckons with it.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
from redis.asyncio import Redis

from bench import machine
from gameserver.adapters.redis_bus import RedisBus
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.config import Config
from gameserver.devstack.process import LOOPBACK, free_port
from gameserver.devstack.valkey import Valkey
from gameserver.ids import MatchId
from gameserver.match.sweep import PAGES_PER_TURN
from gameserver.metrics import Metrics
from gameserver.ports import NodeInfo, OpenMatch
from tests.redis_cluster import RedisCluster

OUT = Path(__file__).parent / "results" / "cluster.md"
SERVERS = (25, 100, 200, 400)
OPEN = (8, 64)
"""Open matches that a heartbeat names: a few usually, since the fullest fill first; 64 at most."""
MATCHES = 10_000
ASKED = 50
NOTE_BYTES = 400
"""About the news of a match of eight."""
MEASURED_S = 1.0
TTL_MS = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one call: µs of CPU in Valkey and in the server, and bytes that Valkey sends."""

    valkey_us: float
    server_us: float
    sent_bytes: float


class Gauge:
    """Measures calls from outside: Valkey by /proc, this process by its own clock."""

    def __init__(self, pids: Sequence[int], clients: Sequence[Redis]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._clients = clients

    async def cost(self, call: Callable[[], Awaitable[int]]) -> Cost:
        """``call`` says how many calls it was. It is repeated for ``MEASURED_S``."""
        await call()
        before, sent = self._used_s(), await self._sent()
        own, until, calls = time.process_time(), time.perf_counter() + MEASURED_S, 0
        while time.perf_counter() < until:
            calls += await call()
        own = time.process_time() - own
        used_s, sent = self._used_s() - before, await self._sent() - sent
        return Cost(
            valkey_us=used_s / calls * 1e6, server_us=own / calls * 1e6, sent_bytes=sent / calls
        )

    def _used_s(self) -> float:
        times = [one.cpu_times() for one in self._processes]
        return float(sum(each.user + each.system for each in times))

    async def _sent(self) -> int:
        all_stats = [await one.info("stats") for one in self._clients]
        return sum(int(stats["total_net_output_bytes"]) for stats in all_stats)


def info(number: int, open_matches: int) -> NodeInfo:
    """What a busy server says of itself; names as ECS gives them."""
    return NodeInfo(
        name=f"ip-10-0-{number // 250}-{number % 250}-7a3f9c2e",
        state="ready",
        load=0.35,
        sessions=500,
        matches=63,
        players=500,
        open=[
            OpenMatch(f"01JDQK3V7N8W2M4X{number:05d}{one:05d}", "arena", "standard", 7)
            for one in range(open_matches)
        ],
    )


async def heartbeat(config: Config, gauge: Gauge, servers: int, open_matches: int) -> Cost:
    """One heartbeat where ``servers`` are there."""
    async with RedisDirectory.connect(config, clock=WallClock(), metrics=Metrics()) as directory:
        for number in range(servers):
            await directory.beat(info(number, open_matches), ttl_ms=TTL_MS)
        own = info(0, open_matches)

        async def call() -> int:
            assert len(await directory.beat(own, ttl_ms=TTL_MS)) == servers
            return 1

        return await gauge.cost(call)


async def sweep(config: Config, gauge: Gauge) -> tuple[Cost, Cost]:
    """A question for the turn that is answered with no; and 1,000 matches looked at, of
    ``MATCHES`` that all have an owner."""
    async with RedisMatchStore.connect(config, metrics=Metrics()) as store:
        for number in range(MATCHES):
            await store.acquire(MatchId(f"01JDQK3V7N{number:016d}"), owner="a", lease_ttl_ms=TTL_MS)

        async def ask() -> int:
            for _ in range(ASKED):
                assert await store.take_turn(turn_ms=TTL_MS) is None
            return ASKED

        async def walk() -> int:
            place, pages = 0, 0
            while True:
                if pages % PAGES_PER_TURN == 0:
                    assert await store.take_turn(turn_ms=TTL_MS, at_once=True) is not None
                page = await store.orphans(place)
                place, pages = page.next_place, pages + 1
                assert not page.orphans
                if not place:
                    return MATCHES // 1_000

        walked = await gauge.cost(walk)
        return await gauge.cost(ask), walked


async def cluster_sweep() -> tuple[Cost, Cost]:
    """The same in a Redis Cluster, where the leases of matches are on all servers."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        with RedisCluster(Path(directory) / "cluster", prefix="b") as cluster:
            config = Config(redis_url=cluster.url, redis_prefix="b", redis_cluster=True)
            async with AsyncExitStack() as stack:
                clients = [
                    await stack.enter_async_context(Redis(port=one.port)) for one in cluster.members
                ]
                pids = [one.pid for one in cluster.members if one.pid is not None]
                return await sweep(config, Gauge(pids, clients))


async def note(config: Config, gauge: Gauge, port: int, servers: int) -> Cost:
    """One message to one of ``servers``, who are all told: sent by the bus, and delivered. What it
    costs to take it is not in the figure: a server hears a few of what the sender sends."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    channels = " ".join(f"{config.redis_prefix}:to:{one}" for one in range(servers))
    writer.write(f"SUBSCRIBE {channels}\r\n".encode())
    body, rest = bytes(NOTE_BYTES), b""
    async with RedisBus(config, node="s", entropy=SystemEntropy(), metrics=Metrics()) as bus:

        async def call() -> int:
            nonlocal rest
            for number in range(servers):
                bus.send(str(number), body)
            left = servers
            while left > 0:
                rest += await reader.read(1 << 20)
                left -= rest.count(_MESSAGE)
                rest = rest[1 - len(_MESSAGE) :]
            return servers

        try:
            return await gauge.cost(call)
        finally:
            writer.close()


async def measure(url: str, port: int, pid: int) -> list[str]:
    """The tables of the report."""
    async with Redis.from_url(url) as client:
        gauge = Gauge([pid], [client])
        lines = ["## A heartbeat, two a second of each server", "", _HEAD.format("servers")]
        for open_matches in OPEN:
            for servers in SERVERS:
                await client.flushall()
                config = Config(redis_url=url, redis_prefix="b")
                cost = await heartbeat(config, gauge, servers, open_matches)
                lines.append(_row(f"{servers}, each with {open_matches} open matches", cost))
        await client.flushall()
        lines += ["", "## Looking for matches without an owner, in turn", ""]
        lines += [_HEAD.format(f"of {MATCHES:,} matches, each with its owner")]
        for where, (asked, walked) in (
            ("", await sweep(Config(redis_url=url, redis_prefix="b"), gauge)),
            (", in a cluster of three, all of them together", await cluster_sweep()),
        ):
            lines.append(_row(f"1,000 looked at{where}", walked))
            lines.append(_row(f"a question whose turn it is{where}", asked))
        cost = await note(Config(redis_url=url, redis_prefix="b"), gauge, port, 100)
        lines += ["", "## A message from server to server, as news of a match's tickets are", ""]
        lines += [_HEAD.format("bytes"), _row(f"{NOTE_BYTES}, to each of 100 servers", cost)]
    return lines


_MESSAGE = b"$7\r\nmessage\r\n"
_HEAD = "| {} | Valkey, µs of CPU | server, µs of CPU | bytes from Valkey |\n|---|--:|--:|--:|"


def _row(name: str, cost: Cost) -> str:
    figures = " | ".join(
        f"{one:,.1f}" if one < 100 else f"{one:,.0f}"
        for one in (cost.valkey_us, cost.server_us, cost.sent_bytes)
    )
    return f"| {name} | {figures} |"


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    place = machine.place()
    facts = "; ".join(f"{name} {value}" for name, value in machine.facts().items())
    lines = ["# What servers of a cluster cost each other", ""]
    lines += [
        f"`python -m bench.cluster`; {facts}; load average before {machine.load_average():.1f}",
        "",
        "One caller on one core, a single Valkey on another; of one call each.",
        "",
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        where = Path(directory)
        service = Valkey(port=free_port(), data=where / "valkey", log=where / "valkey.log")
        with machine.on_cores(frozenset({place.generator})):
            service.start()
        try:
            assert service.pid is not None
            with machine.on_cores(frozenset({place.server})):
                lines += asyncio.run(measure(service.url, service.port, service.pid))
        finally:
            service.stop()
    given.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
