"""A Lua file of this package as a call, with or without waiting for replicas.

    one server    EVALSHA, WAIT in one pipeline
    a cluster     EVALSHA, WAIT in one pipeline to the server that has the keys' slot

WAIT speaks of what its own connection has written, so both go over the same one. Where a script
wrote before and does so again, the second answer is for both: replicas take writes in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib import resources
from typing import Any, Self, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import PipelineCommand
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gameserver.adapters import redis_client
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_together import Argument, Together
from gameserver.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """How many replicas have to have a write, and how long, in ms, they may take."""

    count: int
    wait_ms: int

    @classmethod
    def wanted(cls, config: Config) -> Self | None:
        """``None`` where a write counts as soon as the primary has it."""
        if not config.redis_wait_replicas:
            return None
        return cls(count=config.redis_wait_replicas, wait_ms=config.redis_wait_ms)


class Script:
    """A Lua file of this package, called by its SHA-1 and loaded where the server lacks it."""

    __slots__ = ("_sha", "_text")

    def __init__(self, name: str) -> None:
        self._text = (resources.files(__package__) / "lua" / f"{name}.lua").read_text()
        self._sha = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def call(
        self, client: Client | Together, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Any:
        """The script's answer. A server that was restarted has forgotten it: send it again."""
        try:
            return await cast(Any, client).execute_command(
                "EVALSHA", self._sha, len(keys), *keys, *arguments
            )
        except NoScriptError:
            return await cast(Any, client.eval(self._text, len(keys), *keys, *arguments))

    async def call_and_wait(
        self,
        client: Client,
        keys: Sequence[str],
        arguments: Sequence[Argument],
        replicas: Replicas,
    ) -> tuple[Any, int]:
        """The script's answer, and how many replicas have what it wrote. It has to do no harm
        when it is called twice. Raises redis-py's errors."""
        rest = (len(keys), *keys, *arguments)
        wait = ("WAIT", replicas.count, replicas.wait_ms)
        answer, held = await _both(client, keys[0], ("EVALSHA", self._sha, *rest), wait)
        if isinstance(answer, NoScriptError):
            answer, held = await _both(client, keys[0], ("EVAL", self._text, *rest), wait)
        if isinstance(client, RedisCluster) and isinstance(answer, Exception):
            # The slot is elsewhere, or its server is gone: redis-py learns that by a single
            # command only. Whether replicas have what this one wrote, nobody knows.
            answer, held = await self.call(client, keys, arguments), 0
        for one in (answer, held):
            if isinstance(one, Exception):
                raise one
        return answer, held


async def _both(client: Client, key: str, *commands: Sequence[Argument]) -> list[Any]:
    """Two commands over one connection: for each its answer or its error."""
    if isinstance(client, Redis):
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute(raise_on_error=False))
    await redis_client.begin(client)  # Learn the slots anew, where something has failed before.
    node = cast(Any, client.get_node_from_key(key))
    sent = [PipelineCommand(place, *command) for place, command in enumerate(commands)]
    try:
        await node.execute_pipeline(sent)
    except (RedisConnectionError, RedisTimeoutError) as error:
        return [error for _ in commands]
    return [command.result for command in sent]
