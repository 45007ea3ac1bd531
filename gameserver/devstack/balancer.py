"""One address for several nodes: a TCP load balancer for the development stack.

    client ──► door "ws"   ─┐ the node with the fewest open connections of that door,
    client ──► door "http" ─┴─ of those that are ready ──► gameserver-1 … gameserver-n

    python -m gameserver.devstack.balancer --status-port 8086 --door ws=8080 --door http=8081 \\
        --node gameserver-1=ws:8090,http:8091 --node gameserver-2=ws:8100,http:8101

    GET http://127.0.0.1:8086/   {"nodes":[{"name","ready","open":{"ws":3}}],"turned_away":0}

It looks at no byte that passes. A node is ready while its ``/readyz`` (behind the door "http")
answers 200; one that is not gets no new connections and keeps those it has. A connect that fails
tries the next node. Where no node is ready all of them are tried, so that a fault of the check
alone takes nothing away.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import aiohttp
import uvloop
from aiohttp import web

from gameserver.devstack.balancer_pipe import Client, End
from gameserver.devstack.process import LOOPBACK

CHECK_INTERVAL_S = 0.2
CHECK_TIMEOUT_S = 0.6
CHECKS_MISSED_MAX = 2
"""A check that gets no answer at all may have met a busy moment; as many in a row do not."""
CONNECT_S = 1.0
CONNECTIONS_MAX = 20_000
"""Over it a client is turned away at once."""
BACKLOG = 1024
HTTP = "http"


@dataclass(slots=True, kw_only=True, eq=False)
class Backend:
    """A node: its port behind each door, and how many connections each door has to it."""

    name: str
    ports: Mapping[str, int]
    ready: bool = False
    misses: int = 0
    open: dict[str, int] = field(default_factory=dict)
    picked: int = 0

    def burden(self, door: str) -> tuple[bool, int, int]:
        """The least is chosen: one that is ready, then by connections, then in turn."""
        return (not self.ready, self.open.get(door, 0), self.picked)

    def missed(self) -> None:
        """A check got no answer."""
        self.misses += 1
        if self.misses >= CHECKS_MISSED_MAX:
            self.ready = False

    def answered(self, status: int) -> None:
        """A check got an answer."""
        self.misses = 0
        self.ready = status == 200

    def refused(self) -> None:
        """It takes no connections: the next check says when it does again."""
        self.ready = False


class Balancer:
    """``async with Balancer(...)``: listens and checks until the block ends."""

    def __init__(self, backends: Sequence[Backend], *, doors: Mapping[str, int]) -> None:
        """``doors``: the port of each; 0 picks a free one, which ``ports`` then tells."""
        self.backends = list(backends)
        self.ports = dict(doors)
        self.turned_away = 0
        self._picks = 0
        self._servers: list[asyncio.Server] = []
        self._checks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Balancer:
        loop = asyncio.get_running_loop()
        for door, port in list(self.ports.items()):
            server = await loop.create_server(
                partial(Client, self, door),
                LOOPBACK,
                port,
                backlog=BACKLOG,
            )
            self._servers.append(server)
            self.ports[door] = server.sockets[0].getsockname()[1]
        self._checks = [loop.create_task(self._check(one)) for one in self.backends]
        return self

    async def __aexit__(self, *error: object) -> None:
        for server in self._servers:
            server.close()
        for check in self._checks:
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    # ── balancer_pipe.Chooser ────────────────────────────────────────────────────────────────────

    async def connect(self, door: str) -> tuple[End, Callable[[], None]] | None:
        """See ``Chooser``."""
        if sum(sum(one.open.values()) for one in self.backends) >= CONNECTIONS_MAX:
            self.turned_away += 1
            return None
        untried = list(self.backends)
        while untried:
            backend = min(untried, key=lambda one: one.burden(door))
            untried.remove(backend)
            # Counted before it stands: of a thousand clients at once each must see the others.
            self._opened(backend, door)
            end = End()
            stands = False
            try:
                async with asyncio.timeout(CONNECT_S):
                    await asyncio.get_running_loop().create_connection(
                        partial(_same, end),
                        LOOPBACK,
                        backend.ports[door],
                    )
                stands = True
            except (OSError, TimeoutError):
                backend.refused()
            finally:
                if not stands:
                    backend.open[door] -= 1
                    if end.transport is not None:
                        end.transport.abort()
            if stands:
                return end, partial(self._closed, backend, door)
        self.turned_away += 1
        return None

    def _opened(self, backend: Backend, door: str) -> None:
        self._picks += 1
        backend.picked = self._picks
        backend.open[door] = backend.open.get(door, 0) + 1

    def _closed(self, backend: Backend, door: str) -> None:
        backend.open[door] -= 1

    # ── checks and read-out ──────────────────────────────────────────────────────────────────────

    async def _check(self, backend: Backend) -> None:
        url = f"http://{LOOPBACK}:{backend.ports[HTTP]}/readyz"
        timeout = aiohttp.ClientTimeout(total=CHECK_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    async with session.get(url) as answer:
                        backend.answered(answer.status)
                except aiohttp.ClientConnectorError:
                    backend.refused()
                except (aiohttp.ClientError, OSError, TimeoutError):
                    backend.missed()
                await asyncio.sleep(CHECK_INTERVAL_S)

    async def show(self, request: web.Request) -> web.Response:
        """``GET /`` of the status port."""
        nodes = [{"name": x.name, "ready": x.ready, "open": x.open} for x in self.backends]
        return web.json_response({"nodes": nodes, "turned_away": self.turned_away})


def _same(end: End) -> End:
    return end


# ── the process ──────────────────────────────────────────────────────────────────────────────────


def arguments(
    *, status_port: int, doors: Mapping[str, int], nodes: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """The command line for ``main``."""
    words = ["--status-port", str(status_port)]
    for door, port in doors.items():
        words += ["--door", f"{door}={port}"]
    for name, ports in nodes.items():
        behind = ",".join(f"{door}:{port}" for door, port in ports.items())
        words += ["--node", f"{name}={behind}"]
    return words


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gameserver.devstack.balancer")
    parser.add_argument("--status-port", type=int, required=True)
    parser.add_argument("--door", action="append", required=True, metavar="NAME=PORT")
    parser.add_argument("--node", action="append", required=True, metavar="NAME=DOOR:PORT,…")
    given = parser.parse_args(argv)
    doors = {name: int(port) for name, _, port in (text.partition("=") for text in given.door)}
    backends = []
    for name, _, behind in (text.partition("=") for text in given.node):
        pairs = (pair.partition(":") for pair in behind.split(","))
        backends.append(Backend(name=name, ports={door: int(port) for door, _, port in pairs}))
    _allow_files()
    uvloop.run(_serve(Balancer(backends, doors=doors), given.status_port))
    return 0


async def _serve(balancer: Balancer, status_port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = web.Application()
    app.router.add_get("/", balancer.show)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    async with balancer:
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, status_port).start()
            await stop.wait()
        finally:
            await runner.cleanup()


def _allow_files() -> None:
    """Two sockets a connection: as many open files as the system lets this user have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
