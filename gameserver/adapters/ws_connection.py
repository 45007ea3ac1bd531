"""One upgraded WebSocket: bytes to messages, frames to bytes.

    data_received ─┬─ small whole frame of our type ── parse_small ──────────┬─► session.received
                   └─ everything else, frame by frame ── ServerProtocol ─────┘

``ServerProtocol`` only ever sees whole frames (or the start of one that it refuses at once), so
between two calls it always stands at a frame's first byte and the fast path may take over again.
Between messages it has nothing to remember, so there is one only while it is needed: that saves
2 KB a player.

What a peer gets for what it does wrong:

    unmasked, reserved bits or opcode, bad control frame, stray continuation   1002 (RFC 6455)
    text that is not UTF-8                                                     1007 (RFC 6455)
    text on a msgpack connection, binary on a JSON one                         1008
    a message over ``payload_bytes_max``, fragments added up                   1009
    an exception in the session (our fault)                                    1011
    more fragments than ``FRAGMENTS_MAX`` in a message                         1008
    more control frames and fragments than messages are allowed                4005
    silence for two pings                                                      4006
    more unsent bytes than four times ``buffer_bytes_high``                    connection reset
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from websockets.frames import CloseCode as StandardCode
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN

from gameserver.adapters.ws_socket import Limits, PolledSocket, not_started
from gameserver.adapters.ws_transport import half_close
from gameserver.metrics import Metrics
from gameserver.ports import SessionPort
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format
from gameserver.wire.ws_frame import HEADER_BYTES_MAX, frame_size, parse_small

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

logger = logging.getLogger(__name__)

CLOSE_WAIT_S = 2.0
"""How long the peer may take to answer a close frame and to close its side; then a reset."""
FRAGMENTS_MAX = 64
REASON_BYTES_MAX = 123
"""A control frame holds 125 bytes, two of which are the code (RFC 6455, section 5.5)."""
_PING = b"\x89\x00"
_HANDED_OVER = frozenset({Opcode.TEXT, Opcode.BINARY})


class WsConnection(PolledSocket):
    """The ``Connection`` port over an asyncio transport.

    ``writable`` is false while the transport's buffer is above its high-water mark.
    """

    __slots__ = (
        "_deadline",
        "_fragments",
        "_fragments_seen",
        "_loop",
        "_lost",
        "_need",
        "_new_protocol",
        "_odd_frames",
        "_on_lost",
        "_opcode",
        "_payload_max",
        "_protocol",
        "_session",
        "_silent",
        "format",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        new_protocol: Callable[[], ServerProtocol],
        *,
        format: Format,
        remote: str,
        limits: Limits,
        metrics: Metrics,
        on_lost: Callable[[WsConnection], None],
    ) -> None:
        super().__init__(
            transport,
            binary=format is Format.MSGPACK,
            remote=remote,
            limits=limits,
            metrics=metrics,
        )
        self.format = format
        self._new_protocol = new_protocol
        self._protocol: ServerProtocol | None = None
        self._payload_max = limits.payload_bytes_max
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._opcode = Opcode.TEXT if format is Format.JSON else Opcode.BINARY
        self._session: SessionPort | None = None
        self._lost = False
        self._need = 0  # bytes before it is worth looking at `_partial` again
        self._fragments: bytearray | None = None
        self._fragments_seen = 0
        self._odd_frames = 0
        self._silent = 0
        self._deadline: asyncio.TimerHandle | None = None

    def who(self) -> dict[str, str]:
        """For the log."""
        return {"remote": self.remote, "player": self.player}

    def start(self, session: SessionPort) -> None:
        """Deliver what comes in to ``session``; called once, right after the upgrade.

        If the connection was lost while the session was being opened, it is told so now.
        """
        self._session = session
        self._received = session.received
        if self._lost:
            self._tell_closed()

    # ── the Connection port ──────────────────────────────────────────────────────────────────

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Send a close frame, wait at most ``CLOSE_WAIT_S`` for the peer's, then reset.

        No message is delivered any more. A reason is cut to ``REASON_BYTES_MAX``.
        """
        if not self._open:
            return
        self._stop_delivering()
        protocol = self._needed_protocol()
        if protocol.state is OPEN:
            protocol.send_close(code, _cut(reason or code.name.lower()))
        self._flush()

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes | bytearray) -> None:
        """Cut frames and take each by the fast path or through ``ServerProtocol``."""
        line = self.line
        line.heard = True
        metrics = self._metrics
        metrics.bytes_received += len(data)
        if self._partial is not None:
            self._partial += data
            if len(self._partial) < self._need:
                return
            data, self._partial = bytes(self._partial), None
            line.fast = self._open and self._fragments is None
        offset, end = 0, len(data)
        try:
            while offset < end:
                if line.fast:
                    parsed = parse_small(
                        data, offset, payload_max=self._payload_max, opcode=self._opcode
                    )
                    if parsed is not None:
                        payload, offset = parsed
                        metrics.fast_frames += 1
                        self._received(payload)
                        continue
                offset = self._take_slowly(data, offset)
        except Exception:
            self._session_failed()

    def eof_received(self) -> None:
        """The peer has half-closed: without a close frame that is the end too (1006)."""
        self._stop_delivering()
        self._needed_protocol().receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        """The transport's buffer is above its high-water mark."""
        self.writable = False

    def resume_writing(self) -> None:
        """The transport's buffer is below its low-water mark."""
        self.writable = True
        if self._open and self._session is not None:
            try:
                self._session.became_writable()
            except Exception:
                logger.exception("session failed on resuming", extra=self.who())
                self.fail(StandardCode.INTERNAL_ERROR)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; the session is told exactly once."""
        self._stop_delivering()
        self._lost = True
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._drop_protocol()
        self._on_lost(self)
        self._tell_closed()

    # ── the server's side ────────────────────────────────────────────────────────────────────

    def visit(self) -> None:
        """Once a period: ping, and close a connection that was silent for two of them. A player
        who plays is heard without being asked, and hears the server with every frame."""
        self._odd_frames = 0
        if self.line.heard:
            self.line.heard, self._silent = False, 0
            if self._polled:
                return
        else:
            self.polled(False)  # in case that whoever polls has forgotten this connection
            self._silent += 1
            if self._silent >= 2:
                self.close(CloseCode.IDLE)
                return
        self.write(_PING)

    def _session_failed(self) -> None:
        logger.exception("session failed on a message", extra=self.who())
        self.fail(StandardCode.INTERNAL_ERROR)

    def fail(self, code: StandardCode, reason: str = "") -> None:
        """Send a close frame and close without waiting for the peer's (RFC 6455, section 7.1.7)."""
        if self._open:
            self._stop_delivering()
            self._needed_protocol().fail(code, _cut(reason or code.name.lower()))
            self._flush()

    def abort(self) -> None:
        """Reset the connection at once."""
        self._stop_delivering()
        self._transport.abort()

    # ── the slow path ────────────────────────────────────────────────────────────────────────

    def _take_slowly(self, data: bytes | bytearray, offset: int) -> int:
        """Feed the frame at ``offset`` to ``ServerProtocol`` if it is all there, else keep it.

        Returns where the next frame starts.
        """
        protocol = self._protocol
        if protocol is not None and protocol.eof_sent:
            return len(data)  # the closing handshake is over; RFC 6455, section 1.4: discard
        available = len(data) - offset
        size = frame_size(data, offset)
        if not self._refused_by_header(data, offset, size) and (size is None or available < size):
            self._partial = bytearray(data[offset:])
            self.line.fast = False
            self._need = size or available + 1
            return len(data)
        end = offset + min(size or available, available)
        self._metrics.slow_frames += 1
        protocol = self._needed_protocol()
        protocol.receive_data(data[offset:end])
        if protocol.state is not OPEN:
            self._stop_delivering()
        for event in protocol.events_received():
            if self._open and isinstance(event, Frame):
                self._take_frame(event)
        self.line.fast = self._open and self._fragments is None
        self._flush()
        if self.line.fast:
            self._drop_protocol()
        return end

    def _needed_protocol(self) -> ServerProtocol:
        if self._protocol is None:
            self._protocol = self._new_protocol()
        return self._protocol

    def _drop_protocol(self) -> None:
        if self._protocol is not None:
            # Its parser is a generator that refers back to it.
            self._protocol.parser.close()
            self._protocol = None

    def _refused_by_header(self, data: bytes | bytearray, offset: int, size: int | None) -> bool:
        """Whether ``ServerProtocol`` refuses the frame without seeing the rest of it, so that
        waiting for the rest would only keep bytes for nothing."""
        if len(data) - offset >= 2 and not data[offset + 1] & 0x80:
            return True
        return size is not None and size > self._payload_max + HEADER_BYTES_MAX

    def _take_frame(self, frame: Frame) -> None:
        """A frame that ``ServerProtocol`` found in order."""
        is_data = frame.opcode in _HANDED_OVER
        if not (is_data and frame.fin):
            self._odd_frames += 1
            if self._odd_frames > self._limits.odd_frames_max:
                self.close(CloseCode.RATE_LIMITED)
                return
        if is_data:
            if frame.opcode is not self._opcode:
                wanted = "text" if self._opcode is Opcode.TEXT else "binary"
                self.close(CloseCode.POLICY, f"this connection takes {wanted} frames only")
            elif frame.fin:
                self._deliver(bytes(frame.data))
            else:
                self._fragments, self._fragments_seen = bytearray(frame.data), 1
        elif frame.opcode is Opcode.CONT and self._fragments is not None:
            # Their total size is bounded by ServerProtocol, but empty ones cost it nothing.
            self._fragments += frame.data
            self._fragments_seen += 1
            if frame.fin:
                message, self._fragments = bytes(self._fragments), None
                self._deliver(message)
            elif self._fragments_seen >= FRAGMENTS_MAX:
                self.close(CloseCode.POLICY, "too many fragments")

    def _deliver(self, message: bytes) -> None:
        if self._opcode is Opcode.TEXT:
            try:
                message.decode()
            except UnicodeDecodeError as error:
                self.fail(StandardCode.INVALID_DATA, f"{error.reason} at byte {error.start}")
                return
        self._received(message)

    # ── closing ──────────────────────────────────────────────────────────────────────────────

    def _stop_delivering(self) -> None:
        super()._stop_delivering()
        self._fragments = None

    def _flush(self) -> None:
        """Send what ``ServerProtocol`` has to say; once it is closing, wait for a bounded time."""
        transport = self._transport
        for chunk in self._needed_protocol().data_to_send():
            if transport.is_closing():
                break
            if chunk:
                self._metrics.bytes_sent += len(chunk)
                self.line.direct = False
                transport.write(chunk)
            else:
                half_close(transport)
        if not self.writable:
            self._reset_if_over_cap()
        if not self._open and self._deadline is None and not self._lost:
            self._deadline = self._loop.call_later(CLOSE_WAIT_S, transport.abort)

    def _tell_closed(self) -> None:
        session, self._session = self._session, None
        self._received = not_started
        if session is not None:
            try:
                session.closed()
            except Exception:
                logger.exception("session failed on closing", extra=self.who())
        self.line.connection = None


def _cut(reason: str) -> str:
    return reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
