"""What only TLS has: its handshake, its records, its end. Frames: test_ws_frames, over both."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from typing import cast

import pytest

from gameserver.adapters import tls_transport
from gameserver.adapters.tls_transport import POLL_BYTES, TlsTransport
from tests.adapters.ws_peer import BINARY, Harness, Peer, frame, http_request, until

PAYLOADS = [bytes([index]) * 30 for index in range(100)]


class Records(asyncio.Protocol):
    """A TLS client whose records are sent by hand, for instance byte by byte."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.arrived = asyncio.Event()
        self.ended = asyncio.Event()
        self.plain = bytearray()
        self.lost: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.incoming.write(data)
        self.arrived.set()

    def eof_received(self) -> bool:
        self.ended.set()
        return True  # stay half open: the server has to end this

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self.ended.set()

    def take(self) -> bytes:
        """The records made since the last call."""
        return self.outgoing.read()

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.transport.write(self.take())
                await self.arrived.wait()
                self.arrived.clear()
            else:
                self.transport.write(self.take())
                return

    async def read(self, count: int) -> bytes:
        """So many bytes of plain text."""
        async with asyncio.timeout(60):
            while len(self.plain) < count:
                try:
                    self.plain += self.tls.read(65_536)
                except ssl.SSLWantReadError:
                    await self.arrived.wait()
                    self.arrived.clear()
        taken, self.plain = bytes(self.plain[:count]), self.plain[count:]
        return taken


async def _records(harness: Harness) -> Records:
    """An upgraded client."""
    assert harness.tls is not None
    client = Records(harness.tls)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: client, "127.0.0.1", harness.port)
    await client.shake_hands()
    client.tls.write(http_request())
    client.transport.write(client.take())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await client.read(1)
    assert head.startswith(b"HTTP/1.1 101")
    return client


async def _echoed(client: Records, payload: bytes) -> None:
    assert await client.read(2 + len(payload)) == bytes([0x82, len(payload)]) + payload


async def test_records_may_come_in_any_pieces(serve) -> None:
    harness = await serve()
    client = await _records(harness)
    for payload in PAYLOADS[:3]:
        client.tls.write(frame(BINARY, payload))
        for byte in client.take():
            client.transport.write(bytes([byte]))
            await asyncio.sleep(0)
        await _echoed(client, payload)
    client.transport.abort()


async def test_many_records_in_one_read_and_in_more_than_one(serve) -> None:
    harness = await serve()
    client = await _records(harness)
    for payload in PAYLOADS:
        client.tls.write(frame(BINARY, payload))
    sent = client.take()
    assert len(sent) > 4 * POLL_BYTES
    client.transport.write(sent)
    for payload in PAYLOADS:
        await _echoed(client, payload)
    client.transport.abort()


async def test_a_frame_may_begin_in_one_record_and_end_in_the_next(serve) -> None:
    harness = await serve()
    client = await _records(harness)
    for cut in (1, 3, 7):
        whole = frame(BINARY, PAYLOADS[cut])
        client.tls.write(whole[:cut])
        client.tls.write(whole[cut:])
        client.transport.write(client.take())
        await _echoed(client, PAYLOADS[cut])
    client.transport.abort()


async def test_a_forged_record_ends_the_connection_alone(serve) -> None:
    harness = await serve()
    witness, client = await harness.upgraded(), await _records(harness)
    client.tls.write(frame(BINARY, b"mine"))
    record = bytearray(client.take())
    record[-1] ^= 1
    client.transport.write(bytes(record))
    async with asyncio.timeout(60):
        await client.ended.wait()
    await until(lambda: harness.server.connections == 1)
    assert harness.gate.sessions[1].messages == []
    assert harness.gate.sessions[1].closed_times == 1
    await witness.send(frame(BINARY, b"unharmed"))
    assert await witness.frame() == (BINARY, b"unharmed")
    client.transport.abort()


async def test_an_end_without_close_notify_is_an_end(serve) -> None:
    harness = await serve()
    client = await _records(harness)
    client.transport.write_eof()
    await until(lambda: harness.server.connections == 0)
    assert harness.gate.sessions[0].closed_times == 1
    client.transport.abort()


async def test_close_notify_is_answered_and_ends_the_connection(serve) -> None:
    harness = await serve()
    client = await _records(harness)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.transport.write(client.take())
    async with asyncio.timeout(60):
        await client.ended.wait()
    client.tls.unwrap()  # the server's close_notify is there
    client.transport.abort()
    await until(lambda: harness.server.connections == 0)


async def test_who_does_not_close_after_close_notify_is_reset(serve) -> None:
    harness = await serve()
    harness.server._tls.close_wait_s = 0.05
    client = await _records(harness)
    session = harness.gate.sessions[0]
    session.connection._transport.close()
    await until(lambda: session.closed_times == 1)
    client.transport.abort()


async def test_tls_1_2_plays_as_well(serve) -> None:
    harness = await serve()
    harness.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    peer = await harness.upgraded()
    assert peer.writer.get_extra_info("ssl_object").version() == "TLSv1.2"
    await peer.send(frame(BINARY, b"old"))
    assert await peer.frame() == (BINARY, b"old")
    await peer.close()


async def test_handshakes_are_bounded_in_number_and_time(serve) -> None:
    harness = await serve(unauthenticated_max=2, handshake_ms=300)
    listener = harness.server._tls
    first = [await harness.peer(tls=False) for _ in range(2)]
    await until(lambda: len(listener.handshakes) == 2)
    assert "gameserver_ws_unauthenticated 2.0" in harness.metrics.render().decode()
    third = await harness.peer(tls=False)
    assert await third.rest() == b""  # at once, while the others still have time
    for peer in first:
        assert await peer.rest() == b""  # too slow
    await until(lambda: not listener.handshakes)
    await (await harness.upgraded()).close()


async def test_the_server_ends_while_peers_shake_hands(serve) -> None:
    harness = await serve()
    peers: list[Peer] = [await harness.peer(tls=False) for _ in range(3)]
    listener = harness.server._tls
    await until(lambda: len(listener.handshakes) == 3)
    await harness.server.close()
    for peer in peers:
        assert await peer.rest() == b""
    await until(lambda: not listener.handshakes)


async def test_a_record_that_the_socket_does_not_take_waits_whole(serve) -> None:
    harness = await serve(buffer_bytes_high=1_048_576)
    client = await _records(harness)
    client.transport.pause_reading()
    session = harness.gate.sessions[0]
    transport = session.connection._transport
    payload = bytes(range(250)) * 400
    sent = 0
    while not transport.get_write_buffer_size():
        session.send(payload)
        sent += 1
    session.send(payload)  # behind what waits
    client.transport.resume_reading()
    for _ in range(sent + 1):
        head = await client.read(10)
        assert head[:2] == b"\x82\x7f"
        assert await client.read(int.from_bytes(head[2:], "big")) == payload
    client.transport.abort()


async def test_nothing_of_a_lost_connection_stays(serve, monkeypatch) -> None:
    """Full collections are rare on purpose, so that cycles would be leaks."""
    made: list[weakref.ref[TlsTransport]] = []

    class Watched(TlsTransport):
        __slots__ = ("__weakref__",)

        def __init__(self, listener: tls_transport.TlsListener) -> None:
            super().__init__(listener)
            made.append(weakref.ref(self))

    monkeypatch.setattr(tls_transport, "TlsTransport", Watched)
    harness = await serve()
    gc.collect()
    gc.disable()
    try:
        peer = await harness.upgraded()
        await peer.send(frame(BINARY, b"x"))
        await peer.frame()
        peer.writer.transport.abort()
        await until(lambda: harness.gate.sessions_open == 0)
        harness.gate.sessions.clear()
        await until(lambda: made[0]() is None)
    finally:
        gc.enable()
