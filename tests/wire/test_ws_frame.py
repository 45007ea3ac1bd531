"""The fast path beside ``websockets``' ServerProtocol: it takes less, and the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import utils
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from gameserver.wire import ws_frame
from gameserver.wire.ws_frame import (
    BINARY,
    HEADER_BYTES_MAX,
    TEXT,
    client_frame,
    frame_size,
    parse_small,
    server_frame,
)
from tests.wire.values import unhurried

PAYLOAD_MAX = 300
MASK = b"\x01\x80\xff\x37"
Seen = tuple[list[tuple[int, bool, bytes]], int | None, bytes]


def open_server() -> ServerProtocol:
    return ServerProtocol(state=State.OPEN, max_size=PAYLOAD_MAX)


def outcome(server: ServerProtocol, frames: list[tuple[int, bool, bytes]]) -> Seen:
    close = server.close_sent
    return frames, None if close is None else close.code, b"".join(server.data_to_send())


def events(server: ServerProtocol) -> list[tuple[int, bool, bytes]]:
    return [
        (event.opcode, event.fin, bytes(event.data))
        for event in server.events_received()
        if isinstance(event, Frame)
    ]


def through_protocol(chunks: list[bytes]) -> Seen:
    server = open_server()
    for chunk in chunks:
        server.receive_data(chunk)
    return outcome(server, events(server))


def through_fast_path(chunks: list[bytes], opcode: int) -> Seen:
    """Read as the module's docstring tells a connection to."""
    server = open_server()
    frames: list[tuple[int, bool, bytes]] = []
    pending = b""
    for chunk in chunks:
        pending += chunk
        offset = 0
        while offset < len(pending) and server.state is State.OPEN:
            parsed = None
            if server.current_size is None:
                parsed = parse_small(pending, offset, payload_max=PAYLOAD_MAX, opcode=opcode)
            if parsed is not None:
                payload, offset = parsed
                frames.append((opcode, True, payload))
                continue
            size = frame_size(pending, offset)
            if size is None:
                break
            if size > PAYLOAD_MAX + HEADER_BYTES_MAX:
                size = len(pending) - offset
            if offset + size > len(pending):
                break
            server.receive_data(pending[offset : offset + size])
            frames += events(server)
            offset += size
        pending = pending[offset:]
    if server.state is State.OPEN:
        # What is left is the beginning of a frame; the protocol may object to it already.
        server.receive_data(pending)
    frames += events(server)
    return outcome(server, frames)


# ── strategies ───────────────────────────────────────────────────────────────────────────────────


@st.composite
def valid_frames(draw: st.DrawFn) -> bytes:
    payload = draw(st.binary(max_size=140) | st.text(max_size=40).map(str.encode))
    return client_frame(payload, draw(st.binary(min_size=4, max_size=4)), text=draw(st.booleans()))


@st.composite
def any_frames(draw: st.DrawFn) -> bytes:
    """Every header: control, fragmented, unmasked, reserved bits, lengths in any encoding."""
    payload = draw(st.binary(max_size=20))
    first = draw(
        st.sampled_from([0x82, 0x81, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8A, 0xC2, 0x92, 0x83])
    )
    masked = draw(st.sampled_from([0x80, 0x80, 0x80, 0]))
    said = len(payload) + draw(st.sampled_from([0, 0, 0, 1, 400, 2**40]))
    width = draw(st.sampled_from([0, 2, 8]))
    if width == 0:
        length = bytes([masked | min(said, 125)])
    elif width == 2:
        length = bytes([masked | 126]) + min(said, 65535).to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + said.to_bytes(8, "big")
    body = MASK + utils.apply_mask(payload, MASK) if masked else payload
    return bytes([first]) + length + body


frames = valid_frames() | any_frames()


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Some frames, perhaps with a byte changed, cut anywhere."""
    stream = bytearray(b"".join(draw(st.lists(frames, max_size=5))))
    if stream and draw(st.booleans()):
        stream[draw(st.integers(0, len(stream) - 1))] ^= draw(st.integers(1, 255))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    bounds = [0, *cuts, len(stream)]
    return [bytes(stream[start:end]) for start, end in itertools.pairwise(bounds) if end > start]


# ── against the protocol ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("opcode", [BINARY, TEXT])
@unhurried
@given(chunks=streams())
def test_both_ways_see_the_same(opcode: int, chunks: list[bytes]) -> None:
    fast = through_fast_path(chunks, opcode)
    assert fast == through_protocol(chunks)


@pytest.mark.parametrize("opcode", [BINARY, TEXT])
@unhurried
@given(buffer=st.one_of(frames, st.binary(max_size=40), st.lists(frames, max_size=3).map(b"".join)))
def test_what_it_accepts_the_protocol_accepts_alone(opcode: int, buffer: bytes) -> None:
    parsed = parse_small(buffer, 0, payload_max=PAYLOAD_MAX, opcode=opcode)
    if parsed is None:
        return
    payload, end = parsed
    assert frame_size(buffer, 0) == end
    assert through_protocol([buffer[:end]]) == ([(opcode, True, payload)], None, b"")


@unhurried
@given(chunks=streams())
def test_cut_after_every_byte(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    single = [stream[at : at + 1] for at in range(len(stream))]
    assert through_fast_path(single, BINARY) == through_protocol([stream])


# ── by itself ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 125, 126, 127, 255, 256, 65535])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_client_frame_is_parsed_wherever_it_stands(length: int, kind: type) -> None:
    payload = bytes(index % 251 for index in range(length))
    buffer = b"before" + client_frame(payload, MASK, text=False) + b"after"
    parsed = parse_small(kind(buffer), 6, payload_max=65535, opcode=BINARY)
    assert parsed == (payload, len(buffer) - 5)
    assert type(parsed[0]) is bytes


def test_an_incomplete_frame_is_left_alone() -> None:
    for length in (0, 10, 200):
        frame = client_frame(bytes(length), MASK, text=False)
        for end in range(len(frame)):
            assert parse_small(frame[:end], 0, payload_max=PAYLOAD_MAX, opcode=BINARY) is None


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\x02\x80" + MASK, id="first fragment"),
        pytest.param(b"\x80\x80" + MASK, id="last fragment"),
        pytest.param(b"\xc2\x80" + MASK, id="compressed"),
        pytest.param(b"\x81\x80" + MASK, id="other kind"),
        pytest.param(b"\x89\x80" + MASK, id="ping"),
        pytest.param(b"\x88\x80" + MASK, id="close"),
        pytest.param(b"\x82\x04abcd", id="unmasked"),
        pytest.param(b"\x82\xfe\x00\x05" + MASK + b"abcde", id="length of 16 bits for 5"),
        pytest.param(b"\x82\xff" + bytes(7) + b"\x05" + MASK + b"abcde", id="64 bits for 5"),
        pytest.param(client_frame(bytes(PAYLOAD_MAX + 1), MASK, text=False), id="over the limit"),
    ],
)
def test_the_unusual_is_left_to_the_protocol(frame: bytes) -> None:
    assert parse_small(frame, 0, payload_max=PAYLOAD_MAX, opcode=BINARY) is None


def test_text_must_be_utf8() -> None:
    good = client_frame("Grüße".encode(), MASK, text=True)
    assert parse_small(good, 0, payload_max=99, opcode=TEXT) == ("Grüße".encode(), len(good))
    for payload in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"):
        bad = client_frame(payload, MASK, text=True)
        assert parse_small(bad, 0, payload_max=99, opcode=TEXT) is None


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 70000])
def test_a_server_frame_is_read_by_a_client(length: int, text: bool) -> None:
    payload = b"x" * length
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)
    frame = server_frame(payload, text=text)
    client.receive_data(frame)
    (event,) = client.events_received()
    assert event == Frame(Opcode.TEXT if text else Opcode.BINARY, payload)
    assert frame_size(frame, 0) == len(frame)
    assert not client.data_to_send()


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_a_client_frame_is_what_websockets_writes(length: int) -> None:
    payload = bytes(length)
    frame = client_frame(payload, MASK, text=False)
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(frame)
    (event,) = server.events_received()
    assert event == Frame(Opcode.BINARY, payload)
    for end in range(min(len(frame), HEADER_BYTES_MAX)):
        assert frame_size(frame[:end], 0) in (None, len(frame))


def test_masking_without_the_compiled_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = client_frame(b"payload", MASK, text=False)
    monkeypatch.setattr(ws_frame, "apply_mask", utils.apply_mask)
    assert client_frame(b"payload", MASK, text=False) == frame
    for kind in (bytes, bytearray, memoryview):
        parsed = parse_small(kind(frame), 0, payload_max=99, opcode=BINARY)
        assert parsed == (b"payload", len(frame))
