"""A WebSocket over TLS that a match can read at its ticks."""

from __future__ import annotations

from gameserver.adapters.tls_transport import TlsTransport
from gameserver.adapters.ws_connection import WsConnection


class TlsConnection(WsConnection):
    """All bytes go through the ``TlsTransport``, which alone touches the socket: it sends at once
    where it can, and is read when the match asks. To the classes above it is never polled."""

    __slots__ = ()

    _transport: TlsTransport

    def poll(self) -> None:
        """Read the socket now; called by whoever asked for it with ``polled``."""
        if not self._transport.is_reading():
            self._transport.poll(self.take)

    def polled(self, polled: bool) -> None:
        """Stop or resume reading by the event loop. See ``poll``."""
        if not polled:
            self._transport.resume_reading()
        elif self._open:
            self._transport.pause_reading()
