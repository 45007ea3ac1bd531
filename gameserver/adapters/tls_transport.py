"""TLS between a plain transport and a WebSocket, readable when the match asks.

    socket ─ event loop's plain transport ─ TlsTransport ─ WsOpening, then TlsConnection

The event loops' own TLS costs as much as the rest of a cycle, and has to be woken by each input.
Here a record is encrypted and written to the socket in one go, and a match reads its players'
sockets at its tick (``poll``), as it does without TLS. Keys, records and alerts are OpenSSL's, by
way of ``ssl.SSLObject``, which is also what asyncio's TLS stands on.

    HANDSHAKE ── done ──► OPEN ── close, or the peer's close_notify ──► CLOSING ──► CLOSED
        └──────── too slow, bad record, too many at once ─────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Iterable
from typing import Any, cast

logger = logging.getLogger(__name__)

READ_BYTES = 16_384
"""The plain text that a record holds at most: so one call takes a whole one."""
POLL_BYTES = 1_024
"""A read at the tick: several inputs, each a record with 22 to 29 bytes of its own."""
POLL_READS_MAX = 16


HANDSHAKE, OPEN, CLOSING, CLOSED = range(4)


class TlsListener:
    """What the TLS sockets of a server share: the certificate, the bounds, and who is within the
    handshake. Its ``accept`` is the factory for ``loop.create_server``."""

    def __init__(
        self,
        context: ssl.SSLContext,
        protocol_factory: Callable[[], asyncio.Protocol],
        *,
        handshake_s: float,
        handshakes_max: int,
        close_wait_s: float,
    ) -> None:
        self.context = context
        self.protocol_factory = protocol_factory
        self.handshake_s = handshake_s
        self.handshakes_max = handshakes_max
        self.close_wait_s = close_wait_s
        self.handshakes: set[TlsTransport] = set()
        self.loop = asyncio.get_running_loop()

    def accept(self) -> TlsTransport:
        """For a socket that was just accepted."""
        return TlsTransport(self)

    def close(self) -> None:
        """Reset the sockets within their handshake."""
        for one in tuple(self.handshakes):
            one.abort()


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """The plain transport's protocol, and the WebSocket's transport."""

    __slots__ = (
        "_fd",
        "_incoming",
        "_listener",
        "_outgoing",
        "_protocol",
        "_raw",
        "_reading",
        "_state",
        "_timer",
        "_tls",
    )

    def __init__(self, listener: TlsListener) -> None:
        super().__init__()
        self._listener = listener
        self._state = HANDSHAKE
        self._reading = True
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = listener.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._protocol: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ── asyncio.Protocol: the socket's side ──────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the peer ``handshake_s``, if not too many are at it."""
        listener, raw = self._listener, cast(asyncio.Transport, transport)
        self._raw = raw
        self._fd: int = raw.get_extra_info("socket").fileno()
        listener.handshakes.add(self)
        self._timer = listener.loop.call_later(listener.handshake_s, raw.abort)
        if len(listener.handshakes) > listener.handshakes_max:
            raw.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes off the wire."""
        if self._state > OPEN:
            return  # nothing is delivered any more; read away, so that closing makes no reset
        self._incoming.write(data)
        if self._state == HANDSHAKE:
            self._shake_hands()
        else:
            assert self._protocol is not None
            self._deliver(self._protocol.data_received)

    def eof_received(self) -> None:
        """The peer has closed its side, with or without a close_notify: the end of both."""
        if self._state == OPEN:
            self._peer_ended()

    def pause_writing(self) -> None:
        """The plain transport's buffer is above its high-water mark."""
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The plain transport's buffer is below its low-water mark."""
        if self._protocol is not None:
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._state = CLOSED
        self._stop_timer()
        self._listener.handshakes.discard(self)
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(exc)

    # ── asyncio.Transport: the WebSocket's side ──────────────────────────────────────────────

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and, where nothing waits, send at once."""
        if self._state != OPEN:
            return
        try:
            written = self._tls.write(data)
            while written < len(data):
                written += self._tls.write(memoryview(data)[written:])
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """As ``write``, joined into as few records as they need."""
        self.write(b"".join(list_of_data))

    def poll(self, receive: Callable[[bytes], None]) -> None:
        """Read the socket now, and hand what has come to ``receive``. For one that is paused.

        What is more than ``POLL_READS_MAX`` reads waits in the kernel until the next poll."""
        for _ in range(POLL_READS_MAX):
            if self._state != OPEN or self._raw.is_closing():
                return
            try:
                data = os.read(self._fd, POLL_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self.abort()
                return
            if not data:
                # The event loop knows how to end a connection: it shall see the end as well.
                self.resume_reading()
                return
            self._incoming.write(data)
            self._deliver(receive)
            if len(data) < POLL_BYTES:
                return

    def pause_reading(self) -> None:
        """Leave what comes in the kernel."""
        if self._reading and self._state == OPEN:
            self._reading = False
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Let the event loop read again."""
        if not self._reading and self._state == OPEN:
            self._reading = True
            self._raw.resume_reading()

    def is_reading(self) -> bool:
        return self._reading

    def is_closing(self) -> bool:
        return self._state > OPEN or self._raw.is_closing()

    def close(self) -> None:
        """Send what waits and close_notify; the peer gets ``close_wait_s`` to close as well."""
        if self._state != OPEN:
            return
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # the peer's answer is not there yet, as is usual, or will never be needed
        self._flush()
        self.resume_reading()
        self._state = CLOSING
        listener, raw = self._listener, self._raw
        if raw.is_closing():
            return
        self._timer = listener.loop.call_later(listener.close_wait_s, raw.abort)
        try:
            raw.write_eof()
        except OSError:
            raw.abort()  # the peer has gone already; asyncio says so here, uvloop does not

    def abort(self) -> None:
        """Reset the connection at once."""
        if self._state != CLOSED:
            self._state = CLOSING
            self._raw.abort()

    def can_write_eof(self) -> bool:
        """TLS has an end of its own: ``close``."""
        return False

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None, "there is no protocol before the handshake"
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``ssl_object`` and all that the plain transport knows."""
        return self._tls if name == "ssl_object" else self._raw.get_extra_info(name, default)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._flush()  # the alert that says why
            self._fail(error)
            return
        self._state = OPEN
        self._stop_timer()
        self._listener.handshakes.discard(self)
        self._flush()
        self._protocol = self._listener.protocol_factory()
        self._protocol.connection_made(self)
        if self._incoming.pending:
            self._deliver(self._protocol.data_received)

    def _deliver(self, receive: Callable[[bytes], None]) -> None:
        """Hand on the plain text of all records that are complete."""
        read, incoming = self._tls.read, self._incoming
        try:
            while self._state == OPEN:
                data = read(READ_BYTES)
                if not data:
                    self._peer_ended()
                    return
                receive(data)
                if not incoming.pending:
                    break
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come, or there was no plain text in it
        except ssl.SSLError as error:
            self._flush()
            self._fail(error)
            return
        if self._outgoing.pending:
            self._flush()  # OpenSSL answers by itself, for instance to a change of keys

    def _flush(self) -> None:
        """Send the records that OpenSSL has made; what the socket does not take waits in the plain
        transport, and bytes do not overtake each other."""
        data, raw = self._outgoing.read(), self._raw
        if not data or raw.is_closing():
            return
        if raw.get_write_buffer_size():
            raw.write(data)
            return
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return
        if sent < len(data):
            raw.write(data[sent:])

    def _peer_ended(self) -> None:
        if self._protocol is not None:
            self._protocol.eof_received()
        self.close()

    def _fail(self, error: ssl.SSLError) -> None:
        peer = self._raw.get_extra_info("peername")
        remote = str(peer[0]) if isinstance(peer, tuple) else "local"
        logger.info("TLS failed", extra={"remote": remote, "reason": error.reason})
        self._state = CLOSING
        self._raw.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
