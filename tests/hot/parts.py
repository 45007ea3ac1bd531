"""Sessions on real sockets in a real match, without an event loop's transport in between."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, cast

from websockets.protocol import State
from websockets.server import ServerProtocol

from gameserver.adapters.ws_connection import WsConnection
from gameserver.adapters.ws_socket import Limits
from gameserver.config import Config
from gameserver.ids import PlayerId, SessionId
from gameserver.match.service import MatchService
from gameserver.metrics import Metrics
from gameserver.ports import Clock, Identity
from gameserver.session.services import Services
from gameserver.session.session import Session
from gameserver.wire import from_client
from gameserver.wire.codec import Format, encode_client
from gameserver.wire.ws_frame import apply_mask

MASK = b"\x11\x22\x33\x44"


def client_frame(payload: bytes, *, first: int = 0x82) -> bytes:
    """A masked frame with at most 65,535 bytes of payload."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((first,)) + length + MASK + apply_mask(payload, MASK)


class SocketTransport:
    """What a connection needs of an asyncio transport, over a socket that never waits."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unsent = bytearray()
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.sock if name == "socket" else default

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.unsent += data
        self.flush()

    def flush(self) -> None:
        while self.unsent:
            try:
                sent = self.sock.send(self.unsent)
            except BlockingIOError:
                return
            except OSError:
                self.closing = True
                return
            del self.unsent[:sent]

    def close(self) -> None:
        self.closing = True

    abort = close


class Verifier:
    async def verify(self, token: str) -> Identity:
        raise NotImplementedError


class Player:
    """One player: ``sock`` is the client's end."""

    def __init__(
        self,
        name: str,
        service: MatchService,
        config: Config,
        metrics: Metrics,
        clock: Clock,
        *,
        format: Format = Format.MSGPACK,
        pair: tuple[socket.socket, socket.socket] | None = None,
    ) -> None:
        self.sock, self.server_sock = pair or socket.socketpair()
        self.server_sock.setblocking(False)
        self.transport = SocketTransport(self.server_sock)
        self.connection = WsConnection(
            cast(asyncio.Transport, self.transport),
            lambda: ServerProtocol(state=State.OPEN, max_size=config.payload_bytes_max),
            format=format,
            remote="127.0.0.1",
            limits=Limits(config),
            metrics=metrics,
            on_lost=lambda _: None,
        )
        self.pending: list[Coroutine[Any, Any, None]] = []
        self.session = Session(
            session_id=SessionId(name),
            connection=self.connection,
            identity=Identity(
                player_id=PlayerId(name),
                name=name,
                groups=(),
                expires_ms=2**50,
                token_use="access",
            ),
            services=Services(
                config=config,
                matches=service,
                verifier=Verifier(),
                clock=clock,
                metrics=metrics,
                spawn=self.pending.append,
                on_closed=lambda _: None,
            ),
        )
        self.connection.start(self.session)

    async def join(self, game: str, mode: str = "") -> None:
        join = from_client.Join(game=game, mode=mode)
        self.session.received(encode_client(join, self.connection.format))
        await self.pending.pop()

    def receive(self) -> bytes:
        """What has arrived at the client; what waited in the transport is sent on first."""
        received = bytearray()
        while True:
            self.transport.flush()
            try:
                data = self.sock.recv(65_536)
            except BlockingIOError:
                return bytes(received)
            if not data:
                return bytes(received)
            received += data

    def close(self) -> None:
        self.connection.connection_lost(None)
        self.sock.close()
        self.server_sock.close()
