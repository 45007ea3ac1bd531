"""What a server's sockets share, before and after their upgrade."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from websockets.frames import CloseCode as StandardCode
from websockets.protocol import State
from websockets.server import ServerProtocol

from gameserver.adapters.connect_rate import ConnectRate
from gameserver.adapters.handshake import Answer, GameProtocol, overloaded
from gameserver.adapters.network_sim import Conditions, NetworkSimulation
from gameserver.adapters.ping_wheel import PingWheel
from gameserver.adapters.tls_connection import TlsConnection
from gameserver.adapters.tls_transport import TlsTransport
from gameserver.adapters.ws_connection import WsConnection
from gameserver.adapters.ws_socket import Limits
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.ports import Admission, Gate
from gameserver.wire.close_codes import ADVICE, CloseCode
from gameserver.wire.codec import Format

if TYPE_CHECKING:
    from gameserver.adapters.ws_opening import WsOpening

logger = logging.getLogger(__name__)

FULL_RETRY_S = 5

# websockets logs every opening and closing at INFO, and at DEBUG whole headers with credentials.
protocol_logger = logging.getLogger("gameserver.adapters.ws_protocol")
protocol_logger.setLevel(logging.WARNING)


class WsContext:
    """The limits, the counts and the collaborators of one server."""

    __slots__ = (
        "accepting",
        "admitting",
        "config",
        "connections",
        "emptied",
        "gate",
        "limits",
        "loop",
        "metrics",
        "network",
        "openings",
        "rate",
    )

    def __init__(
        self, config: Config, gate: Gate, metrics: Metrics, network: NetworkSimulation | None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.config = config
        self.gate = gate
        self.metrics = metrics
        self.network = network
        self.limits = Limits(config)
        self.rate = ConnectRate(config.connects_per_ip_per_s)
        self.connections: PingWheel[WsConnection] = PingWheel(
            self.loop, period_s=config.ping_ms / 1000
        )
        self.accepting = True
        self.admitting = 0  # handshakes that wait for the gate; each will need a session
        self.openings: set[WsOpening] = set()  # sockets before their upgrade
        self.emptied = asyncio.Event()  # set whenever the last connection goes

    def new_protocol(self) -> GameProtocol:
        """A ``ServerProtocol`` with this server's limits. permessage-deflate stays off."""
        return GameProtocol(
            # None: a client without an Origin header, so not a browser.
            origins=[None, *self.config.origins],  # type: ignore[list-item]
            max_size=self.config.payload_bytes_max,
            logger=protocol_logger,
        )

    def open_protocol(self) -> ServerProtocol:
        """The same after the upgrade."""
        return ServerProtocol(
            state=State.OPEN, max_size=self.config.payload_bytes_max, logger=protocol_logger
        )

    def too_busy(self, retry_after_s: int) -> Answer | None:
        """Why no handshake can go on now; ``retry_after_s`` is what ``rate`` said."""
        if not self.accepting:
            return overloaded("draining", "this node is going away", retry_after_s=1)
        if retry_after_s:
            return overloaded(
                "too_many_connects",
                "too many connections from this address; slow down",
                retry_after_s=retry_after_s,
            )
        if len(self.connections) + self.admitting >= self.config.sessions_max:
            return overloaded("server_full", "this node is full", retry_after_s=FULL_RETRY_S)
        return None

    def upgrade(
        self,
        transport: asyncio.Transport,
        admission: Admission | None,
        *,
        format: Format,
        remote: str,
        conditions: Conditions | None = None,
    ) -> None:
        """Make the socket a connection with a session; without an admission, close it as one too
        many of its player. The 101 answer has been sent."""
        if conditions is not None and self.network is not None:
            transport = self.network.between(transport, conditions)
        kind = TlsConnection if isinstance(transport, TlsTransport) else WsConnection
        connection = kind(
            transport,
            self.open_protocol,
            format=format,
            remote=remote,
            limits=self.limits,
            metrics=self.metrics,
            on_lost=self._lost,
        )
        transport.set_protocol(connection)
        self.connections.add(connection)
        if admission is None:
            self.metrics.handshakes_refused += 1
            code = CloseCode.ALREADY_CONNECTED
            connection.close(code, ADVICE[code].meaning)
            return
        self.metrics.handshakes_accepted += 1
        connection.player = admission.identity.player_id
        try:
            session = self.gate.open(connection, admission)
        except Exception:
            logger.exception("session could not be opened", extra=connection.who())
            connection.fail(StandardCode.INTERNAL_ERROR)
        else:
            connection.start(session)

    def _lost(self, connection: WsConnection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self.emptied.set()
