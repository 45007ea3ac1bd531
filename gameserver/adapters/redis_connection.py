"""Connections to Redis. Those with TLS share one context, and are made anew when they come of age.

redis-py writes by ``asyncio.wait_for``, which on Python 3.11 swallows a cancellation that comes as
the write ends: the task that was to stop runs on, and who waits for its end waits for ever. And a
connection that it closes counts as open until the server's farewell, so that another call of a
cluster's client takes it meanwhile and meets an ``AttributeError``. Neither is so here.

It loads the system's authorities for each connection: about 20 ms in which the loop stands still,
so that a few dozen connections at once do not get made in time.

ElastiCache ends a connection 12 hours after an AUTH by IAM. So one that has come of age is closed
between two calls, and the next call makes it anew. redis-py could send AUTH on living connections
(``StreamingCredentialProvider``), but not on those of a cluster that are in use, nor on one that
has subscribed by RESP2.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Connection, RedisCluster, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.driver_info import DriverInfo
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gameserver.adapters.redis_iam import IamTokens

RENEWED_FROM_S, RENEWED_UNTIL_S = 8 * 3600.0, 10 * 3600.0
"""The age at which a connection is renewed, by chance between the two, if there is a token."""
AGE_MAX_S = 11.5 * 3600.0
"""The age at which it is renewed without one as well."""


@cache
def _driver() -> DriverInfo:
    """What the server is told of redis-py, whose version each connection would look up on disk."""
    return DriverInfo()


class _Sound(AbstractConnection):
    """A connection whose calls can be given up, and which is closed at once for everyone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"driver_info": _driver(), **options})

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """Write it. Raises redis-py's errors; then the connection is closed."""
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await cast(Any, self).check_health()
        writer = self._writer
        if writer is None:
            raise RedisConnectionError("closed by another call")
        whole = command.encode() if isinstance(command, str) else command
        try:
            async with asyncio.timeout(self.socket_timeout):
                writer.writelines([whole] if isinstance(whole, bytes) else whole)
                await writer.drain()
        except BaseException as error:
            await self.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("no end of writing") from None
            if isinstance(error, OSError):
                raise RedisConnectionError(f"while writing: {error}") from error
            raise

    async def disconnect(self, nowait: bool = False, *rest: Any, **options: Any) -> None:
        """Close it; unless ``nowait``, wait a while for the server's farewell. One that is late is
        no failure: the connection is gone."""
        writer = self._writer
        await super().disconnect(True, *rest, **options)
        if nowait or writer is None:
            return
        try:
            async with asyncio.timeout(self.socket_connect_timeout):
                await writer.wait_closed()
        except OSError:
            pass


class PlainConnection(_Sound, Connection):
    """A connection without TLS."""


class SharedContext:
    """The TLS context of a client: that of its first connection."""

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first: Any = None

    def of(self, connection: SSLConnection) -> Any:
        """The context for ``connection``, which has made one of its own, not loaded yet."""
        if self._first is None:
            self._first = connection.ssl_context
        return self._first


class TlsConnection(_Sound, SSLConnection):
    """A connection that says when it is to be made anew. Those who hold connections ask
    ``should_reconnect`` before and after each call."""

    def __init__(self, *, shared: SharedContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context = shared.of(self)
        self._renewed_at = self._ends_at = math.inf

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """Log in. A connection that did not come to its AUTH is never used as it is."""
        try:
            await super().on_connect_check_health(check_health=check_health)
        except BaseException:
            await self.disconnect(nowait=True)
            raise
        if isinstance(self.credential_provider, IamTokens):
            now = time.monotonic()
            self._renewed_at = now + random.uniform(RENEWED_FROM_S, RENEWED_UNTIL_S)
            self._ends_at = now + AGE_MAX_S

    def should_reconnect(self) -> bool:
        """Whether the connection is of age, or was marked by redis-py."""
        return bool(cast(Any, super()).should_reconnect()) or self._of_age()

    async def disconnect(self, nowait: bool = False, *rest: Any, **options: Any) -> None:
        """Close it; one of age without waiting for the server's farewell, since a call may wait."""
        await super().disconnect(nowait or self._of_age(), *rest, **options)

    def _of_age(self) -> bool:
        now = time.monotonic()
        if now < self._renewed_at or not self.is_connected:
            return False
        return now >= self._ends_at or cast(IamTokens, self.credential_provider).ready()


class TlsPool(BlockingConnectionPool):
    """Renews connections that came of age while nobody used them as well."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "connection_class": TlsConnection})

    async def ensure_connection(self, connection: Any) -> None:
        """Called with each connection before it is used."""
        if connection.should_reconnect():
            await connection.disconnect(nowait=True)
        await super().ensure_connection(connection)


def use_in(cluster: RedisCluster, *, tls: bool) -> None:
    """Let the cluster's connections be of the kinds above, before the first one is made; redis-py
    has no parameter for that."""
    kind = TlsConnection if tls else PlainConnection
    shared = {"shared": SharedContext()} if tls else {}
    cluster.connection_kwargs.update(shared, connection_class=kind)
    for node in cluster.startup_nodes:
        node.connection_class = kind
        node.connection_kwargs.update(shared)
