"""Keeps a connection to the server open: tokens, pauses, pings, planned moves to another node."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from websockets.uri import parse_uri

from gameclient.clock import ServerClock
from gameclient.connection import Connection
from gameclient.ending import Ending
from gameclient.meter import Traffic
from gameclient.recovery import Next, after_close, backoff_s
from gameserver.wire import from_client, to_client
from gameserver.wire.codec import BadMessage, Format, decode_server, encode_client
from gameserver.wire.delta import DeltaGap

ANSWER_S = 10.0
PING_S, PING_FIRST_S, PINGS_FIRST = 2.0, 0.25, 4
SILENCE_S_MAX = 8.0
REFRESH_AHEAD_S = 60.0

Token = str | Callable[[bool], Awaitable[str]]
"""A JWT, or what gives one: a new one where its argument is true."""
Ticket = Callable[[], Awaitable[str]]
"""Gives a one-time ticket for each connection."""


class Ended(Exception):
    """The server closed the connection for good, or does not want it; ``ending`` says why."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.error or "closed")
        self.ending = ending


class Owner(Protocol):
    """Whom a link works for."""

    def welcomed(self) -> None:
        """A connection stands."""

    def took(self, message: to_client.ToClient, now: float) -> None:
        """A message that is not the link's own business. May raise ``DeltaGap``."""

    def lost(self, ending: Ending, wait_s: float) -> None:
        """There is no connection for a while."""

    def ended(self, error: Exception) -> None:
        """There will be none any more."""


class Link:
    """One connection after the other. Implements ``connection.Listener``."""

    def __init__(
        self,
        url: str,
        owner: Owner,
        *,
        token: Token | None,
        ticket: Ticket | None,
        format: Format,
        tls: ssl.SSLContext | None,
        chance: random.Random,
    ) -> None:
        self.clock = ServerClock()
        self.traffic = Traffic()
        self.welcome: to_client.Welcome | None = None
        # With our own name: a reconnect is then no second client of the player.
        self._url = _with(url, "client", chance.randbytes(12).hex())
        self._owner = owner
        self._token, self._ticket = token, ticket
        self._format = format
        self._tls = tls or (ssl.create_default_context() if url.startswith("wss:") else None)
        self._chance = chance
        self._connection: Connection | None = None
        self._ending: asyncio.Future[Ending] | None = None
        self._ref = self._attempt = 0
        self._fresh = self._closing = False
        self._leave_at = self._heard_at = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # ── what the owner does ──────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._spawn(self._keep_open())

    async def close(self) -> None:
        """End the connection in good order, and do not come back."""
        self._closing = True
        self._forget_timers()
        ending = self._ending
        if self._connection is not None and ending is not None and not ending.done():
            self._connection.close()
            await asyncio.wait([ending], timeout=ANSWER_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, message: from_client.FromClient) -> None:
        """Ignored while there is no connection."""
        if self._connection is not None:
            self._connection.send(encode_client(message, self._format))

    def next_ref(self) -> int:
        self._ref += 1
        return self._ref

    def settled(self) -> None:
        """All is well: the next pause is a short one again."""
        self._attempt = 0

    def hang_up(self) -> None:
        """Leave this connection; another follows."""
        if self._connection is not None:
            self._connection.abort()

    def after(self, name: str, wait_s: float, action: Callable[[], None]) -> None:
        """Once, unless the connection is gone by then or ``name`` is set anew."""
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(wait_s, action)

    # ── one connection after the other ───────────────────────────────────────────────────────

    async def _keep_open(self) -> None:
        try:
            while True:
                ending = await self._connect_once()
                if self._closing:
                    return
                renews = callable(self._token) or self._ticket is not None
                what = after_close(status=ending.status, code=ending.code, renews=renews)
                if what is Next.GIVE_UP or (ending.status == 401 and self._fresh):
                    raise Ended(ending)
                self._fresh = renews
                await self._pause(ending)
        except Exception as error:  # also what a user's own code for tokens raises
            self._owner.ended(error)

    async def _pause(self, ending: Ending) -> None:
        wait_s = max(0.001, self._leave_at - time.monotonic())
        if not self._leave_at:
            self._attempt += 1
            jitter = self._chance.random()
            wait_s = backoff_s(self._attempt, jitter=jitter, at_least_s=ending.retry_after_s)
        self._leave_at = 0.0
        self._owner.lost(ending, wait_s)
        await asyncio.sleep(wait_s)

    async def _connect_once(self) -> Ending:
        """From the dial to the end."""
        loop = asyncio.get_running_loop()
        url, token = self._url, ""
        if self._ticket is not None:
            url = _with(url, "ticket", quote(await self._ticket()))
        elif callable(self._token):
            token = await self._token(self._fresh)
        else:
            token = self._token or ""
        uri = parse_uri(url)
        ending: asyncio.Future[Ending] = loop.create_future()
        self._ending = ending

        def made() -> Connection:
            return Connection(
                uri=uri,
                format=self._format,
                token=token,
                mask=self._chance.randbytes(4),
                listener=self,
                stats=self.traffic,
            )

        try:
            async with asyncio.timeout(ANSWER_S):
                await loop.create_connection(made, uri.host, uri.port, ssl=self._tls)
        except (OSError, TimeoutError) as error:
            return Ending(error=f"connect:{type(error).__name__}")
        if self.welcome is None:
            self.after("handshake", ANSWER_S, self.hang_up)
        return await ending

    # ── connection.Listener ──────────────────────────────────────────────────────────────────

    def connected(self, connection: Connection) -> None:
        self._connection = connection

    def opened(self, now: float) -> None:
        self._heard_at = now

    def messages(self, payloads: list[bytes], now: float) -> None:
        self._heard_at = now
        try:
            for payload in payloads:
                self._take(decode_server(payload, self._format), now)
        except (BadMessage, DeltaGap, msgspec.DecodeError) as error:
            self.traffic.error(f"protocol:{type(error).__name__}")
            self.hang_up()

    def closed(self, ending: Ending) -> None:
        self._forget_timers()
        self._connection = self.welcome = None
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(ending)

    # ── the link's own messages ──────────────────────────────────────────────────────────────

    def _take(self, message: to_client.ToClient, now: float) -> None:
        match message:
            case to_client.Welcome():
                self._welcomed(message)
            case to_client.Pong(sent=sent, server_ms=server_ms):
                self.clock.sample(sent, server_ms, now * 1000)
            case to_client.Refreshed(expires_ms=expires_ms):
                self._refresh_before(expires_ms - self.clock.at(now * 1000))
            case to_client.Reconnect(after_ms=after_ms):
                # The match plays on until the time comes to leave the node.
                self._leave_at = now + after_ms / 1000
                self.after("leave", after_ms / 1000, self.hang_up)
            case _:
                self._owner.took(message, now)

    def _welcomed(self, message: to_client.Welcome) -> None:
        if "handshake" in self._timers:
            self._timers["handshake"].cancel()
        self.welcome = message
        self._fresh = False
        self._refresh_before(message.expires_ms - message.server_ms)
        self.clock.reset()
        self._ping(1)
        self._owner.welcomed()

    def _ping(self, number: int) -> None:
        now = time.monotonic()
        if now - self._heard_at > SILENCE_S_MAX:
            self.hang_up()
            return
        self.send(from_client.Ping(now * 1000))
        wait_s = PING_FIRST_S if number < PINGS_FIRST else PING_S
        self.after("ping", wait_s, lambda: self._ping(number + 1))

    def _refresh_before(self, left_ms: float) -> None:
        if callable(self._token):
            left_s = left_ms / 1000
            wait_s = max(left_s / 2, left_s - REFRESH_AHEAD_S)
            self.after("refresh", wait_s, lambda: self._spawn(self._refresh()))

    async def _refresh(self) -> None:
        assert callable(self._token)
        try:
            token = await self._token(True)
        except Exception:  # a user's own code
            return  # the connection lasts until the token ends, and then asks for one again
        self.send(from_client.Refresh(self.next_ref(), token))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


def _with(url: str, key: str, value: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{key}={value}"
