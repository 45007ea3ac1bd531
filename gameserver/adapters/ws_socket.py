"""The hot end of a WebSocket connection: reading when the match asks, writing past the transport.

A real-time match uses inputs only when it ticks, so while it runs nobody needs to be woken by each
of them: reading by the event loop is stopped (``polled``), and the match reads every socket once,
right before its step. The frame that follows is written by one system call. For players who behave
as nearly all do, ``hot`` does both; what is not usual comes here (``poll``, ``take``, ``write``).
With TLS, where the transport holds the keys, all bytes go through the transport as usual.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from gameserver.config import Config
from gameserver.hot import Line
from gameserver.metrics import Metrics
from gameserver.wire.ws_frame import apply_mask

logger = logging.getLogger(__name__)

HARD_CAP_FACTOR = 4
POLL_BYTES = 400
"""A read at the tick: several inputs, and small enough for Python's own allocator."""
POLL_READS_MAX = 40

USUAL_HEADER_BYTES = 6
_FIN_BINARY, _MASKED = 0x82, 0x80
_USUAL_PAYLOAD_MAX = 125
"""A longer one has a longer header (RFC 6455, section 5.2)."""


class Limits:
    """What all connections of a server share; made once."""

    __slots__ = ("buffer_bytes_hard", "buffer_bytes_high", "odd_frames_max", "payload_bytes_max")

    def __init__(self, config: Config) -> None:
        self.payload_bytes_max = config.payload_bytes_max
        self.buffer_bytes_high = config.buffer_bytes_high
        self.buffer_bytes_hard = HARD_CAP_FACTOR * config.buffer_bytes_high
        # The session counts messages. Pings and fragments never reach it, so they are counted
        # here, by the same measure, over the period of the ping.
        self.odd_frames_max = config.messages_burst + config.messages_per_s * config.ping_ms // 1000


def not_started(payload: bytes) -> None:
    """Nothing is delivered before a session is there, nor after it was told of the end."""


class PolledSocket(asyncio.Protocol):
    """Bytes in and out. What arrives is handed to ``_received`` if it is one usual frame, else to
    ``data_received``. A subclass says what closing and failing mean."""

    __slots__ = (
        "_limits",
        "_metrics",
        "_open",
        "_partial",
        "_polled",
        "_received",
        "_transport",
        "line",
        "player",
        "remote",
        "writable",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        binary: bool,
        remote: str,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self.remote = remote
        self.player = ""
        """Whose it is, for the log."""
        self.writable = True
        self._transport = transport
        self._limits = limits
        self._metrics = metrics
        self._received: Callable[[bytes], None] = not_started
        self._open = True  # messages are delivered and frames are written
        self._partial: bytearray | None = None  # the start of a frame; at most payload_max + header
        plain = transport.get_extra_info("ssl_object") is None
        raw = transport.get_extra_info("socket") if plain else None
        self._polled = False
        self.line = line = Line()
        line.connection = self
        line.fd = -1 if raw is None else raw.fileno()
        line.fast = line.heard = True
        if binary:
            line.usual_max = USUAL_HEADER_BYTES + min(_USUAL_PAYLOAD_MAX, limits.payload_bytes_max)
        transport.set_write_buffer_limits(high=limits.buffer_bytes_high)

    def write(self, frame: bytes) -> None:
        """Hand over complete frames. Ignored after ``close``."""
        if not self.line.direct:
            if self._open:
                self._write_indirectly(frame)
            return
        # Nothing waits in the transport, so the socket is written past it: the transport would do
        # that only after this turn of the loop, and with more ado.
        try:
            sent = os.write(self.line.fd, frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return
        self._metrics.bytes_sent += sent
        if sent != len(frame):
            self.queue(frame[sent:])

    def poll(self) -> None:
        """Read the socket now; nothing happens unless it was asked for with ``polled``."""
        if not self.line.direct and (not self._polled or self._transport.is_closing()):
            return
        try:
            data = os.read(self.line.fd, POLL_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        self.take(data)

    def take(self, data: bytes) -> None:
        """``data`` was read at a tick.

        The usual case, one small frame and nothing else, is taken apart right here, by the rules
        of ``parse_small``.
        """
        size = len(data)
        line = self.line
        if (
            USUAL_HEADER_BYTES < size <= line.usual_max
            and data[1] == size - USUAL_HEADER_BYTES + _MASKED
            and data[0] == _FIN_BINARY
            and line.fast
        ):
            line.heard = True
            metrics = self._metrics
            metrics.bytes_received += size
            metrics.fast_frames += 1
            self.deliver(apply_mask(data[6:], data[2:6]))
        elif data:
            self.data_received(data)
            if size == POLL_BYTES:
                self._poll_more()
        else:
            # The event loop knows how to end a connection: it shall see the end as well.
            self.polled(False)

    def deliver(self, payload: bytes) -> None:
        """One whole message was read at a tick."""
        try:
            self._received(payload)
        except Exception:
            self._session_failed()

    def polled(self, polled: bool) -> None:
        """Stop or resume reading by the event loop. See ``poll``."""
        if polled == self._polled or self.line.fd < 0 or (polled and not self._open):
            return
        self._polled = polled
        self.line.direct = False
        if not self._transport.is_closing():
            if polled:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _write_indirectly(self, frame: bytes) -> None:
        transport = self._transport
        if self._polled and not transport.is_closing() and not transport.get_write_buffer_size():
            self.line.direct = True
            self.write(frame)
        else:
            self.queue(frame)

    def queue(self, data: bytes) -> None:
        """Give ``data`` to the transport; until it is rid of it all, the socket is not written
        directly, because bytes must not overtake each other."""
        self.line.direct = False
        self._metrics.bytes_sent += len(data)
        self._transport.write(data)
        if not self.writable:
            self._reset_if_over_cap()

    def _poll_more(self) -> None:
        """Much has arrived. Read on, but not without end: what is left waits in the kernel, and
        holds that player up, until the next poll."""
        for _ in range(POLL_READS_MAX):
            if not self._polled or self._transport.is_closing():
                return
            try:
                data = os.read(self.line.fd, POLL_BYTES)
            except OSError:
                return  # nothing left; or an error, which the next poll meets again
            if data:
                self.data_received(data)
            if len(data) < POLL_BYTES:
                return

    def _reset_if_over_cap(self) -> None:
        unsent = self._transport.get_write_buffer_size()
        if unsent > self._limits.buffer_bytes_hard:
            logger.warning(
                "connection reset: too much unsent",
                extra={"remote": self.remote, "player": self.player, "unsent_bytes": unsent},
            )
            self.abort()

    def _stop_delivering(self) -> None:
        self._open = self.line.fast = self.line.direct = False
        self.polled(False)

    def _session_failed(self) -> None:
        """``_received`` has raised."""
        raise NotImplementedError

    def abort(self) -> None:
        """Reset the connection at once."""
        raise NotImplementedError
