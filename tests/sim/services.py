"""SQS, PostgreSQL and the Redis of a history: fakes that keep what they have been told.

nodes ──FaultyQueue──► SimQueue ──WorkerQueue──► Worker ──WatchedSink──► rows
                          dead letters ◄──────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TypeVar

from gameserver.ids import MatchId
from gameserver.match import checkpoint as checkpoints
from gameserver.ports import Acquired, Commit
from persistence_worker.apply import EventSink, Verdict
from persistence_worker.apply import Outcome as Applied
from persistence_worker.errors import DatabaseUnavailable, QueueUnavailable
from persistence_worker.intake import Item
from persistence_worker.messages import RECEIVE_MAX, Message, Outgoing
from tests.fakes.memory_sink import MemorySink
from tests.fakes.memory_store import MemoryStore, Row, Sweeping
from tests.sim.checkers import Checker
from tests.sim.faults import Network

AnswerT = TypeVar("AnswerT")

_POLL_S = 0.05


class WatchedStore(MemoryStore):
    """Tells the checkers what is acquired and what is really written."""

    def __init__(self, now_ms: Callable[[], float], checkers: Sequence[Checker]) -> None:
        super().__init__(now_ms)
        self.checkers = checkers

    async def acquire(
        self, match_id: MatchId, *, owner: str, lease_ttl_ms: int, instead_of: int = 0
    ) -> Acquired | None:
        got = await super().acquire(
            match_id, owner=owner, lease_ttl_ms=lease_ttl_ms, instead_of=instead_of
        )
        if got is not None:
            for checker in self.checkers:
                checker.acquired(match_id, got)
        return got

    def write(self, row: Row, commit: Commit) -> None:
        super().write(row, commit)
        for checker in self.checkers:
            checker.written(commit)

    def leased_by(self, owner: str) -> list[MatchId]:
        """The matches on which a lease of ``owner`` is running."""
        return [
            match_id
            for match_id, row in self.rows.items()
            if row.owner == owner and self._leased(row)
        ]

    def has_turned_since(self, replica: Replica) -> bool:
        """Whether some match is over, or has another owner, that ``replica`` does not know of."""
        nothing = Row()
        for match_id, row in self.rows.items():
            known = replica.rows.get(match_id, nothing)
            if _is_over(row) != _is_over(known) or row.fence != known.fence:
                return True
        return False

    def replica(self) -> Replica:
        """What a replica has that hears of nothing more from now on."""
        return Replica(
            {match_id: _copied(row) for match_id, row in self.rows.items()},
            dict(self.open),
            self.sweep,
        )

    def fail_over(self, replica: Replica) -> None:
        """The primary is gone with all that the replica has not heard of."""
        before = self.rows
        self.rows, self.open, self.sweep = replica.rows, replica.open, replica.sweep
        for match_id, row in before.items():
            kept = self.rows.get(match_id)
            if kept is None or (kept.version, kept.fence) != (row.version, row.fence):
                for checker in self.checkers:
                    checker.rolled_back(match_id, kept)


@dataclass
class Replica:
    rows: dict[MatchId, Row]
    open: dict[MatchId, None]
    sweep: Sweeping


def _is_over(row: Row) -> bool:
    if row.checkpoint is None:
        return row.forgotten
    return checkpoints.decode(row.checkpoint).ended is not None


def _copied(row: Row) -> Row:
    kept = copy(row)
    kept.outbox = dict(row.outbox)
    return kept


@dataclass
class _Entry:
    message: Message
    visible_at: float = 0.0


class SimQueue:
    """One SQS queue: at least once, in no order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entries: dict[str, _Entry] = {}
        self._made = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bodies(self) -> list[Message]:
        """All messages, visible or not."""
        return [entry.message for entry in self._entries.values()]

    def put(self, bodies: Sequence[str]) -> None:
        self.put_all([Outgoing(body=body, attributes={}) for body in bodies])

    def put_all(self, messages: Sequence[Outgoing]) -> None:
        for outgoing in messages:
            self._made += 1
            name = f"q{self._made}"
            message = Message(
                id=name,
                receipt="",
                body=outgoing.body,
                receives=0,
                sent_at_ms=int(self._loop.time() * 1000),
                attributes=outgoing.attributes,
            )
            self._entries[name] = _Entry(message)

    def take(self, visibility_s: float, doubled: Callable[[], bool]) -> list[Message]:
        """Some visible messages; ``doubled``: whether one of them stays visible to others too."""
        now, taken = self._loop.time(), []
        for entry in self._entries.values():
            if entry.visible_at <= now:
                self._made += 1
                entry.message = Message(
                    id=entry.message.id,
                    receipt=f"{entry.message.id}/{self._made}",
                    body=entry.message.body,
                    receives=entry.message.receives + 1,
                    sent_at_ms=entry.message.sent_at_ms,
                    attributes=entry.message.attributes,
                )
                entry.visible_at = now if doubled() else now + visibility_s
                taken.append(entry.message)
                if len(taken) == RECEIVE_MAX:
                    break
        return taken

    def hide(self, messages: Sequence[Message], seconds: float) -> None:
        for message in messages:
            if message.id in self._entries:
                self._entries[message.id].visible_at = self._loop.time() + seconds

    def drop(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._entries.pop(message.id, None)


class WorkerQueue:
    """Implements the worker's ``MessageQueue``: its way to one queue."""

    def __init__(self, queue: SimQueue, network: Network) -> None:
        self._queue = queue
        self._network = network

    async def receive(self, *, wait_s: int, visibility_s: int) -> list[Message]:
        weather = self._network.weather
        until = asyncio.get_running_loop().time() + wait_s

        async def do() -> list[Message]:
            while True:
                taken = self._queue.take(
                    visibility_s, lambda: weather.random.random() < weather.doubled
                )
                if taken or asyncio.get_running_loop().time() >= until:
                    return taken
                await asyncio.sleep(_POLL_S)

        return await self._call(do)

    async def delete(self, messages: Sequence[Message]) -> list[Message]:
        async def do() -> list[Message]:
            weather = self._network.weather
            kept = [one for one in messages if weather.random.random() < weather.failed_bodies]
            self._queue.drop([one for one in messages if one not in kept])
            return kept

        return await self._call(do)

    async def set_visibility(self, messages: Sequence[Message], seconds: int) -> list[Message]:
        async def do() -> list[Message]:
            self._queue.hide(messages, seconds)
            return []

        return await self._call(do)

    async def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        async def do() -> list[Outgoing]:
            self._queue.put_all(messages)
            return []

        return await self._call(do)

    async def depth(self) -> int:
        async def do() -> int:
            return len(self._queue)

        return await self._call(do)

    async def _call(self, do: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        weather = self._network.weather
        return await self._network.call(
            do, up=lambda: not weather.queue_down, error=QueueUnavailable
        )


class WatchedSink(EventSink):
    """PostgreSQL, at the worker's end; ``applied`` is told of every event that is new there."""

    def __init__(self, sink: MemorySink, network: Network, applied: Callable[[Item], None]) -> None:
        self._sink = sink
        self._network = network
        self._applied = applied

    async def apply(self, events: Sequence[Item]) -> list[Verdict]:
        async def do() -> list[Verdict]:
            verdicts = await self._sink.apply(events)
            for event, verdict in zip(events, verdicts, strict=True):
                if verdict.outcome is Applied.APPLIED:
                    self._applied(event)
            return verdicts

        return await self._network.call(do, up=self._up, error=DatabaseUnavailable)

    async def ping(self) -> None:
        async def do() -> None: ...

        await self._network.call(do, up=self._up, error=DatabaseUnavailable)

    def _up(self) -> bool:
        return not self._network.weather.database_down
