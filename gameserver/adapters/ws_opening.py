"""A socket before its upgrade: read one request, ask the gate, answer.

    READING ── whole request ──► ADMITTING ── admitted ──► 101, the socket is a ``WsConnection``
       └──────────┬─────────────────┘
         refused, too slow, gone
                  └──► ANSWERED ── peer closes, or LINGER_S ──► closed

At most ``header_bytes_max`` bytes are kept, and nothing that follows the request is: a client has
to wait for the answer (RFC 6455, section 4.1).
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import cast

from gameserver.adapters import handshake
from gameserver.adapters.client_address import limit_key
from gameserver.adapters.handshake import Answer, GameProtocol, Opening
from gameserver.adapters.network_sim import Conditions
from gameserver.adapters.ws_context import WsContext
from gameserver.adapters.ws_transport import half_close
from gameserver.errors import AlreadyConnected, TokenRefused, Unavailable
from gameserver.ports import Admission, Overloaded

logger = logging.getLogger(__name__)

LINGER_S = 1.0
"""How long a refused peer may take to read its answer. Closing at once, with unread data in the
kernel, would reset the connection and could destroy the answer on its way."""

_HEAD_END = b"\r\n\r\n"


class _State(Enum):
    READING = auto()
    ADMITTING = auto()
    ANSWERED = auto()


class WsOpening(asyncio.Protocol):
    """The protocol of an accepted socket until it is upgraded or closed."""

    __slots__ = (
        "_began",
        "_conditions",
        "_context",
        "_head",
        "_protocol",
        "_remote",
        "_reserved",
        "_retry_after_s",
        "_state",
        "_task",
        "_timer",
        "_transport",
    )

    def __init__(self, context: WsContext) -> None:
        self._context = context
        self._state = _State.READING
        self._head = bytearray()
        self._remote = ""
        self._retry_after_s = 0
        self._conditions: Conditions | None = None
        self._reserved = False
        self._began = context.loop.time()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ── asyncio.Protocol ─────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the socket, and give it ``handshake_ms``."""
        context = self._context
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else "local"
        context.openings.add(self)
        waiting = len(context.openings)
        if waiting > 2 * context.config.unauthenticated_max:
            # Those that linger with their 503 are bounded too.
            self._transport.abort()
            return
        if not context.config.proxies_trusted:
            self._retry_after_s = context.rate.take(self._remote, context.loop.time())
        self._timer = context.loop.call_later(context.config.handshake_ms / 1000, self._too_slow)
        if waiting > context.config.unauthenticated_max:
            busy = "too many connections wait for their handshake"
            self._answer(handshake.overloaded("too_many_handshakes", busy, retry_after_s=1))

    def data_received(self, data: bytes) -> None:
        """Collect the request; more than it is refused."""
        match self._state:
            case _State.READING:
                # The end may have begun in what was there before.
                seen = max(0, len(self._head) - len(_HEAD_END) + 1)
                self._head += data
                self._read(seen)
            case _State.ADMITTING:
                self._answer(handshake.EARLY_DATA)
            case _State.ANSWERED:
                pass  # the answer is on its way; what comes now is read away and dropped

    def eof_received(self) -> None:
        """The peer will not send more: before its upgrade that ends it. The transport closes, and
        the timer stays, in case the peer does not read what is left to send."""
        self._stop_admitting()
        self._state = _State.ANSWERED

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._stop_admitting()
        self._stop_timer()
        self._context.openings.discard(self)

    def close(self) -> None:
        """Give up, for the server's end."""
        self._stop_admitting()
        self._transport.abort()

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _read(self, seen: int) -> None:
        head_max = self._context.config.header_bytes_max
        end = self._head.find(_HEAD_END, seen, head_max)
        if end < 0:
            if len(self._head) >= head_max:
                self._answer(handshake.HEADERS_TOO_LARGE)
            elif not 0x41 <= self._head[0] <= 0x5A:
                # No method starts like this: a TLS hello on a plain port, or noise.
                self._answer(handshake.NOT_HTTP)
            return
        end += len(_HEAD_END)
        early = len(self._head) > end
        protocol = self._context.new_protocol()
        decision = handshake.examine(protocol, bytes(self._head[:end]))
        self._head.clear()
        if isinstance(decision, Opening):
            self._count_behind_proxies(decision)
            try:
                network = self._context.network
                self._conditions = None if network is None else network.asked(decision.query)
            except ValueError:
                self._answer(handshake.BAD_CONDITIONS)
                return
            busy = self._context.too_busy(self._retry_after_s)
            if busy is not None or early:
                self._answer(busy or handshake.EARLY_DATA)
                return
            self._state = _State.ADMITTING
            self._context.admitting += 1
            self._reserved = True
            self._task = self._context.loop.create_task(self._admit(protocol, decision))
        else:
            self._answer(decision)

    def _count_behind_proxies(self, opening: Opening) -> None:
        """Behind a load balancer all sockets come from its addresses: count the client's own."""
        context = self._context
        if proxies := context.config.proxies_trusted:
            self._remote = limit_key(self._remote, opening.forwarded_for, proxies_trusted=proxies)
            self._retry_after_s = context.rate.take(self._remote, context.loop.time())

    # ── admission ────────────────────────────────────────────────────────────────────────────

    async def _admit(self, protocol: GameProtocol, opening: Opening) -> None:
        try:
            admission = await self._context.gate.admit(opening.credentials)
        except TokenRefused as refused:
            answer = handshake.unauthorized(refused.code, refused.message, status=refused.status)
        except AlreadyConnected as there:
            if opening.from_page and self._may_upgrade():
                # A page is not shown the answer to its handshake, only how a socket closed.
                self._upgrade(protocol, opening, None)
                return
            answer = handshake.already_connected(str(there))
        except Overloaded as over:
            answer = handshake.overloaded(over.code, over.message, retry_after_s=over.retry_after_s)
        except Unavailable:
            logger.warning("handshake without its backend", exc_info=True)
            answer = handshake.overloaded(
                "unavailable", "credentials cannot be checked now", retry_after_s=1
            )
        except Exception:
            logger.exception("handshake failed", extra={"remote": self._remote})
            answer = Answer(status=500, code="internal_error", message="this is a server error")
        else:
            if self._may_upgrade():
                self._upgrade(protocol, opening, admission)
            return
        if self._state is _State.ADMITTING:
            self._task = None
            self._answer(answer)

    def _may_upgrade(self) -> bool:
        return self._state is _State.ADMITTING and not self._transport.is_closing()

    def _upgrade(
        self, protocol: GameProtocol, opening: Opening, admission: Admission | None
    ) -> None:
        context, transport = self._context, self._transport
        self._task = None
        self._stop_admitting()
        self._stop_timer()
        context.openings.discard(self)
        protocol.send_response(opening.response)
        for chunk in protocol.data_to_send():
            transport.write(chunk)
        context.metrics.handshake_ms.observe((context.loop.time() - self._began) * 1000)
        protocol.parser.close()  # It is a generator that refers back to its protocol.
        context.upgrade(
            transport,
            admission,
            format=opening.format,
            remote=self._remote,
            conditions=self._conditions,
        )

    # ── answering ────────────────────────────────────────────────────────────────────────────

    def _too_slow(self) -> None:
        match self._state:
            case _State.READING:
                self._answer(handshake.TOO_SLOW)
            case _State.ADMITTING:
                logger.warning("credentials took too long", extra={"remote": self._remote})
                late = "credentials could not be checked in time"
                self._answer(handshake.overloaded("unavailable", late, retry_after_s=1))
            case _State.ANSWERED:
                self._transport.abort()

    def _answer(self, answer: Answer) -> None:
        """Answer and close; the peer gets ``LINGER_S`` to read it."""
        self._stop_admitting()
        self._stop_timer()
        self._state = _State.ANSWERED
        self._head.clear()
        if answer.code:
            self._context.metrics.handshakes_refused += 1
        if self._transport.is_closing():
            return
        self._transport.write(answer.encode())
        half_close(self._transport)
        self._timer = self._context.loop.call_later(LINGER_S, self._transport.abort)

    def _stop_admitting(self) -> None:
        if self._reserved:
            self._reserved = False
            self._context.admitting -= 1
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
