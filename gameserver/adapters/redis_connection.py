"""TLS connections to Redis that share one context, and are made anew when they come of age.

redis-py loads the system's authorities for each connection: about 20 ms in which the loop stands
still, so that a few dozen connections at once do not get made in time.

ElastiCache ends a connection 12 hours after an AUTH by IAM. So one that has come of age is closed
between two calls, and the next call makes it anew. redis-py could send AUTH on living connections
(``StreamingCredentialProvider``), but not on those of a cluster that are in use, nor on one that
has subscribed by RESP2.
"""

from __future__ import annotations

import math
import random
import time
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, RedisCluster, SSLConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

from gameserver.adapters.redis_iam import IamTokens

RENEWED_FROM_S, RENEWED_UNTIL_S = 8 * 3600.0, 10 * 3600.0
"""The age at which a connection is renewed, by chance between the two, if there is a token."""
AGE_MAX_S = 11.5 * 3600.0
"""The age at which it is renewed without one as well."""


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


class TlsConnection(SSLConnection):
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
        """Close it; one of age without waiting for the server's farewell, since a call may wait.
        A farewell that is late is no failure of the call: the connection is gone."""
        try:
            await super().disconnect(nowait or self._of_age(), *rest, **options)
        except RedisTimeoutError:
            pass

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


def use_in(cluster: RedisCluster) -> None:
    """Let the cluster's connections be ``TlsConnection``, before the first one is made; redis-py
    has no parameter for that."""
    own = {"connection_class": TlsConnection, "shared": SharedContext()}
    cluster.connection_kwargs.update(own)
    for node in cluster.startup_nodes:
        node.connection_class = TlsConnection
        node.connection_kwargs["shared"] = own["shared"]
