"""One ``WsConnection`` on a transport that only notes, beside ``ServerProtocol`` by itself."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from gameserver.adapters.ws_connection import WsConnection
from gameserver.adapters.ws_socket import Limits
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.wire.codec import Format
from gameserver.wire.ws_frame import frame_size
from tests.fuzz import mutate

PAYLOAD_MAX = 512
OWN_REASONS = frozenset({1008, 4005})
"""Codes for what RFC 6455 allows and we do not."""
_CONFIG = Config(payload_bytes_max=PAYLOAD_MAX)
_LIMITS = Limits(_CONFIG)


@dataclass
class Seen:
    """What came of some bytes. ``code``: of the close frame that was sent."""

    messages: list[bytes] = field(default_factory=list)
    code: int | None = None
    reason: str = ""
    refused: bool = False
    """The close frame answers no other one."""


class Transport:
    """Notes what is written; there is no socket."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close


class Session:
    """Notes what is delivered."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.closed_times = 0

    def received(self, payload: bytes) -> None:
        self.messages.append(payload)

    def became_writable(self) -> None: ...

    def closed(self) -> None:
        self.closed_times += 1


def _protocol() -> ServerProtocol:
    return ServerProtocol(state=State.OPEN, max_size=PAYLOAD_MAX)


def by_protocol(raw: bytes, *, payload_max: int = PAYLOAD_MAX) -> Seen:
    """What RFC 6455 makes of ``raw``, by websockets alone: the whole messages of either kind."""
    protocol, seen = ServerProtocol(state=State.OPEN, max_size=payload_max), Seen()
    protocol.receive_data(raw)
    parts: list[bytes] = []
    for event in protocol.events_received():
        if not isinstance(event, Frame) or event.opcode not in (
            Opcode.TEXT,
            Opcode.BINARY,
            Opcode.CONT,
        ):
            continue
        parts.append(bytes(event.data))
        if event.fin:
            seen.messages.append(b"".join(parts))
            parts = []
    if protocol.close_sent is not None:
        seen.code = protocol.close_sent.code
        seen.refused = protocol.close_rcvd is None
    return seen


def by_connection(pieces: list[bytes], format: Format) -> Seen:
    """What ours makes of the same bytes, delivered in ``pieces``."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_through(pieces, format))
    finally:
        loop.close()


async def _through(pieces: list[bytes], format: Format) -> Seen:
    transport, session, lost = Transport(), Session(), []
    connection = WsConnection(
        cast(asyncio.Transport, transport),
        _protocol,
        format=format,
        remote="fuzz",
        limits=_LIMITS,
        metrics=Metrics(),
        on_lost=lost.append,
    )
    connection.start(session)
    for piece in pieces:
        if not transport.closed:
            connection.data_received(piece)
    seen = Seen(messages=session.messages)
    seen.code, seen.reason = close_frame(bytes(transport.written))
    connection.connection_lost(None)
    if session.closed_times != 1 or len(lost) != 1:
        raise AssertionError(f"told {session.closed_times} times that it is closed")
    return seen


def close_frame(written: bytes) -> tuple[int | None, str]:
    """Code and reason of the close frame in what a server has written; 1005 where it has none."""
    at = 0
    while at + 2 <= len(written):
        opcode, length = written[at] & 0x0F, written[at + 1]
        at += 2
        if length == 126:
            length = int.from_bytes(written[at : at + 2], "big")
            at += 2
        payload = written[at : at + length]
        at += length
        if opcode == Opcode.CLOSE:
            if not payload:
                return 1005, ""
            return int.from_bytes(payload[:2], "big"), payload[2:].decode()
    return None, ""


def judge(raw: bytes, format: Format, chance: random.Random) -> str | None:
    """What is wrong with what a connection makes of ``raw``."""
    right, whole = by_protocol(raw), by_connection([raw], format)
    pieces = by_connection(mutate.cut(chance, raw), format)
    if whole != pieces:
        return f"whole {whole!r:.200}, in pieces {pieces!r:.200}"
    if whole.messages != right.messages[: len(whole.messages)]:
        return f"delivered {whole.messages!r:.200}, websockets {right.messages!r:.200}"
    if whole.code is None:
        # The beginning of a last frame may be refused already; ours waits for the rest of it.
        right = by_protocol(whole_frames(raw))
        if right.code is not None or whole.messages != right.messages:
            return f"goes on, where websockets says {right!r:.200}"
        return None
    if whole.code == 1007 and format is Format.JSON and right.code != 1007:
        # websockets leaves it to its caller to look at texts.
        wrong = right.messages[len(whole.messages) :][:1]
        return None if wrong and not _is_text(wrong[0]) else f"closes with 1007 over {wrong!r:.200}"
    if whole.code not in OWN_REASONS and whole.code != right.code:
        return f"closes with {whole.code}, websockets with {right.code}"
    if right.refused and not whole.reason:
        return f"closes with {whole.code} without a reason"
    return None


def whole_frames(raw: bytes) -> bytes:
    """``raw`` without the beginning of a last frame."""
    at = 0
    while (size := frame_size(raw, at)) is not None and at + size <= len(raw):
        at += size
    return raw[:at]


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
