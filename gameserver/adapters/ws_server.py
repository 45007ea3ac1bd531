"""The WebSocket listener: plain, or TLS where a certificate is given."""

from __future__ import annotations

import asyncio
import logging
import ssl

from gameserver.adapters.network_sim import NetworkSimulation
from gameserver.adapters.tls_transport import TlsListener
from gameserver.adapters.ws_connection import CLOSE_WAIT_S
from gameserver.adapters.ws_context import WsContext
from gameserver.adapters.ws_opening import WsOpening
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.ports import Gate
from gameserver.wire.close_codes import CloseCode

logger = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that the kernel holds until they are accepted; over it a client's SYN is retried."""


def tls_context(cert_file: str, key_file: str) -> ssl.SSLContext:
    """TLS 1.2 or newer with the certificate chain of ``cert_file`` (PEM).

    Raises ``OSError`` or ``ssl.SSLError`` where a file cannot be read or does not fit the other.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION  # of TLS 1.2: a peer could have it all day long
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class WsServer:
    """Accepts players: ``start``, then ``stop_accepting`` when draining, then ``close``."""

    def __init__(
        self,
        config: Config,
        gate: Gate,
        metrics: Metrics,
        *,
        network: NetworkSimulation | None = None,
    ) -> None:
        """``network``: in development, what connections are made to suffer."""
        self._config = config
        self._network = network
        self._gate = gate
        self._metrics = metrics
        self._context: WsContext | None = None
        self._server: asyncio.Server | None = None
        self._tls: TlsListener | None = None
        metrics.gauge("ws_connections", "WebSocket connections open", lambda: self.connections)
        metrics.gauge(
            "ws_unauthenticated",
            "Sockets that have not finished the handshake",
            lambda: self._unauthenticated,
        )

    @property
    def connections(self) -> int:
        """Upgraded connections."""
        return len(self._context.connections) if self._context else 0

    @property
    def _unauthenticated(self) -> int:
        within_tls = len(self._tls.handshakes) if self._tls else 0
        return within_tls + (len(self._context.openings) if self._context else 0)

    async def start(self) -> int:
        """Listen; the port, which matters where the configured one is 0.

        Raises ``OSError`` where the port is taken or a TLS file cannot be read.
        """
        config = self._config
        context = self._context = WsContext(config, self._gate, self._metrics, self._network)

        def opening() -> asyncio.Protocol:
            return WsOpening(context)

        accept = opening
        if config.tls_cert_file:
            self._tls = TlsListener(
                tls_context(config.tls_cert_file, config.tls_key_file),
                opening,
                handshake_s=config.handshake_ms / 1000,
                handshakes_max=config.unauthenticated_max,
                close_wait_s=CLOSE_WAIT_S,
            )
            accept = self._tls.accept
        self._server = await context.loop.create_server(
            accept, config.ws_host, config.ws_port, backlog=BACKLOG
        )
        context.connections.start()
        port: int = self._server.sockets[0].getsockname()[1]
        logger.info("accepting players", extra={"port": port, "tls": self._tls is not None})
        return port

    def stop_accepting(self) -> None:
        """Close the listener and refuse the handshakes under way; connections stay."""
        if self._context is not None:
            self._context.accepting = False
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """Close every connection with 1012; returns when all are gone, after ``CLOSE_WAIT_S`` and
        a little at the latest."""
        context, server = self._context, self._server
        if context is None or server is None:
            return
        self.stop_accepting()
        if self._tls is not None:
            self._tls.close()
        for opening in tuple(context.openings):
            opening.close()
        for connection in context.connections:
            connection.close(CloseCode.RESTART)
        try:
            async with asyncio.timeout(2 * CLOSE_WAIT_S):
                while context.connections:
                    context.emptied.clear()
                    await context.emptied.wait()
        except TimeoutError:
            for connection in context.connections:
                connection.abort()
        context.connections.stop()
        await server.wait_closed()
        self._server = None
