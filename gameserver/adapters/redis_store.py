"""Matches in Redis or Valkey: one hash tag, so one slot, per match.

    <prefix>:{m:<id>}:s   hash     fence, owner, version, checkpoint, seq (last in the outbox)
    <prefix>:{m:<id>}:l   string   the lease: its owner, expiring
    <prefix>:{m:<id>}:o   stream   the outbox: entry <seq>-0, field r = the record
    <prefix>:open         set      ids of matches that somebody should own
    <prefix>:sweep        hash     the turn to look for those that nobody owns: number, place,
                                   begun (this walk, ms), until (nobody else before, ms)

Every change is one Lua script, and one call serves many matches; in a Redis Cluster, where each
match has a slot of its own, one. The open set is in another slot: an id enters it before its match
exists and goes after it has, so that a crash in between leaves an id too many, which the next sweep
clears away, and never a match that nobody looks for.

Nothing here retries: a call ends within ``redis_timeout_ms`` with an answer or with
``StoreUnavailable``, and the caller decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from redis.asyncio import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gameserver.adapters import redis_client
from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_script import Replicas, Script
from gameserver.config import Config
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from gameserver.ports import Acquired, Commit, Lease, OutboxEntry, Outcome, Page, Turn

logger = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")

CONNECTIONS_MAX = 16
"""Calls under way at once from this node; further ones wait, within their time limit."""
MATCHES_PER_CALL = 64
"""A script blocks the server while it runs: 64 commits take about a millisecond."""
CALLS_AT_ONCE = 16
"""In a Redis Cluster: matches of one group whose calls are under way side by side."""
GROUPS_AT_ONCE = 4
OPEN_PAGE = 128
"""Matches whose leases are asked for at once. In a Redis Cluster that is a command each, so that
more would hold up the ticks of this node."""
FENCE_KEPT_MS = 3_600_000
"""How long a forgotten match's fence still stops an owner who slept through its end."""

_OUTCOMES = {1: Outcome.COMMITTED, 2: Outcome.FENCED, 3: Outcome.CONFLICT}


class RedisMatchStore:
    """Implements ``ports.MatchStore``."""

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        timeout_ms: int,
        metrics: Metrics,
        replicas: Replicas | None = None,
    ) -> None:
        self._client = client
        self._in_cluster = isinstance(client, RedisCluster)
        self._places = asyncio.Semaphore(GROUPS_AT_ONCE)
        self._prefix = prefix
        self._open = f"{prefix}:open"
        self._sweep = f"{prefix}:sweep"
        self._call = partial(RedisCalls(metrics, "Redis").within, timeout_ms / 1000)
        self._replicas = replicas
        self._acquire = Script("acquire")
        self._renew = Script("renew")
        self._commit = Script("commit")
        self._release = Script("release")
        self._forget = Script("forget")
        self._take_turn = Script("sweep_take")
        self._end_turn = Script("sweep_end")

    @classmethod
    def connect(cls, config: Config, *, metrics: Metrics) -> Self:
        """A store with connections of its own, to be used as ``async with``; that raises
        ``StoreUnavailable`` where a cluster does not answer."""
        return cls(
            redis_client.connect(config, name="gameserver", connections_max=CONNECTIONS_MAX),
            prefix=config.redis_prefix,
            timeout_ms=config.redis_timeout_ms,
            metrics=metrics,
            replicas=Replicas.wanted(config),
        )

    async def __aenter__(self) -> Self:
        async with self._call():
            await redis_client.begin(self._client)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def check_server(self) -> None:
        """Ask once, at start. A store that evicts keys would lose matches: that is logged.

        Raises ``StoreUnavailable``.
        """
        async with self._call():
            # INFO, because managed services such as ElastiCache do not allow CONFIG.
            if isinstance(self._client, RedisCluster):
                answers = await self._client.info("memory", target_nodes=RedisCluster.PRIMARIES)
            else:
                answers = await self._client.info("memory")
        # By server, where several have answered.
        one_each = "maxmemory_policy" not in answers
        each = [one for one in answers.values() if isinstance(one, dict)] if one_each else [answers]
        policies = {str(one.get("maxmemory_policy", "unknown")) for one in each}
        policy = ", ".join(sorted(policies))
        if policy != "noeviction":
            logger.warning(
                "set maxmemory-policy to noeviction: a store that evicts keys loses matches",
                extra={"maxmemory_policy": policy},
            )

    async def acquire(
        self, match_id: MatchId, *, owner: str, lease_ttl_ms: int, instead_of: int = 0
    ) -> Acquired | None:
        async with self._call():
            await cast(Any, self._client.sadd(self._open, match_id))
            answer = await self._acquire.call(
                self._client, self._keys(match_id), (owner, lease_ttl_ms, instead_of)
            )
            if answer == 0:
                await cast(Any, self._client.srem(self._open, match_id))
            if not answer:
                return None
        fence, version, checkpoint, entries = answer
        return Acquired(
            fence=fence,
            version=version,
            checkpoint=checkpoint,
            outbox=[
                OutboxEntry(int(entry.partition(b"-")[0]), fields[1]) for entry, fields in entries
            ],
        )

    async def holder(self, match_id: MatchId) -> str | None:
        state, lease, _ = self._keys(match_id)
        async with self._call():
            (fence, forgotten), owner = await asyncio.gather(
                cast(Any, self._client.hmget(state, ["fence", "forgotten"])),
                cast(Any, self._client.get(lease)),
            )
        if fence is None or forgotten is not None:
            return None
        return owner.decode() if owner is not None else ""

    async def renew(self, leases: Sequence[Lease], *, lease_ttl_ms: int) -> list[bool]:
        answers = await self._grouped(
            leases, lambda group: self._renew_group(group, lease_ttl_ms=lease_ttl_ms)
        )
        return [bool(answer) for answer in answers]

    async def _renew_group(self, group: Sequence[Lease], *, lease_ttl_ms: int) -> list[int]:
        keys = [key for lease in group for key in self._keys(lease.match_id)[:2]]
        fences = [lease.fence for lease in group]
        answers: list[int] = await self._renew.call(self._client, keys, [lease_ttl_ms, *fences])
        return answers

    async def commit(self, commits: Sequence[Commit], *, lease_ttl_ms: int) -> list[Outcome]:
        answers = await self._grouped(
            commits, lambda group: self._commit_group(group, lease_ttl_ms=lease_ttl_ms)
        )
        return [_OUTCOMES[answer] for answer in answers]

    async def _commit_group(self, group: Sequence[Commit], *, lease_ttl_ms: int) -> list[int]:
        keys: list[str] = []
        arguments: list[bytes | str | int] = [lease_ttl_ms]
        for commit in group:
            keys += self._keys(commit.match_id)
            arguments += (
                commit.fence,
                commit.version,
                commit.checkpoint,
                commit.trim_seq,
                len(commit.records),
            )
            for entry in commit.records:
                arguments += (entry.seq, entry.record)
        if self._replicas is None:
            answers: list[int] = await self._commit.call(self._client, keys, arguments)
            return answers
        answers, held = await self._commit.call_and_wait(
            self._client, keys, arguments, self._replicas
        )
        if held < self._replicas.count and any(
            _OUTCOMES[one] is Outcome.COMMITTED for one in answers
        ):
            # Written, but it could be lost: the same commit is to be sent again.
            raise RedisError(f"{held} of {self._replicas.count} replicas have the commit")
        return answers

    async def _grouped(
        self,
        items: Sequence[ItemT],
        call: Callable[[Sequence[ItemT]], Awaitable[list[int]]],
    ) -> list[int]:
        """One call for many matches; in a cluster one for each, side by side, because each match
        has a slot of its own."""
        answers: list[int] = []
        if not self._in_cluster:
            for group in _groups(items, MATCHES_PER_CALL):
                async with self._call():
                    answers += await call(group)
            return answers
        for group in _groups(items, CALLS_AT_ONCE):
            async with self._call(), self._places:
                for part in await asyncio.gather(*(call([item]) for item in group)):
                    answers += part
        return answers

    async def release(self, lease: Lease) -> None:
        async with self._call():
            await self._release.call(self._client, self._keys(lease.match_id)[:2], (lease.fence,))

    async def trim(self, match_id: MatchId, *, up_to_seq: int) -> None:
        outbox = self._keys(match_id)[2]
        async with self._call():
            await self._client.xtrim(outbox, minid=f"{up_to_seq + 1}-0", approximate=False)

    async def forget(self, lease: Lease) -> bool:
        async with self._call():
            gone = await self._forget.call(
                self._client, self._keys(lease.match_id), (lease.fence, FENCE_KEPT_MS)
            )
            if gone:
                await cast(Any, self._client.srem(self._open, lease.match_id))
        return bool(gone)

    async def take_turn(self, *, turn_ms: int, at_once: bool = False) -> Turn | None:
        async with self._call():
            answer = await self._take_turn.call(
                self._client, [self._sweep], (turn_ms, int(at_once))
            )
        return None if answer is None else Turn(*map(int, answer))

    async def orphans(self, place: int = 0) -> Page:
        """A failover may let a cursor of the set mean another place: what is passed over by that
        is met by the next walk."""
        async with self._call():
            cursor, page = await cast(
                Any, self._client.sscan(self._open, cursor=place, count=OPEN_PAGE)
            )
            ids = [MatchId(member.decode()) for member in page]
            owners = await self._owners([self._keys(match_id)[1] for match_id in ids])
        found = [one for one, owner in zip(ids, owners, strict=True) if owner is None]
        return Page(found, int(cursor))

    async def end_turn(self, turn: Turn, *, place: int, turn_ms: int) -> None:
        async with self._call():
            await self._end_turn.call(self._client, [self._sweep], (turn.number, place, turn_ms))

    async def _owners(self, leases: Sequence[str]) -> list[Any]:
        if not leases:
            return []
        if isinstance(self._client, RedisCluster):
            try:
                return list(await self._client.mget_nonatomic(leases))
            except (RedisConnectionError, RedisTimeoutError):
                # That was a pipeline: a single command has to meet the server that is silent.
                for lease in leases:
                    await self._client.get(lease)
                raise
        return list(await cast(Any, self._client.mget(leases)))

    def _keys(self, match_id: MatchId) -> tuple[str, str, str]:
        base = f"{self._prefix}:{{m:{match_id}}}"
        return f"{base}:s", f"{base}:l", f"{base}:o"


def _groups(items: Sequence[ItemT], size: int) -> Iterator[Sequence[ItemT]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
