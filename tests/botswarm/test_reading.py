"""How sockets are read, and that nothing is lost or overtaken on the direct way."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from botswarm.reading import (
    MEASURED,
    POLL_S,
    WOKEN_MAX,
    Reading,
    inputs_per_read,
    is_measured,
    measured_count,
    polls,
)
from botswarm.stats import Stats
from botswarm.verify import Track
from gameclient.connection import Connection
from gameclient.ending import Ending
from gameserver.wire import to_client
from gameserver.wire.codec import Format, encode
from tests.botswarm.polling import until


def test_few_bots_are_woken_and_many_polled_but_never_with_tls():
    assert not polls(Reading.AUTO, bots=WOKEN_MAX, tls=False)
    assert polls(Reading.AUTO, bots=WOKEN_MAX + 1, tls=False)
    assert polls(Reading.POLLED, bots=1, tls=False)
    assert not polls(Reading.WOKEN, bots=10**5, tls=False)
    assert not polls(Reading.AUTO, bots=10**5, tls=True)


@given(st.integers(1, 5_000))
def test_the_sample_is_counted_and_large_enough(bots):
    count = sum(is_measured(index, bots) for index in range(bots))
    assert count == measured_count(bots)
    assert min(bots, MEASURED) <= count < 2 * MEASURED


@pytest.mark.parametrize(
    ("rate", "tick_rate", "needs_view", "expected"),
    [
        (20, 20, False, 4),
        (20, 20, True, 1),
        (60, 20, True, 3),
        (10, 20, False, 2),
        (2, 20, False, 0),
        (10, 20, True, 0),
        (20, 0, True, 4),
    ],
)
def test_how_often_is_read(rate, tick_rate, needs_view, expected):
    every = inputs_per_read(period_s=1 / rate, tick_rate=tick_rate, needs_view=needs_view)
    assert every == expected
    assert every / rate <= POLL_S + 1e-9


def joined() -> to_client.Joined:
    return to_client.Joined(1, "m", "echo", "standard", 3, 10, 20, 1, 5, 0, False, [])


heads = st.tuples(
    st.sampled_from([3, 3, 3, 3, 3, 2, 4]),
    st.sampled_from([1, 1, 1, 1, 1, 0, 2]),
    st.lists(st.integers(5, 9), min_size=1, max_size=3),
    st.sampled_from([0, 0, 0, 0, 0, 1]),
)


@given(st.lists(heads, max_size=8), st.booleans())
def test_many_deltas_at_once_are_judged_as_one_by_one(steps, with_base):
    """Whatever ``deltas`` takes, ``frame`` has nothing against; it stops before the first other."""
    one, many = Track(joined()), Track(joined())
    if with_base:
        for track in (one, many):
            assert track.frame(3, 10, [0, 5], base=None, sent=8) is None
    payloads, problems, tick = [], [], 10
    for epoch, ahead, acks, wrong in steps:
        base, tick = tick + wrong, tick + ahead
        delta = to_client.Delta(epoch, tick, 0, acks, base, {}, {}, {})
        payloads.append(encode(delta, Format.MSGPACK))
        before = (one.epoch, one.tick, one.acked)
        problem = one.frame(epoch, tick, acks, base=base, sent=8)
        if problem is not None or epoch != before[0]:
            problems.append(before)
            break
    taken = many.deltas([*payloads, b"\xc1"], sent=8)
    assert taken == len(payloads) - len(problems)
    expected = problems[0] if problems else (one.epoch, one.tick, one.acked)
    assert (many.epoch, many.tick, many.acked) == expected


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.is_open = False
        self.endings: list[Ending] = []

    def connected(self, connection: Connection) -> None:
        pass

    def opened(self, now: float) -> None:
        self.is_open = True

    def messages(self, payloads: list[bytes], now: float) -> None:
        self.heard += payloads

    def closed(self, ending: Ending) -> None:
        self.endings.append(ending)


class Peer:
    """A server that reads only when told to. ``async with Peer() as peer``"""

    async def __aenter__(self) -> Peer:
        self.protocol = ServerProtocol(
            subprotocols=[Subprotocol(Format.MSGPACK.value)], max_size=None
        )
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.ready = asyncio.Event()
        self.ear, self.stats = Ear(), Stats()
        port = self.server.sockets[0].getsockname()[1]

        def made() -> Connection:
            return Connection(
                uri=parse_uri(f"ws://127.0.0.1:{port}/"), format=Format.MSGPACK, token="t",
                mask=b"abcd", listener=self.ear, stats=self.stats,
            )  # fmt: skip

        loop = asyncio.get_running_loop()
        _, self.client = await loop.create_connection(made, "127.0.0.1", port)
        await self.ready.wait()
        await until(lambda: self.ear.is_open)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.abort()
        self.writer.transport.abort()
        await until(lambda: self.ear.endings)
        self.server.close()
        await self.server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        (request,) = self.protocol.events_received()
        assert isinstance(request, Request)
        self.protocol.send_response(self.protocol.accept(request))
        self.flush()
        self.ready.set()

    def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.writer.write(data)

    def poll_until(self, met):
        def polled_and_met():
            self.client.poll(0.0)
            return met()

        return until(polled_and_met)


async def test_a_slow_server_gets_everything_in_order():
    async with Peer() as peer:
        assert peer.client.polled(True)
        sent: list[bytes] = []
        size = 20_000
        while len(sent) < 1_000 and not peer.client._transport.get_write_buffer_size():
            sent.append(len(sent).to_bytes(4, "big") * (size // 4))
            peer.client.send(sent[-1])
        for short in (b"behind", b"all that"):
            sent.append(short)
            peer.client.send(short)
        heard: list[bytes] = []
        while len(heard) < len(sent):
            peer.protocol.receive_data(await peer.reader.read(1 << 20))
            heard += [bytes(frame.data) for frame in peer.protocol.events_received()]
        assert heard == sent
        assert peer.stats.errors == {}


async def test_a_server_that_never_reads_is_given_up():
    async with Peer() as peer:
        while not peer.stats.errors:
            peer.client.send(b"x" * 100_000)
            await asyncio.sleep(0)
        assert peer.stats.errors == {"unsent": 1}


async def test_a_polled_socket_is_read_when_asked_and_only_then():
    async with Peer() as peer:
        assert peer.client.polled(True)
        for number in range(3):
            peer.protocol.send_binary(bytes([number]) * 3_000)
        peer.flush()
        await peer.writer.drain()
        await asyncio.sleep(0)
        assert peer.ear.heard == []
        await peer.poll_until(lambda: len(peer.ear.heard) == 3)
        peer.client.polled(False)
        peer.protocol.send_binary(b"last")
        peer.flush()
        await until(lambda: len(peer.ear.heard) == 4)


async def test_the_end_is_seen_by_a_poll():
    async with Peer() as peer:
        assert peer.client.polled(True)
        peer.protocol.send_close(4004, "slow_consumer")
        peer.flush()
        peer.writer.close()
        await peer.poll_until(lambda: peer.ear.endings)
        assert peer.ear.endings == [Ending(error="close:slow_consumer", code=4004)]
        assert not peer.client.polled(True)
        peer.client.send(b"ignored")
