"""The byte side of a client, against the reference implementation's server."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from botswarm.stats import Stats
from gameclient.connection import Connection
from gameclient.ending import Ending
from gameserver.wire.codec import Format


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.endings: list[Ending] = []
        self.is_open = False

    def connected(self, connection: Connection) -> None:
        pass

    def opened(self, now: float) -> None:
        self.is_open = True

    def messages(self, payloads: list[bytes], now: float) -> None:
        assert payloads
        self.heard += payloads

    def closed(self, ending: Ending) -> None:
        self.endings.append(ending)


class Pair:
    """A client's connection and the server that it talks to."""

    def __init__(self, format: Format = Format.MSGPACK) -> None:
        self.ear, self.wire, self.stats = Ear(), Wire(), Stats()
        self.client = Connection(
            uri=parse_uri("ws://example.org/"),
            format=format,
            token="t",
            mask=b"abcd",
            listener=self.ear,
            stats=self.stats,
        )
        self.client.connection_made(self.wire)
        self.server = ServerProtocol(subprotocols=[Subprotocol(format.value)])
        self.requests: list[Request] = []
        self.frames: list[Frame] = []
        self.hear()
        self.server.send_response(self.server.accept(self.requests[0]))

    def hear(self) -> None:
        self.server.receive_data(bytes(self.wire.written))
        self.wire.written.clear()
        for event in self.server.events_received():
            (self.frames if isinstance(event, Frame) else self.requests).append(event)

    def said(self) -> bytes:
        return b"".join(self.server.data_to_send())


def in_loop(work) -> None:
    async def call() -> None:
        work()

    asyncio.run(call())


payloads = st.one_of(
    st.binary(max_size=300), st.integers(65_000, 70_000).map(lambda n: bytes([n % 251]) * n)
)
steps = st.lists(
    st.one_of(
        payloads.map(lambda data: ("whole", data)),
        st.binary(min_size=2, max_size=60).map(lambda data: ("parts", data)),
        st.binary(max_size=60).map(lambda data: ("ping", data)),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.lists(st.integers(1, 400), max_size=60))
def test_messages_arrive_however_the_bytes_are_cut(steps, cuts):
    def work() -> None:
        pair, expected, pings = Pair(), [], []
        for kind, data in steps:
            if kind == "whole":
                pair.server.send_binary(data)
                expected.append(data)
            elif kind == "parts":
                pair.server.send_binary(data[:1], fin=False)
                pair.server.send_ping(b"between")
                pair.server.send_continuation(data[1:], fin=True)
                expected.append(data)
                pings.append(b"between")
            else:
                pair.server.send_ping(data)
                pings.append(data)
        stream, at = pair.said(), 0
        for cut in cuts:
            pair.client.data_received(stream[at : at + cut])
            at += cut
            if at >= len(stream):
                break
        if at < len(stream):
            pair.client.data_received(stream[at:])
        assert pair.ear.is_open
        assert pair.ear.heard == expected
        pair.hear()
        assert [bytes(frame.data) for frame in pair.frames] == pings
        assert pair.stats.errors == {}

    in_loop(work)


def test_what_is_sent_is_understood():
    def work() -> None:
        pair = Pair()
        pair.client.send(b"too early")
        pair.client.data_received(pair.said())
        for size in (0, 10, 125, 126, 70_000):
            pair.client.send(b"x" * size)
        pair.hear()
        assert [len(frame.data) for frame in pair.frames] == [0, 10, 125, 126, 70_000]
        assert {frame.opcode for frame in pair.frames} == {Opcode.BINARY}

    in_loop(work)


def test_the_token_goes_into_a_header():
    def work() -> None:
        pair = Pair()
        assert pair.requests[0].headers["Authorization"] == "Bearer t"
        assert pair.requests[0].headers["Sec-WebSocket-Protocol"] == Format.MSGPACK.value

    in_loop(work)


def test_a_masked_frame_or_a_text_frame_is_the_servers_fault():
    def work() -> None:
        pair = Pair()
        pair.client.data_received(pair.said())
        pair.server.send_text(b"text")
        pair.client.data_received(pair.said())
        assert pair.stats.errors == {"protocol:frame_type": 1}
        pair.client.data_received(b"\x82\x81abcdx\x82\x01x")
        pair.client.connection_lost(None)
        assert pair.ear.endings[0].error == "protocol:websocket"
        assert pair.ear.heard == [b"text"]

    in_loop(work)


def test_a_frame_that_is_too_long_ends_the_connection():
    def work() -> None:
        pair = Pair()
        pair.client.data_received(pair.said())
        pair.client.data_received(b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))
        pair.hear()
        assert pair.server.close_rcvd is not None
        assert pair.server.close_rcvd.code == 1009

    in_loop(work)


def test_endings():
    def work() -> None:
        closed = Pair()
        closed.client.data_received(closed.said())
        closed.server.send_close(4004, "slow_consumer")
        closed.client.data_received(closed.said())
        closed.client.connection_lost(None)
        assert closed.ear.endings == [Ending(error="close:slow_consumer", code=4004)]

        dropped = Pair()
        dropped.client.data_received(dropped.said())
        dropped.client.connection_lost(ConnectionResetError())
        assert dropped.ear.endings == [Ending(error="close:abnormal")]

        asked = Pair()
        asked.client.data_received(asked.said())
        asked.client.close()
        asked.hear()
        asked.client.data_received(asked.said())
        asked.client.connection_lost(None)
        assert asked.ear.endings == [Ending(error="")]

        early = Pair()
        early.client.connection_lost(None)
        assert early.ear.endings == [Ending(error="handshake_dropped")]

        nonsense = Pair()
        nonsense.client.data_received(b"SSH-2.0-x\r\n\r\n")
        nonsense.client.connection_lost(None)
        assert nonsense.ear.endings == [Ending(error="handshake_invalid")]

    in_loop(work)


def test_a_refused_handshake_in_pieces():
    def work() -> None:
        pair = Pair()
        body = b"\r\n\r\n" + b"x" * 20
        answer = (
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        ) + body
        for at in range(0, len(answer), 9):
            pair.client.data_received(answer[at : at + 9])
        pair.client.eof_received()
        pair.client.connection_lost(None)
        assert pair.ear.endings == [Ending(error="handshake_503", status=503, retry_after_s=7.0)]

    in_loop(work)
