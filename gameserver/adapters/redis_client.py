"""Connections to Redis, to one server or to a cluster, as ``Config`` says.

Nothing here retries by itself: a retry inside the client would multiply the caller's time limit
and hide that an outcome is unknown. In a cluster a redirection is followed once the slots are known
anew.
"""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gameserver.config import Config

Client = Redis | RedisCluster
_RETRIES = 0
_CLUSTER_FACTOR = 16


def connect(config: Config, *, name: str, connections_max: int) -> Client:
    """A client with connections of its own, made when they are first needed."""
    timeout_s = config.redis_timeout_ms / 1000
    if config.redis_cluster:
        return RedisCluster.from_url(
            config.redis_url,
            # Over it a call fails at once instead of waiting, so it is what nobody reaches.
            max_connections=_CLUSTER_FACTOR * connections_max,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), _RETRIES),
            client_name=name,
        )
    return connect_one(config, name=name, connections_max=connections_max)


async def begin(client: Client) -> None:
    """Learn which server of a cluster has which slots. Without it the first calls would do so all
    at once, and break each other's connections. Raises redis-py's errors."""
    if isinstance(client, RedisCluster):
        await client.initialize()


def connect_one(config: Config, *, name: str, connections_max: int) -> Redis:
    """A client of the very server that the URL names, also in a cluster: enough for pub/sub, whose
    messages a cluster carries to all of its servers."""
    timeout_s = config.redis_timeout_ms / 1000
    pool = BlockingConnectionPool.from_url(
        config.redis_url,
        max_connections=connections_max,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), _RETRIES),
        protocol=2,
        client_name=name,
    )
    return Redis.from_pool(pool)
