"""Every kind of frame after the upgrade: its stated answer, while another connection goes on."""

from __future__ import annotations

import asyncio
import random
import socket
import struct

import pytest

from gameserver.adapters import ws_connection
from gameserver.adapters.ws_connection import FRAGMENTS_MAX
from gameserver.wire.close_codes import CloseCode
from tests.adapters.ws_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
    until,
)

JSON = {"Sec_WebSocket_Protocol": "gameserver.v1.json"}
MAX = 2048  # payload_bytes_max of these servers

REFUSED = {
    "unmasked": (frame(BINARY, b"hi", masked=False), 1002),
    "unmasked, only its header": (frame(BINARY, b"", masked=False, claim=100), 1002),
    "reserved bit 1": (frame(BINARY, b"hi", rsv=4), 1002),
    "reserved bit 2": (frame(BINARY, b"hi", rsv=2), 1002),
    "reserved bit 3": (frame(BINARY, b"hi", rsv=1), 1002),
    "opcode 3": (frame(0x3, b"hi"), 1002),
    "opcode 15": (frame(0xF, b"hi"), 1002),
    "continuation of nothing": (frame(CONT, b"hi"), 1002),
    "message within a message": (frame(BINARY, b"a", fin=False) + frame(BINARY, b"b"), 1002),
    "fragmented ping": (frame(PING, b"hi", fin=False), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "close of one byte": (frame(CLOSE, b"x"), 1002),
    "close with a reserved code": (close_frame(1005), 1002),
    "close with a low code": (close_frame(999), 1002),
    "close with a bad reason": (close_frame(1000, b"\xff"), 1007),
    "close within a message": (frame(BINARY, b"a", fin=False) + close_frame(1000), 1002),
    "too big": (frame(BINARY, bytes(MAX + 1)), 1009),
    "too big, by its header": (frame(BINARY, b"", claim=MAX + 100), 1009),
    "huge, by its header": (frame(BINARY, b"", claim=2**62), 1009),
    "negative length": (frame(BINARY, b"", length_bytes=8, claim=2**64 - 1), 1009),
    "fragments too big": (
        frame(BINARY, bytes(MAX), fin=False) + frame(CONT, b"x"),
        1009,
    ),
    "text on msgpack": (frame(TEXT, b"hi"), 1008),
    "text fragment on msgpack": (frame(TEXT, b"hi", fin=False), 1008),
    "too many fragments": (
        frame(BINARY, b"", fin=False) + frame(CONT, b"", fin=False) * FRAGMENTS_MAX,
        1008,
    ),
    "session fails": (frame(BINARY, b"boom"), 1011),
    "session fails on fragments": (frame(BINARY, b"bo", fin=False) + frame(CONT, b"om"), 1011),
    "session closes": (frame(BINARY, b"bye"), 4007),
    "our frames back": (b"\x82\x02hi", 1002),
    "http again": (b"GET / HTTP/1.1\r\n\r\n", 1002),
}


@pytest.mark.parametrize(("raw", "code"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("cut", ["whole", "bytewise"])
async def test_refused(serve, raw: bytes, code: int, cut: str) -> None:
    harness = await serve()
    witness, peer = await harness.upgraded(), await harness.upgraded()
    await peer.send(frame(BINARY, b"first"))
    assert await peer.frame() == (BINARY, b"first")
    if cut == "whole":
        await peer.send(raw)
    else:
        for byte in raw[:100]:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.send(raw[100:])
    closed = await peer.close_code()
    assert closed.code == code
    assert closed.reason
    await peer.send(close_frame(code) + frame(BINARY, b"after"))
    await peer.expect_end()
    await until(lambda: harness.server.connections == 1)
    session = harness.gate.sessions[1]
    assert session.closed_times == 1
    assert b"after" not in session.messages
    await witness.send(frame(BINARY, b"unharmed"))
    assert await witness.frame() == (BINARY, b"unharmed")
    await witness.close()


async def test_wrong_type_says_what_is_wanted(serve) -> None:
    harness = await serve()
    binary, text = await harness.upgraded(), await harness.upgraded(**JSON)
    await binary.send(frame(TEXT, b"hi"))
    assert (await binary.close_code()).reason == "this connection takes binary frames only"
    await text.send(frame(BINARY, b"hi"))
    assert (await text.close_code()).reason == "this connection takes text frames only"
    await binary.close()
    await text.close()


@pytest.mark.parametrize(
    "raw",
    [
        frame(TEXT, b'{"a":"\xff"}'),
        frame(TEXT, b"\xed\xa0\x80"),
        frame(TEXT, b"\xc3"),
        frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"\x28"),
    ],
)
async def test_text_that_is_not_utf8(serve, raw: bytes) -> None:
    harness = await serve()
    peer = await harness.upgraded(**JSON)
    await peer.send(raw)
    assert (await peer.close_code()).code == 1007
    await peer.close()
    assert not harness.gate.sessions[0].messages


TAKEN = {
    "empty": (frame(BINARY), b""),
    "small": (frame(BINARY, b"x" * 125), b"x" * 125),
    "medium": (frame(BINARY, b"x" * 126), b"x" * 126),
    "largest": (frame(BINARY, b"x" * MAX), b"x" * MAX),
    "2 bytes of length where 1 would do": (frame(BINARY, b"hi", length_bytes=2), b"hi"),
    "8 bytes of length where 1 would do": (frame(BINARY, b"hi", length_bytes=8), b"hi"),
    "fragments": (
        frame(BINARY, b"a", fin=False) + frame(CONT, b"b", fin=False) + frame(CONT, b"c"),
        b"abc",
    ),
    "largest fragments": (
        frame(BINARY, bytes(MAX - 1), fin=False) + frame(CONT, b"c"),
        bytes(MAX - 1) + b"c",
    ),
    "empty fragments": (frame(BINARY, fin=False) + frame(CONT), b""),
    "a ping between fragments": (
        frame(BINARY, b"a", fin=False) + frame(PING) + frame(CONT, b"b"),
        b"ab",
    ),
    "an unasked pong": (frame(PONG, b"x") + frame(BINARY, b"hi"), b"hi"),
}


@pytest.mark.parametrize(("raw", "message"), TAKEN.values(), ids=TAKEN.keys())
@pytest.mark.parametrize("cut", ["whole", "bytewise", "thrice"])
async def test_taken(serve, raw: bytes, message: bytes, cut: str) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    match cut:
        case "whole":
            await peer.send(raw)
        case "thrice":
            await peer.send(raw * 3)
        case _:
            for byte in raw[:50]:
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
            await peer.send(raw[50:])
    session = harness.gate.sessions[0]
    await until(lambda: len(session.messages) == (3 if cut == "thrice" else 1))
    assert set(session.messages) == {message}
    await peer.send(frame(BINARY, b"next"))
    await until(lambda: session.messages[-1] == b"next")
    await peer.close()


async def test_fragmented_utf8_is_judged_as_a_whole(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded(**JSON)
    await peer.send(frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"\xa9"))
    assert await peer.frame() == (TEXT, "é".encode())
    await peer.close()


async def test_many_frames_in_one_read(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    messages = [bytes([n % 256]) * (n % 40) for n in range(300)]
    await peer.send(b"".join(frame(BINARY, message) for message in messages))
    session = harness.gate.sessions[0]
    await until(lambda: len(session.messages) == 300)
    assert session.messages == messages
    assert harness.metrics.fast_frames >= 290
    await peer.close()


async def test_ping_is_answered(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    await peer.send(frame(PING, b"are you there"))
    assert await peer.frame() == (PONG, b"are you there")
    await peer.close()


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999, None])
async def test_the_peer_closes(serve, code: int | None) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    await peer.send((close_frame(code) if code else frame(CLOSE)) + frame(BINARY, b"after"))
    assert (await peer.close_code()).code == (code or 1005)
    await peer.expect_end()
    await until(lambda: harness.server.connections == 0)
    session = harness.gate.sessions[0]
    assert session.closed_times == 1
    assert session.messages == []


@pytest.mark.parametrize("how", ["fin", "rst", "fin in a frame", "rst in a frame"])
async def test_the_peer_vanishes(serve, how: str) -> None:
    harness = await serve()
    witness, peer = await harness.upgraded(), await harness.upgraded()
    if "frame" in how:
        await peer.send(frame(BINARY, b"x" * 1000)[:500])
    if "rst" in how:
        linger = struct.pack("ii", 1, 0)
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.writer.transport.abort()
    else:
        assert await peer.finish() == b""
    await until(lambda: harness.server.connections == 1)
    assert harness.gate.sessions[1].closed_times == 1
    await witness.send(frame(BINARY, b"x"))
    assert await witness.frame() == (BINARY, b"x")
    await witness.close()


async def test_after_close_nothing_is_delivered_and_nothing_written(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    session = harness.gate.sessions[0]
    session.connection.close(CloseCode.RESTART, "é" * 100)
    session.connection.close(CloseCode.KICKED)
    session.send(b"never")
    await peer.send(frame(BINARY, b"after") + frame(PING, b"p"))
    closed = await peer.close_code()
    assert closed.code == 1012
    assert closed.reason == "é" * 61  # cut between characters
    assert await peer.frame() == (PONG, b"p")
    await peer.send(close_frame(1012))
    await peer.expect_end()
    assert session.messages == []


async def test_a_peer_that_does_not_answer_a_close_is_reset(serve, monkeypatch) -> None:
    monkeypatch.setattr(ws_connection, "CLOSE_WAIT_S", 0.05)
    harness = await serve()
    peer = await harness.upgraded()
    harness.gate.sessions[0].connection.close(CloseCode.KICKED)
    await until(lambda: harness.gate.sessions_open == 0)
    assert (await peer.close_code()).reason == "kicked"
    await peer.close()


async def test_ping_and_idle(serve) -> None:
    harness = await serve(ping_ms=100)
    peer = await harness.upgraded()
    assert await peer.frame() == (PING, b"")
    closed = await peer.close_code()
    assert (closed.code, closed.reason) == (CloseCode.IDLE, "idle")
    await peer.close()


async def test_pongs_keep_a_connection(serve) -> None:
    harness = await serve(ping_ms=300)
    peer = await harness.upgraded()
    for _ in range(3):
        assert await peer.frame() == (PING, b"")
        await peer.send(frame(PONG))
    await peer.close()


async def test_who_plays_and_is_heard_is_not_pinged(serve) -> None:
    harness = await serve(ping_ms=200)
    peer = await harness.upgraded()
    pings = 0
    for _ in range(20):
        await peer.send(frame(BINARY, b"x"))
        while await peer.frame() == (PING, b""):
            pings += 1
        await asyncio.sleep(0.04)
    assert (pings == 0) is harness.gate.sessions[0].connection._polled
    # Once silent, anybody is.
    assert await peer.frame() == (PING, b"")
    await peer.close()


async def test_a_flood_of_pings(serve) -> None:
    harness = await serve(ping_ms=20_000, messages_per_s=1, messages_burst=5)  # 25 a period
    peer = await harness.upgraded()
    await peer.send(frame(PING) * 100)
    assert (await peer.close_code()).code == CloseCode.RATE_LIMITED
    await peer.close()


async def test_backpressure(serve) -> None:
    harness = await serve(buffer_bytes_high=65_536)
    peer = await harness.upgraded()
    session = harness.gate.sessions[0]
    connection = session.connection
    peer.writer.transport.pause_reading()
    sent = 0
    while connection.writable:
        session.send(bytes(50_000))
        sent += 1
        await asyncio.sleep(0)
        assert sent < 10_000
    assert session.became_writable_times == 0
    peer.writer.transport.resume_reading()
    for _ in range(sent):
        assert len((await peer.frame())[1]) == 50_000
    await until(lambda: session.became_writable_times >= 1)
    assert connection.writable
    await peer.close()


async def test_too_much_unsent_resets(serve) -> None:
    harness = await serve(buffer_bytes_high=65_536)
    witness, peer = await harness.upgraded(), await harness.upgraded()
    session = harness.gate.sessions[1]
    peer.writer.transport.pause_reading()
    for _ in range(10_000):
        session.send(bytes(65_536))
        await asyncio.sleep(0)
        if harness.server.connections == 1:
            break
    assert session.closed_times == 1
    await witness.send(frame(BINARY, b"x"))
    assert await witness.frame() == (BINARY, b"x")
    await witness.close()
    await peer.close()


async def test_random_bytes(serve) -> None:
    chance = random.Random(20_240_229)
    harness = await serve()
    witness = await harness.upgraded()
    for round_ in range(60):
        peer = await harness.upgraded(**(JSON if round_ % 2 else {}))
        parts = [
            chance.choice(
                [
                    chance.randbytes(chance.randrange(1, 60)),
                    frame(chance.randrange(16), chance.randbytes(chance.randrange(140))),
                    frame(BINARY, chance.randbytes(chance.randrange(200))),
                    frame(BINARY, b"f", fin=chance.random() < 0.5),
                    frame(CONT, b"c", fin=chance.random() < 0.5),
                ]
            )
            for _ in range(chance.randrange(1, 12))
        ]
        data = b"".join(parts)
        while data:
            size = chance.randrange(1, 100)
            peer.writer.write(data[:size])
            await asyncio.sleep(0)
            data = data[size:]
        peer.writer.transport.abort()
    await until(lambda: harness.server.connections == 1)
    await witness.send(frame(BINARY, b"unharmed"))
    assert await witness.frame() == (BINARY, b"unharmed")
    await witness.close()
    assert harness.gate.sessions_open <= 1


async def test_random_requests(serve) -> None:
    chance = random.Random(20_240_301)
    harness = await serve()
    good = b"GET /v1/play?ticket=t1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"
    for _ in range(60):
        request = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            request[chance.randrange(len(request))] = chance.randrange(256)
        peer = await harness.peer()
        await peer.send(bytes(request))
        await peer.finish()
    await until(lambda: not harness.server._context.openings)
    await (await harness.upgraded()).close()
