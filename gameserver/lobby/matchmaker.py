"""The matchmakers of a node: each queue of the cluster has one master at a time, by a lease with a
fence as matches have it; every node stands ready to be it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import msgspec

from gameserver.errors import StoreUnavailable
from gameserver.game.contract import AnyGame
from gameserver.game.matchmaking import Rules
from gameserver.lobby.explain import explain
from gameserver.lobby.table import Lost, Table
from gameserver.matchmaking import (
    Mastery,
    Queue,
    TicketId,
)
from gameserver.matchmaking_ports import MatchmakingStore, NodeCalls, TicketUpdates, Venue
from gameserver.metrics import Metrics
from gameserver.ports import Entropy
from gameserver.rounds import shared

logger = logging.getLogger(__name__)

WHY = "why"
FIRST = "first"
"""The topic of notes that an empty queue has got a ticket."""
OFFER_S = 1.0
OFFER_TTL_MS = 4_000


class Question(msgspec.Struct, frozen=True, array_like=True):
    """To the master of a queue: why does this ticket still wait?"""

    queue: Queue
    ticket: TicketId


_encode = msgspec.msgpack.Encoder().encode
_decode_question = msgspec.msgpack.Decoder(Question).decode
_decode_queue = msgspec.msgpack.Decoder(Queue).decode


def queues_of(games: Mapping[str, AnyGame]) -> dict[Queue, Rules]:
    """All queues of these games."""
    return {
        Queue(game.name, name): mode.matchmaking
        for game in games.values()
        for name, mode in game.modes.items()
        if mode.matchmaking is not None
    }


class Matchmaker:
    """``start``, then ``stop``. ``failed`` is called with what ended a side task."""

    def __init__(
        self,
        *,
        node: str,
        games: Mapping[str, AnyGame],
        store: MatchmakingStore,
        venue: Venue,
        updates: TicketUpdates,
        calls: NodeCalls,
        entropy: Entropy,
        metrics: Metrics,
        lease_ttl_ms: int,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._node = node
        self._queues = queues_of(games)
        self._store = store
        self._venue = venue
        self._updates = updates
        self._entropy = entropy
        self._metrics = metrics
        self._ttl_ms = lease_ttl_ms
        self._failed = failed
        self._tables: dict[Queue, Table] = {}
        self._tasks: list[asyncio.Task[None]] = []
        calls.serve(WHY, self._why)
        calls.serve(FIRST, self._first)
        metrics.gauge(
            "queues_led", "Queues of which this node is the master", lambda: len(self._tables)
        )
        metrics.gauge(
            "tickets_waiting", "Tickets in the queues that this node leads", self._waiting
        )

    @property
    def leads(self) -> list[Queue]:
        """The queues of which this node is the master."""
        return list(self._tables)

    async def start(self) -> None:
        """Begin to seek the leases."""
        loop = asyncio.get_running_loop()
        works = [self._seek(queue, rules) for queue, rules in self._queues.items()]
        if self._queues:
            works.append(self._offer())
        for work in works:
            task = loop.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Give the leases up, so that others need not wait for their end. Idempotent."""
        tables = list(self._tables.values())
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for table in tables:
            try:
                await self._store.release(table.queue, table.fence)
            except StoreUnavailable:
                pass  # It runs out by itself.

    async def _seek(self, queue: Queue, rules: Rules) -> None:
        """Be the master whenever nobody is. Who has queues already leaves others the first try."""
        while True:
            pause_s = self._ttl_ms / 2000 * (0.5 + self._entropy.jitter())
            await asyncio.sleep(pause_s * (1 + len(self._tables) / 2))
            try:
                mastery = await self._store.lead(queue, owner=self._node, lease_ttl_ms=self._ttl_ms)
                if mastery is None:
                    continue
                table = self._table(queue, rules, mastery)
                self._tables[queue] = table
                logger.info("leads a queue", extra={"queue": str(queue), "node": self._node})
                await table.run()
            except Lost:
                self._metrics.queues_lost += 1
                logger.warning("queue lost", extra={"queue": str(queue), "node": self._node})
            except Exception as error:
                # A defect in matchmaking must not end the matches of this node, and then, one after
                # the other, those of all nodes: the queue stands still, and says so.
                if not isinstance(error, StoreUnavailable):
                    self._metrics.matchmakers_failed += 1
                    logger.exception("a matchmaker failed", extra={"queue": str(queue)})
                    continue
                logger.warning("queue not led", extra={"queue": str(queue), "error": str(error)})
            finally:
                self._tables.pop(queue, None)

    def _table(self, queue: Queue, rules: Rules, mastery: Mastery) -> Table:
        return Table(
            queue,
            rules,
            mastery,
            store=self._store,
            venue=self._venue,
            updates=self._updates,
            entropy=self._entropy,
            metrics=self._metrics,
            lease_ttl_ms=self._ttl_ms,
        )

    async def _offer(self) -> None:
        """Tell the masters of free seats in this node's matches."""
        pause_s = shared(OFFER_S)
        while True:
            await asyncio.sleep(pause_s())
            try:
                for queue, vacancies in self._venue.vacancies().items():
                    for vacancy in vacancies:
                        await self._store.offer(queue, vacancy, ttl_ms=OFFER_TTL_MS)
            except StoreUnavailable as error:
                logger.warning("seats not offered", extra={"error": str(error)})

    async def _why(self, body: bytes) -> bytes:
        asked = _decode_question(body)
        table = self._tables.get(asked.queue)
        found = None if table is None else explain(table.pool, asked.ticket, table.now_ms)
        return b"" if found is None else _encode(found)

    async def _first(self, body: bytes) -> bytes:
        table = self._tables.get(_decode_queue(body))
        if table is not None:
            table.rest.notice()
        return b""

    def _waiting(self) -> float:
        return float(sum(len(table.pool) for table in self._tables.values()))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._failed(task.exception() or RuntimeError("a task of matchmaking returned"))
