"""The player's side: who somebody is, a socket, a session."""

from __future__ import annotations

from typing import Protocol

import msgspec

from gameserver.hot import Line
from gameserver.ids import PlayerId, SessionId
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a verified token speaks for. ``expires_ms``: wall time at which the token ends;
    ``auth_ms``: when its player logged in, which stays the same when it is refreshed."""

    player_id: PlayerId
    name: str
    groups: tuple[str, ...]
    expires_ms: int
    token_use: str
    origin_jti: str | None = None
    auth_ms: int = 0


class TokenVerifier(Protocol):
    """Checks a Cognito JWT."""

    async def verify(self, token: str) -> Identity:
        """The token's identity. Raises ``TokenRefused``, or ``IdentityUnavailable`` where no key
        set is at hand."""


class Tickets(Protocol):
    """One-time passes for clients that cannot send headers."""

    async def issue(self, identity: Identity) -> str:
        """A ticket that ``redeem`` takes once within its lifetime. Raises ``StoreUnavailable``."""

    async def redeem(self, ticket: str) -> Identity:
        """Raises ``TokenRefused`` for an unknown, used or old ticket, or ``StoreUnavailable``."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a handshake offers; exactly one of ``token`` and ``ticket`` is set, else the gate
    refuses. ``client``: what the client calls itself, or empty."""

    token: str | None = None
    ticket: str | None = None
    client: str = ""

    def __repr__(self) -> str:
        """Which of them there are: what is shown in a failure must not let anybody in."""
        given = [name for name in ("token", "ticket") if getattr(self, name) is not None]
        return f"Credentials({', '.join(given) or 'none'}, client={self.client!r})"


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Who may connect. ``session_id``: the id that the session is to have, or empty."""

    identity: Identity
    client: str = ""
    session_id: SessionId = SessionId("")


class Connection(Protocol):
    """A WebSocket after its upgrade, seen from the session."""

    @property
    def format(self) -> Format: ...
    @property
    def remote(self) -> str:
        """The peer's address, for logs and limits."""

    @property
    def writable(self) -> bool:
        """False while the transport's buffer is above its high-water mark."""

    def write(self, frame: bytes) -> None:
        """Hand over one or more complete WebSocket frames. Ignored after ``close``."""

    @property
    def line(self) -> Line:
        """The connection as the loops of ``hot`` see it."""

    def polled(self, polled: bool) -> None:
        """Whether ``hot.collect`` reads the line several times a second from now on, so that
        arriving bytes need not wake the event loop."""

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Start the closing handshake; ``reason`` defaults to the code's name in lower case."""


class SessionPort(Protocol):
    """A session, seen from the connection."""

    def received(self, payload: bytes) -> None:
        """One complete message of the connection's format."""

    def became_writable(self) -> None:
        """The transport's buffer has drained below its low-water mark."""

    def closed(self) -> None:
        """The connection is gone, for whatever reason; nothing can be written any more."""


class Overloaded(Exception):
    """The node takes no more sockets now; answered as 503 with ``Retry-After``."""

    def __init__(self, code: str, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class Gate(Protocol):
    """Decides, before the upgrade, who may connect."""

    async def admit(self, credentials: Credentials) -> Admission:
        """Raises ``TokenRefused``, ``AlreadyConnected``, ``Overloaded`` or ``Unavailable``."""

    def open(self, connection: Connection, admission: Admission) -> SessionPort:
        """Start a session on an upgraded connection."""


class SessionRecords(Protocol):
    """Writes down who is connected, in the background. Every method returns at once."""

    def opened(self, session_id: SessionId, identity: Identity) -> None:
        """A session has begun; it lasts until its token ends, or longer if it is refreshed."""

    def refreshed(self, session_id: SessionId, identity: Identity) -> None:
        """It lasts longer."""

    def closed(self, session_id: SessionId) -> None:
        """It has ended."""
