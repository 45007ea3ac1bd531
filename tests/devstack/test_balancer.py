"""The balancer between real sockets: who gets a connection, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from aiohttp import web

from gameserver.devstack import balancer
from gameserver.devstack.balancer import Backend, Balancer
from gameserver.devstack.process import free_port


class Node:
    """A server behind the door ``ws``, and the ``/readyz`` that the balancer asks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ports = {"ws": free_port(), "http": free_port()}
        self.ready = True
        self.writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.ports["http"]).start()
        await self.open_door()

    async def open_door(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.ports["ws"])

    async def close_door(self) -> None:
        self._server.close()

    async def stop(self) -> None:
        self._server.close()
        for writer in self.writers:
            writer.close()
        await self._runner.cleanup()

    async def _readyz(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if self.ready else 503)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers each line with its own name; says how much there was when the client ends."""
        self.writers.append(writer)
        size = 0
        try:
            async for line in reader:
                size += len(line)
                if len(line) < 100:
                    writer.write(self.name.encode() + b":" + line)
            writer.write(b"%d bytes\n" % size)
            writer.close()
        except OSError:
            writer.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 (a socket's other end tells nobody)
            await asyncio.sleep(0.01)


async def ended(reader: asyncio.StreamReader) -> None:
    """The other side has closed or reset the connection."""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(10):
            assert await reader.read(1) == b""


@pytest.fixture
async def nodes():
    nodes = [Node(name) for name in "abc"]
    for node in nodes:
        await node.start()
    yield nodes
    for node in nodes:
        await node.stop()


@pytest.fixture
async def front(nodes):
    backends = [Backend(name=node.name, ports=node.ports) for node in nodes]
    async with Balancer(backends, doors={"ws": 0, "http": 0}) as running:
        await until(lambda: all(one.ready for one in backends))
        yield running


class Client:
    async def connect(self, front: Balancer) -> str:
        """The node that took it."""
        port = front.ports["ws"]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        return await self.ask()

    async def ask(self) -> str:
        self.writer.write(b"who\n")
        return (await self.reader.readline()).decode().partition(":")[0]

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
async def clients():
    made: list[Client] = []

    async def connect(front: Balancer, count: int) -> list[str]:
        mine = [Client() for _ in range(count)]
        made.extend(mine)
        return await asyncio.gather(*(client.connect(front) for client in mine))

    connect.made = made
    yield connect
    for client in made:
        client.writer.close()


def test_the_command_line_says_what_the_stack_means():
    words = balancer.arguments(
        status_port=1, doors={"ws": 2, "http": 3}, nodes={"n": {"ws": 4, "http": 5}}
    )
    assert words == "--status-port 1 --door ws=2 --door http=3 --node n=ws:4,http:5".split()


async def test_clients_at_once_are_spread_evenly(front, clients):
    took = await clients(front, 9)
    assert sorted(took) == [*"aaabbbccc"]


async def test_a_node_that_is_not_ready_keeps_its_connections_and_gets_no_new_ones(
    front, nodes, clients
):
    await clients(front, 3)
    nodes[0].ready = False
    await until(lambda: not front.backends[0].ready)
    assert sorted(await clients(front, 4)) == [*"bbcc"]
    assert sorted([await client.ask() for client in clients.made]) == [*"abbbccc"]
    nodes[0].ready = True
    await until(lambda: front.backends[0].ready)
    assert await clients(front, 2) == ["a", "a"], "the one with the fewest"


async def test_a_connect_that_is_refused_tries_the_next_node(front, nodes, clients):
    await nodes[0].close_door()
    took = await clients(front, 6)
    assert sorted(took) == [*"bbbccc"]
    assert front.turned_away == 0


async def test_where_none_is_ready_all_are_tried(front, nodes, clients):
    for node in nodes:
        node.ready = False
    await until(lambda: not any(one.ready for one in front.backends))
    assert sorted(await clients(front, 3)) == [*"abc"]


async def test_where_none_takes_it_the_client_is_turned_away(front, nodes):
    for node in nodes:
        await node.close_door()
    reader, writer = await asyncio.open_connection("127.0.0.1", front.ports["ws"])
    await ended(reader)
    writer.close()
    assert front.turned_away == 1


async def test_over_its_bound_a_client_is_turned_away(front, clients, monkeypatch):
    monkeypatch.setattr(balancer, "CONNECTIONS_MAX", 3)
    await clients(front, 3)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.ports["ws"])
    await ended(reader)
    writer.close()
    await clients.made.pop().close()
    await until(lambda: sum(sum(one.open.values()) for one in front.backends) == 2)
    assert len(await clients(front, 1)) == 1


async def test_a_client_may_end_its_side_and_still_gets_the_answer(front):
    reader, writer = await asyncio.open_connection("127.0.0.1", front.ports["ws"])
    sent = (b"x" * 1023 + b"\n") * 4096
    writer.write(sent)
    writer.write_eof()
    assert await reader.read() == b"%d bytes\n" % len(sent)
    writer.close()
    await until(lambda: not any(sum(one.open.values()) for one in front.backends))


async def test_a_node_that_is_lost_is_lost_to_its_clients_at_once(front, nodes, clients):
    took = await clients(front, 3)
    for writer in nodes[1].writers:
        writer.transport.abort()
    client = clients.made[took.index("b")]
    await ended(client.reader)
    assert sorted([await other.ask() for other in clients.made if other is not client]) == [*"ac"]


async def test_what_a_client_does_not_read_stops_the_node(front, nodes, clients):
    [name] = await clients(front, 1)
    [writer] = nodes["abc".index(name)].writers
    [client] = clients.made
    client.writer.transport.pause_reading()
    chunk, written, most = b"y" * 65_536, 0, 64 * 1024 * 1024
    with pytest.raises(TimeoutError):
        while written < most:
            writer.write(chunk)
            written += len(chunk)
            async with asyncio.timeout(0.5):
                await writer.drain()
    assert written < most, "the kernel's buffers and two of the balancer's, no more"
    client.writer.transport.resume_reading()
    assert len(await client.reader.readexactly(written)) == written
