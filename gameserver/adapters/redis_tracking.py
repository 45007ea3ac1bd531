"""Hears of every change of the keys with a prefix: client tracking in broadcasting mode, RESP3.

    HELLO 3 · CLIENT TRACKING ON BCAST PREFIX <prefix>      on a connection of its own
    > invalidate [keys]  ──► changed(keys)                  pushed by the server
    PING, in a cluster CLUSTER SLOTS, every PROBE_S         what it answers proves that all pushes
                                                            from before the question have arrived

redis-py's asyncio clients have no client-side cache of their own; a bare connection of theirs gives
the pushes. Broadcasting mode costs the server no memory per key and does not depend on which
connection has read a key, so the ordinary clients read as they like. In a cluster each server
pushes the changes of its own slots: every primary gets such a connection, and all are needed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from gameserver.adapters import redis_client
from gameserver.adapters.redis_client import FAILURES, Address
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.ports import Entropy
from gameserver.rounds import shared

logger = logging.getLogger(__name__)

PROBE_S = 0.5
RETRY_S = 0.2
REFUSED_RETRY_S = 30.0
"""A server that has no tracking, or does not let this user, will not have it soon."""

Changed = Callable[[Sequence[bytes] | None], None]

_PUSHED = object()


class RedisTracking:
    """``changed`` gets keys, or ``None`` when some may have been missed."""

    def __init__(
        self,
        config: Config,
        *,
        prefix: str,
        changed: Changed,
        entropy: Entropy,
        metrics: Metrics,
    ) -> None:
        self.config = config
        self.prefix = prefix
        self.changed = changed
        self.entropy = entropy
        self.metrics = metrics
        self.silence_s = config.redis_timeout_ms / 1000
        self.current_s = PROBE_S + self.silence_s
        self.connections = redis_client.PushConnections(config, name="gameserver-tracking")
        own = redis_client.own_address(config)
        self._seeds = [own, *redis_client.seeds(config)] if config.redis_cluster else [own]
        self._servers: dict[Address, _Server] = {}
        self._closing = False

    @property
    def current_until(self) -> float:
        """The loop's time until which everything older than ``current_s`` has been heard."""
        if not self._servers:
            return float("-inf")
        return min(server.heard_s for server in self._servers.values()) + self.current_s

    def start(self) -> None:
        """Begin to listen; from then on nothing that fails is raised."""
        for address in self._seeds:
            self._add(address)

    async def close(self) -> None:
        """Stop listening."""
        self._closing = True
        servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            server.end()
        await asyncio.gather(*(server.task for server in servers), return_exceptions=True)
        self.changed(None)

    def learned(self) -> None:
        """A server has told of others: follow all primaries that anybody knows of, and no more."""
        wanted: set[Address] = set()
        for server in self._servers.values():
            wanted |= server.primaries
        # A seed that is away says nothing; it stays until somebody else knows better.
        if not wanted or wanted == set(self._servers):
            return
        for address in [*self._servers]:
            if address not in wanted:
                self._servers.pop(address).end()
        for address in wanted - set(self._servers):
            self._add(address)
        # What they have changed until now was not heard.
        self.changed(None)

    def lost(self) -> None:
        """A server has failed: where no other one knows the primaries, begin anew."""
        if not any(server.primaries for server in self._servers.values()):
            for address in self._seeds:
                if address not in self._servers:
                    self._add(address)

    def _add(self, address: Address) -> None:
        if not self._closing:
            self._servers[address] = _Server(self, address)


class _Server:
    """One server that is listened to, until its task is cancelled."""

    def __init__(self, tracking: RedisTracking, address: Address) -> None:
        self.heard_s = float("-inf")
        self.primaries: frozenset[Address] = frozenset()
        self._tracking = tracking
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._pause_s = shared(PROBE_S)
        self.task = self._loop.create_task(self._run())

    def end(self) -> None:
        """Listen no more."""
        self._ended = True  # The cancellation may get lost in an error of the connection.
        self.task.cancel()

    async def _run(self) -> None:
        tracking = self._tracking
        while not self._ended:
            pause_s = RETRY_S
            try:
                await self._follow()
            except ResponseError as error:
                logger.warning("no near copies: tracking is refused", extra={"error": str(error)})
                tracking.metrics.cache_errors += 1
                pause_s = REFUSED_RETRY_S
            except FAILURES as error:
                logger.warning("changes are not heard", extra={"error": str(error)})
                tracking.metrics.cache_errors += 1
                tracking.lost()
            if not self._ended:
                await asyncio.sleep(pause_s * (0.5 + tracking.entropy.jitter()))

    async def _follow(self) -> None:
        """Until the connection fails, or says nothing for too long."""
        tracking = self._tracking
        connection: Any = tracking.connections.to(self._address)
        was_heard = False
        try:
            await connection.connect()
            connection._parser.invalidation_push_handler_func = self._pushed
            await connection.send_command(
                "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", tracking.prefix
            )
            await self._reply(connection, tracking.silence_s)
            # Copies made before were not watched by this connection.
            tracking.changed(None)
            was_heard = True
            while True:
                await self._probe(connection)
        finally:
            self.heard_s = float("-inf")
            self.primaries = frozenset()
            if was_heard:
                tracking.changed(None)
            try:
                await connection.disconnect(nowait=True)
            except FAILURES:
                pass  # It was broken anyway.

    async def _probe(self, connection: Any) -> None:
        """Ask, hear the answer in time, and listen until it is time to ask again."""
        loop, tracking = self._loop, self._tracking
        asked_s = loop.time()
        in_cluster = tracking.config.redis_cluster
        await connection.send_command(*(("CLUSTER", "SLOTS") if in_cluster else ("PING",)))
        answer = await self._reply(connection, tracking.silence_s)
        if in_cluster:
            self.primaries = _primaries(answer, self._address)
            tracking.learned()
        self.heard_s = asked_s
        until_s = asked_s + self._pause_s()
        while (left_s := until_s - loop.time()) > 0:
            await self._answer(connection, left_s)

    async def _reply(self, connection: Any, seconds: float) -> Any:
        """The answer to the one question that is open. Raises ``TimeoutError`` without one."""
        until_s = self._loop.time() + seconds
        while (left_s := until_s - self._loop.time()) > 0:
            answer = await self._answer(connection, left_s)
            if answer is not None and answer is not _PUSHED:
                return answer
        raise TimeoutError(f"no answer in {seconds} s")

    async def _answer(self, connection: Any, seconds: float) -> Any:
        """The next answer, ``_PUSHED`` after a push, ``None`` after ``seconds``."""
        return await connection.read_response(
            push_request=True, timeout=seconds, disconnect_on_error=False
        )

    async def _pushed(self, message: Sequence[Any]) -> object:
        self._tracking.changed(message[1])
        return _PUSHED


def _primaries(slots: Any, own: Address) -> frozenset[Address]:
    """From the answer to CLUSTER SLOTS: ``[first, last, [host, port, …] of the primary, …]``. A
    server that does not know its own host leaves it empty."""
    found = set()
    for _, _, primary, *_ in slots:
        host = primary[0].decode() if isinstance(primary[0], bytes) else primary[0]
        found.add((host or own[0], int(primary[1])))
    return frozenset(found)
