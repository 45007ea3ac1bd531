"""Connections to Redis. Those with TLS share one context, and are made anew when they come of age.

redis-py writes by ``asyncio.wait_for``, which on Python 3.11 swallows a cancellation that comes as
the write ends: the task that was to stop runs on, and who waits for its end waits for ever. And a
connection that it closes counts as open until the server's farewell, so that another call of a
cluster's client takes it meanwhile and meets an ``AttributeError``. Neither is so here.

It loads the system's authorities for each connection: about 20 ms in which the loop stands still,
so that a few dozen connections at once do not get made in time.

It packs commands in Python, and each call goes through a dozen coroutines and four time limits,
most of which find nothing to do: a quarter of a millisecond of CPU on a busy node, whose caches are
cold. So commands are packed in C, and a connection at hand that is in order is asked by ``ask``.

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
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, cast

import hiredis
from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    RedisCluster,
    SSLConnection,
)
from redis.asyncio.connection import AbstractConnection
from redis.driver_info import DriverInfo
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gameserver.adapters.redis_iam import IamTokens

RENEWED_FROM_S, RENEWED_UNTIL_S = 8 * 3600.0, 10 * 3600.0
"""The age at which a connection is renewed, by chance between the two, if there is a token."""
AGE_MAX_S = 11.5 * 3600.0
"""The age at which it is renewed without one as well."""

_KNOWN_OPTIONS = frozenset({"keys"})
"""Options of a call that only a cache of redis-py's would look at."""


@cache
def _driver() -> DriverInfo:
    """What the server is told of redis-py, whose version each connection would look up on disk."""
    return DriverInfo()


class SoundConnection(AbstractConnection):
    """A connection whose calls can be given up, and which is closed at once for everyone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"driver_info": _driver(), **options})
        self._answer_until = math.inf
        self._watch: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> bool:
        """Whether it can be used as it is: open, nothing left to be read, not of age."""
        reader: Any = self._reader
        return (
            reader is not None
            and self._writer is not None
            and not reader._buffer
            and not reader.at_eof()
            and not cast(Any, self._parser)._reader.has_data()
            and not cast(Any, self).should_reconnect()
        )

    async def ask(self, command: tuple[Any, ...]) -> Any:
        """``ask_all`` with one command, whose ``ResponseError`` is raised."""
        (answer,) = await self.ask_all((command,))
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Write commands and read their answers, on a connection that is ``ready``, within one
        ``socket_timeout``. A ``ResponseError`` is the server's answer to its command. Raises
        redis-py's other errors, by which the connection is closed."""
        self._answer_until = until = self._watched()
        try:
            # No `drain`: who reads the answers knows that all of it was written.
            packed = [part for command in commands for part in self.pack_command(*command)]
            cast(Any, self._writer).writelines(packed)
            return [await self._answer() for _ in commands]
        except BaseException as error:
            await self.disconnect(nowait=True)
            if isinstance(error, asyncio.CancelledError):
                raise
            if asyncio.get_running_loop().time() >= until:
                raise RedisTimeoutError("no answer in time") from None
            if isinstance(error, OSError):
                raise RedisConnectionError(f"while asking: {error}") from error
            raise
        finally:
            self._answer_until = math.inf

    async def _answer(self) -> Any:
        try:
            return await cast(Any, self._parser).read_response()
        except ResponseError as error:
            return error

    def _watched(self) -> float:
        """Until when an answer must be there, in s of the loop. One timer watches many calls, for
        one of its own costs each of them more than its bytes do."""
        if self.socket_timeout is None:
            return math.inf
        loop = asyncio.get_running_loop()
        until = loop.time() + self.socket_timeout
        if self._watch is None:
            self._watch = loop.call_at(until, self._look, loop)
        return until

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = None
        if self._answer_until > loop.time():
            if self._answer_until < math.inf:
                self._watch = loop.call_at(self._answer_until, self._look, loop)
        elif self._writer is not None:
            self._writer.transport.abort()  # Then the call reads the end.

    def pack_command(self, *command: Any) -> list[bytes]:
        """The bytes to be written. Raises ``DataError`` for a value that Redis does not know."""
        name = command[0]
        if " " in name:  # Such as "CLIENT SETNAME": the server takes its words one by one.
            command = (*name.split(), *command[1:])
        try:
            return [hiredis.pack_command(command)]
        except TypeError as error:
            raise DataError(str(error)) from None

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
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        writer = self._writer
        await super().disconnect(True, *rest, **options)
        if nowait or writer is None:
            return
        try:
            async with asyncio.timeout(self.socket_connect_timeout):
                await writer.wait_closed()
        except OSError:
            pass


class PlainConnection(SoundConnection, Connection):
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


class TlsConnection(SoundConnection, SSLConnection):
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


class Pool(BlockingConnectionPool):
    """Connections without TLS. A connection at hand is taken and given back without ado."""

    kind: ClassVar[type[SoundConnection]] = PlainConnection

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "connection_class": self.kind})

    def take(self) -> SoundConnection | None:
        """The connection that was used last, if it is ``ready``; else ``None``, and
        ``get_connection`` makes one, mends one or waits."""
        idle = cast(list[SoundConnection], self._available_connections)
        if not idle or not idle[-1].ready:
            return None
        connection = idle.pop()
        self._in_use_connections.add(connection)
        return connection

    async def give_back(self, connection: SoundConnection) -> None:
        """What ``take`` gave, or ``get_connection``."""
        if self._condition._waiters or cast(Any, connection).should_reconnect():
            await self.release(connection)
            return
        self._in_use_connections.remove(connection)
        self._available_connections.append(connection)


class TlsPool(Pool):
    """Renews connections that came of age while nobody used them as well."""

    kind = TlsConnection

    async def ensure_connection(self, connection: Any) -> None:
        """Called with each connection before it is used."""
        if connection.should_reconnect():
            await connection.disconnect(nowait=True)
        await super().ensure_connection(connection)


class DirectRedis(Redis):
    """A client whose usual call, over a connection at hand, takes the shortest way."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """See ``Redis``. What has to be connected, waited for or mended is redis-py's."""
        pool = cast(Pool, self.connection_pool)
        connection = None if options.keys() - _KNOWN_OPTIONS else pool.take()
        if connection is None:
            return await cast(Any, super()).execute_command(*command, **options)
        try:
            answer = await connection.ask(command)
        finally:
            await pool.give_back(connection)
        understand = self.response_callbacks.get(command[0])
        return answer if understand is None else understand(answer)


def use_in(cluster: RedisCluster, *, tls: bool) -> None:
    """Let the cluster's connections be of the kinds above, before the first one is made; redis-py
    has no parameter for that."""
    kind = TlsConnection if tls else PlainConnection
    shared = {"shared": SharedContext()} if tls else {}
    cluster.connection_kwargs.update(shared, connection_class=kind)
    for node in cluster.startup_nodes:
        node.connection_class = kind
        node.connection_kwargs.update(shared)
