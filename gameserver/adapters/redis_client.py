"""Connections to Redis, to one server or to a cluster, as ``Config`` says.

Nothing here retries by itself: a retry inside the client would multiply the caller's time limit
and hide that an outcome is unknown.

redis-py learns anew which server of a cluster has which slots when a single command has failed by
a broken or silent connection, not when a pipeline has. So pipelines are kept out of clusters where
a single command does, and a command must be given up by its connection before its caller gives up.
"""

from __future__ import annotations

import logging
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from gameserver.adapters.redis_connection import (
    DirectRedis,
    Pool,
    SharedContext,
    TlsPool,
    use_in,
)
from gameserver.adapters.redis_iam import IamTokens
from gameserver.config import Config

logger = logging.getLogger(__name__)

Client = Redis | RedisCluster
Address = tuple[str, int]

FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What a call may raise where Redis is not to be had; the second one is none of the first."""
DEFAULT_PORT = 6379
CLUSTER_CONNECTIONS = 16
"""Connections to each server of a cluster for one to a single server: over them a call fails at
once instead of waiting, so they are what nobody reaches."""
CLUSTER_PATIENCE = 0.4
"""Share of a call's time after which a server of a cluster is taken for gone: it leaves time to
learn the slots from another."""


def connect(config: Config, *, name: str, connections_max: int) -> Client:
    """A client with connections of its own, made when they are first needed."""
    if not config.redis_cluster:
        access = _access(config)
        return _connect_one(config.redis_url, config, access, name, connections_max)
    patience_s = config.redis_timeout_ms / 1000 * CLUSTER_PATIENCE
    cluster = RedisCluster.from_url(
        config.redis_url,
        startup_nodes=[ClusterNode(*address) for address in seeds(config)],
        max_connections=CLUSTER_CONNECTIONS * connections_max,
        socket_timeout=patience_s,
        socket_connect_timeout=patience_s,
        # Every few redirections it would close all connections, those of calls under way as well;
        # a slot that has moved is noted without that.
        reinitialize_steps=0,
        retry=Retry(NoBackoff(), 0),
        client_name=name,
        credential_provider=_tokens(config),
    )
    use_in(cluster, tls=_has_tls(config))
    return cluster


async def begin(client: Client) -> None:
    """Learn which server of a cluster has which slots. Without it the first calls would do so all
    at once, and break each other's connections. Raises redis-py's errors."""
    if isinstance(client, RedisCluster):
        await client.initialize()


def seeds(config: Config) -> list[Address]:
    """The servers of ``redis_cluster_seeds``."""
    return [_address(seed) for seed in config.redis_cluster_seeds]


def own_address(config: Config) -> Address:
    """The server in the URL."""
    url = urlsplit(config.redis_url)
    return url.hostname or "localhost", url.port or DEFAULT_PORT


class PushConnections:
    """Bare connections, one to a server, that speak RESP3 and so hear what it pushes."""

    def __init__(self, config: Config, *, name: str) -> None:
        self._config = config
        self._name = name
        self._access = _access(config)

    def to(self, address: Address) -> AbstractConnection:
        """Not connected yet."""
        url = _url_of(self._config, address)
        client = _connect_one(url, self._config, self._access, self._name, 1, protocol=3)
        pool: Any = client.connection_pool
        return cast(AbstractConnection, pool.make_connection())


class AnyServer:
    """A plain client of one server: the one in the URL, or, in a cluster, any that lives. That is
    enough for pub/sub, whose messages a cluster carries to all of its servers."""

    def __init__(self, config: Config, *, name: str, connections_max: int) -> None:
        self._config = config
        self._name = name
        self._connections_max = connections_max
        self._access = _access(config)
        own = own_address(config)
        # In the order in which they are tried: the failed one goes to the end.
        self._known: dict[Address, None] = dict.fromkeys([own, *seeds(config)])
        self.client = self._connect(own)

    async def learn(self) -> None:
        """Ask the server at hand for the others. Raises redis-py's errors."""
        if not self._config.redis_cluster:
            return
        # Raw, because redis-py's own form of the answer differs by version.
        answer = await cast(Any, self.client).execute_command("CLUSTER", "SLOTS")
        for slots in answer:
            for host, port, *_ in slots[2:]:
                name = host.decode() if isinstance(host, bytes) else host
                if name:
                    self._known.setdefault((name, int(port)))

    async def move(self, failed: Redis) -> None:
        """``failed`` does not answer: go to another server, unless somebody has done so."""
        if failed is not self.client or len(self._known) < 2:
            return
        first = next(iter(self._known))
        del self._known[first]
        self._known[first] = None
        there = next(iter(self._known))
        self.client = self._connect(there)
        logger.info("another Redis server", extra={"host": there[0], "port": there[1]})
        try:
            await failed.aclose()
        except FAILURES:
            pass  # It was broken anyway.

    async def aclose(self) -> None:
        await self.client.aclose()

    def _connect(self, address: Address) -> Redis:
        url = _url_of(self._config, address)
        return _connect_one(url, self._config, self._access, self._name, self._connections_max)


def _url_of(config: Config, address: Address) -> str:
    """The settings' URL with another server in it."""
    host, port = address
    parts = urlsplit(config.redis_url)
    user = parts.netloc.rpartition("@")[0]
    bracketed = f"[{host}]" if ":" in host else host
    netloc = f"{user}@{bracketed}:{port}" if user else f"{bracketed}:{port}"
    return urlunsplit(parts._replace(netloc=netloc))


def _has_tls(config: Config) -> bool:
    return urlsplit(config.redis_url).scheme == "rediss"


def _tokens(config: Config) -> IamTokens | None:
    return IamTokens(config) if config.redis_iam else None


def _access(config: Config) -> dict[str, Any]:
    """What connections of one purpose have in common."""
    if not _has_tls(config):
        return {}
    return {"credential_provider": _tokens(config), "shared": SharedContext()}


def _connect_one(
    url: str,
    config: Config,
    access: dict[str, Any],
    name: str,
    connections_max: int,
    *,
    protocol: int = 2,
) -> Redis:
    timeout_s = config.redis_timeout_ms / 1000
    kind = TlsPool if _has_tls(config) else Pool
    pool = kind.from_url(
        url,
        max_connections=connections_max,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=protocol,
        # It would ask every server for pushes about its own upkeep.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        client_name=name,
        **access,
    )
    return DirectRedis.from_pool(pool)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
