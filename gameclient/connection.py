"""One client's WebSocket over an asyncio transport.

``websockets``' Sans-I/O ``ClientProtocol`` does the handshake, control frames, fragments, closing
and every error. A complete, unfragmented data frame, which is what a game server sends tens of
times a second, is cut out of the bytes right here, and data frames to the server are built here
too; both skip the protocol object, which costs more than all the rest together.

    bytes ──► boundaries of frames ──┬─ plain data frame ──► Listener.messages
                                     └─ anything else ─────► ClientProtocol

A plain TCP socket is written directly while nothing waits in the transport, and, while ``polled``,
read directly when ``poll`` is called; with TLS all bytes go through the transport.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from gameclient.ending import Ending, ending_of
from gameclient.meter import Meter
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format
from gameserver.wire.ws_frame import apply_mask, client_frame

MESSAGE_BYTES_MAX = 4 * 1_048_576
"""A longer message fails the connection with 1009."""
RESPONSE_HEAD_BYTES_MAX = 65_536
UNSENT_BYTES_MAX = 1_048_576
"""If more than this waits for a server that does not read, the connection is given up."""
POLL_BYTES = 4_096
POLL_READS_MAX = 64
"""What one poll takes at most; the rest stays in the kernel until the next."""
CLOSING_S = 2.0
"""How long the server has to end the TCP connection after the closing handshake."""

_SMALL_MAX = 125
_TEXT_HEADS, _BINARY_HEADS = (
    tuple(bytes((first, 0x80 | length)) for length in range(_SMALL_MAX + 1))
    for first in (0x81, 0x82)
)
"""The first two bytes of a masked frame, by its length (RFC 6455, section 5.2)."""


class Listener(Protocol):
    """Who the connection reports to. ``now`` is ``time.monotonic()``: uvloop's own time
    stands still while the loop works, which would make every latency look shorter."""

    def connected(self, connection: Connection) -> None:
        """The TCP connection, with TLS where asked for, stands."""

    def opened(self, now: float) -> None:
        """The handshake is done."""

    def messages(self, payloads: list[bytes], now: float) -> None:
        """Complete messages, in order; not none."""

    def closed(self, ending: Ending) -> None:
        """The last call."""


class Connection(asyncio.Protocol):
    """Made for one TCP connection; ``listener`` hears of everything but failures to connect."""

    __slots__ = (
        "_asked_to_close",
        "_data_byte",
        "_deaf",
        "_direct",
        "_ended",
        "_fd",
        "_format",
        "_head_passed",
        "_heads",
        "_leaving",
        "_listener",
        "_mask",
        "_messages",
        "_open",
        "_parts",
        "_polled",
        "_protocol",
        "_rest",
        "_stats",
        "_text",
        "_token",
        "_transport",
    )

    def __init__(
        self,
        *,
        uri: WebSocketURI,
        format: Format,
        token: str,
        mask: bytes,
        listener: Listener,
        stats: Meter,
    ) -> None:
        """``token``: empty where the URI holds a ticket. ``mask``: 4 bytes."""
        self._protocol = ClientProtocol(
            uri, subprotocols=[Subprotocol(format.value)], max_size=MESSAGE_BYTES_MAX
        )
        self._format = format
        self._token = token
        self._mask = mask
        self._listener = listener
        self._stats = stats
        self._text = format is Format.JSON
        self._heads = _TEXT_HEADS if self._text else _BINARY_HEADS
        self._data_byte = 0x81 if self._text else 0x82
        self._transport: asyncio.Transport | None = None
        self._messages = listener.messages
        self._head_passed = False
        self._open = False
        self._deaf = False
        self._leaving = False
        self._ended = False
        self._asked_to_close = False
        self._rest = b""
        self._parts: list[bytes] = []
        self._fd = -1
        # While both are true the transport has nothing to do, so it cannot have closed the socket
        # by itself (and its number cannot have become that of another).
        self._direct = False  # nothing waits in the transport
        self._polled = False

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and transport.get_extra_info("ssl_object") is None:
            self._fd = raw.fileno()
        request = self._protocol.connect()
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        self._flush()
        self._listener.connected(self)

    def data_received(self, data: bytes) -> None:
        self._take(data, time.monotonic())

    def eof_received(self) -> bool | None:
        if not self._open and self._rest:
            self._protocol.receive_data(self._rest)
            self._rest = b""
        self._protocol.receive_eof()
        self._take_events()
        return None

    def connection_lost(self, error: Exception | None) -> None:
        if self._ended:
            return
        self._ended = True
        if not self._protocol.reader.eof:
            self._protocol.receive_eof()
            self._take_events()
        was_open, self._open = self._open, False
        self._transport = None
        ending = ending_of(self._protocol, was_open=was_open, asked_to_close=self._asked_to_close)
        self._listener.closed(ending)

    # ── what a client does ───────────────────────────────────────────────────────────────────

    def send(self, payload: bytes) -> None:
        """Send one message; ignored unless the connection is open."""
        transport = self._transport
        if transport is None or not self._open or self._deaf or self._leaving:
            return
        size = len(payload)
        if size <= _SMALL_MAX:
            frame = self._heads[size] + self._mask + apply_mask(payload, self._mask)
        else:
            frame = client_frame(payload, self._mask, text=self._text)
        size = len(frame)
        self._stats.bytes_out += size
        if not self._direct and self._fd >= 0 and not transport.get_write_buffer_size():
            self._direct = True
        if self._direct and (self._polled or not transport.is_closing()):
            try:
                sent = os.write(self._fd, frame)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.polled(False)  # the loop shall find out how the connection ended
                return
            if sent == size:
                return
            frame = frame[sent:]
        self._queue(frame, transport)

    def _queue(self, data: bytes, transport: asyncio.Transport) -> None:
        """Give ``data`` to the transport; until it is rid of it all, the socket is not written
        directly, because bytes must not overtake each other."""
        self._direct = False
        transport.write(data)
        if transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._stats.error("unsent")
            self.abort()

    def polled(self, polled: bool) -> bool:
        """Stop or resume reading by the event loop; whether it is stopped now. See ``poll``."""
        transport = self._transport
        if transport is None or transport.is_closing() or polled == self._polled or self._fd < 0:
            return self._polled
        if polled and (not self._open or self._deaf):
            return False
        self._polled = polled
        if not polled:
            transport.resume_reading()
            return False
        transport.pause_reading()
        if hasattr(socket, "TCP_CONGESTION"):
            # BBR, the default here and there, sets a timer for every write, which is a tenth of
            # the cost of sending an input. A few bytes now and then need no control of that kind.
            with contextlib.suppress(OSError):
                raw = transport.get_extra_info("socket")
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        return True

    def poll(self, now: float) -> None:
        """Read the socket, if it is ``polled``, and take what has come."""
        transport = self._transport
        for _ in range(POLL_READS_MAX):
            if not self._polled or transport is None:
                return
            if not self._direct and transport.is_closing():
                return
            try:
                data = os.read(self._fd, POLL_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.polled(False)  # the loop shall see the end as well, and act upon it
                return
            self._take(data, now)
            if len(data) < POLL_BYTES:
                return

    def close(self) -> None:
        """Start the closing handshake with 1000, or hang up if there was no handshake yet."""
        self._asked_to_close = True
        if self._transport is None:
            return
        if not self._open:
            self._transport.abort()
            return
        if self._protocol.close_sent is None:
            self.polled(False)
            self._leaving = True  # Nothing may follow a close frame (RFC 6455, section 5.5.1).
            self._protocol.send_close(CloseCode.NORMAL)
            self._flush()
            self._end_soon()

    def abort(self) -> None:
        """Hang up without a word."""
        self._asked_to_close = True
        self.polled(False)
        if self._transport is not None:
            self._transport.abort()

    # ── inbound ──────────────────────────────────────────────────────────────────────────────

    def _take(self, data: bytes, now: float) -> None:
        self._stats.bytes_in += len(data)
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if self._open:
            self._frames(data, now)
        else:
            self._handshake(data, now)

    def _handshake(self, data: bytes, now: float) -> None:
        """Give the protocol the response's head and no byte more, so that frames which came with
        it are cut by ``_frames``; a refusal goes to the protocol whole."""
        head = data
        if not self._head_passed:
            end = data.find(b"\r\n\r\n")
            if end < 0 and len(data) <= RESPONSE_HEAD_BYTES_MAX:
                self._rest = data
                return
            self._head_passed = True
            if end >= 0 and data.startswith(b"HTTP/1.1 101"):
                head = data[: end + 4]
        self._protocol.receive_data(head)
        self._take_events()
        if self._open and len(data) > len(head):
            self._frames(data[len(head) :], now)

    def _frames(self, data: bytes, now: float) -> None:
        size = len(data)
        position = 0
        plain: list[bytes] = []
        while size - position >= 2:
            length = data[position + 1]
            start = position + 2
            if length > _SMALL_MAX:
                start += 2 if length == 126 else 8
                masked = length > 127
                if size < start and not masked:
                    break
                length = int.from_bytes(data[position + 2 : start], "big")
                if masked or length > MESSAGE_BYTES_MAX:  # the protocol refuses both at once
                    self._pass_on(plain, now)
                    self._odd(data[position:])
                    return
            end = start + length
            if end > size:
                break
            if data[position] == self._data_byte and not self._parts and not self._deaf:
                plain.append(data[start:end])
            else:
                plain = self._pass_on(plain, now)
                self._odd(data[position:end])
            position = end
        self._pass_on(plain, now)
        if position < size and not self._ended:
            self._rest = data[position:]

    def _pass_on(self, payloads: list[bytes], now: float) -> list[bytes]:
        """Returns an empty list for the next."""
        if payloads:
            self._messages(payloads, now)
        return []

    def _odd(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._take_events()

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                if self._protocol.handshake_exc is None:
                    self._opened()
            elif isinstance(event, Frame):
                self._frame(event)
        self._deaf = self._deaf or self._protocol.parser_exc is not None
        self._leaving = self._leaving or self._protocol.close_sent is not None
        if self._polled and self._protocol.state is not OPEN:
            self.polled(False)
        self._flush()
        if self._protocol.close_expected():
            self._end_soon()

    def _opened(self) -> None:
        if self._protocol.subprotocol != self._format.value:
            self._stats.error("protocol:subprotocol")
        self._open = True
        self._listener.opened(time.monotonic())

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            if (frame.opcode is Opcode.TEXT) != self._text:
                self._stats.error("protocol:frame_type")
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            payload, self._parts = b"".join(self._parts), []
            self._messages([payload], time.monotonic())

    # ── outbound and the end ─────────────────────────────────────────────────────────────────

    def _flush(self) -> None:
        writes = self._protocol.data_to_send()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        for data in writes:
            if data:
                self._stats.bytes_out += len(data)
                self._direct = False
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()
            else:
                transport.close()

    def _end_soon(self) -> None:
        """The server ends the TCP connection (RFC 6455, 7.1.1); not for ever, though."""
        if self._transport is not None:
            asyncio.get_running_loop().call_later(CLOSING_S, self._transport.abort)
