"""Orders about dead letters, which operators give by way of the server: rows in PostgreSQL.

    letter_orders ──take──► Clerk ──► dead-letter queue, parked_events
                 ◄─finish──

Each order is taken once, by whichever worker looks first. One that dies in between leaves its order
undone, which is said after a while; repeating it does no harm. The server that writes orders down
can do nothing to a queue itself, and nobody from outside reaches a worker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from persistence_worker import dlq
from persistence_worker.dlq import Done, Found
from persistence_worker.errors import DatabaseUnavailable, QueueUnavailable, Unavailable
from persistence_worker.letters import Letter, Selection, records
from persistence_worker.messages import MessageQueue
from persistence_worker.pace import Pace
from persistence_worker.parked import Discarding, Parked
from persistence_worker.postgres import Database

logger = logging.getLogger(__name__)

WANTED_S = 600.0
"""An order that waited for longer is not carried out: whoever gave it has gone on."""
DONE_WITHIN_S = 3_600.0
ANSWER_KEPT_S = 900.0
ORDER_KEPT_S = 90 * 86_400.0
TIDY_S = 60.0
LETTERS_MAX = 500
TEXT_CHARS_MAX = 4_000
"""Of a body in which no record can be read."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. Empty parts of the selection match all."""

    id: str
    verb: Literal["list", "show", "redrive", "park", "discard"]
    who: str
    why: str
    place: Literal["queue", "parked", "all"] = "all"
    letter: str = ""
    code: str = ""
    game: str = ""
    match: str = ""
    limit: Annotated[int, Meta(ge=1, le=LETTERS_MAX)] = 100
    dry_run: bool = False

    @property
    def selection(self) -> Selection:
        """The letters that are meant."""
        return Selection(
            id=self.letter or None,
            reason=self.code or None,
            game=self.game or None,
            match=self.match or None,
        )


class Orders:
    """The table; every method raises ``DatabaseUnavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self) -> tuple[str, Order | None] | None:
        """The id of an order that is ours now, and what it says; ``None`` for the latter: nothing
        that this worker understands."""
        async with self._database.chore() as (connection, statements):
            row = await connection.fetchrow(statements["take_order"], WANTED_S)
        if row is None:
            return None
        try:
            given = msgspec.json.decode(row["given"], type=dict[str, Any])
            said = {**given, "id": row["order_id"], "verb": row["verb"]}
            return row["order_id"], msgspec.convert(
                {**said, "who": row["who"], "why": row["why"]}, Order
            )
        except msgspec.MsgspecError:
            return row["order_id"], None

    async def finish(self, order_id: str, answer: Any, *, failure: str = "") -> None:
        """Say what came of it."""
        text = msgspec.json.encode(_storable(answer)).decode()
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["finish_order"], order_id, text, failure)

    async def tidy(self) -> None:
        """Give up what will not be done, and forget what was."""
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["give_orders_up"], WANTED_S, DONE_WITHIN_S)
            await connection.execute(statements["forget_answers"], ANSWER_KEPT_S, ORDER_KEPT_S)


class Clerk:
    """Carries orders out, one after the other. ``per_s``: letters acted on in a second;
    ``wait_s``: of each look into the queue (1: all of SQS' servers are asked)."""

    def __init__(
        self,
        orders: Orders,
        *,
        queue: MessageQueue,
        dead_letters: MessageQueue,
        parked: Parked,
        per_s: float,
        now_ms: Callable[[], int],
        wait_s: int = 1,
    ) -> None:
        self._orders = orders
        self._queue = queue
        self._dead_letters = dead_letters
        self._parked = parked
        self._per_s = per_s
        self._now_ms = now_ms
        self._wait_s = wait_s
        self._complaint = ""

    async def run(self, every_s: float) -> None:
        """Look for orders for ever; while PostgreSQL does not answer there are none."""
        tidy_at = 0.0
        while True:
            try:
                while await self.work():
                    pass
                if time.monotonic() >= tidy_at:
                    tidy_at = time.monotonic() + TIDY_S
                    await self._orders.tidy()
                self._complaint = ""
            except DatabaseUnavailable as error:
                if self._complaint != str(error):
                    logger.warning("no orders to be had", extra={"error": str(error)})
                self._complaint = str(error)
            await asyncio.sleep(every_s)

    async def work(self) -> bool:
        """Carry one order out; whether there was one. Raises ``DatabaseUnavailable``."""
        taken = await self._orders.take()
        if taken is None:
            return False
        order_id, order = taken
        if order is None:
            await self._orders.finish(order_id, None, failure="it is not understood")
            return True
        try:
            answer, failure = await self._carry_out(order), ""
        except (DatabaseUnavailable, QueueUnavailable) as error:
            answer, failure = None, _why(error)
        logger.info(
            "order about dead letters",
            extra={"order": order.id, "verb": order.verb, "who": order.who, "failure": failure},
        )
        await self._orders.finish(order.id, answer, failure=failure)
        return True

    async def _carry_out(self, order: Order) -> dict[str, Any]:
        match order.verb:
            case "list":
                return {"letters": msgspec.to_builtins(await self._list(order))}
            case "show":
                return await self._show(order)
            case "redrive":
                done = await self._redrive(order)
            case "park":
                done = await self._each(order, self._park)
            case "discard":
                done = await self._discard(order)
        return {"moved": done.moved, "failed": done.failed}

    async def _list(self, order: Order) -> list[Letter]:
        found: list[Letter] = []
        if order.place != "parked":
            found += [each.letter for each in await self._peek(order)]
        if order.place != "queue":
            found += await self._parked.letters(order.selection, limit=order.limit)
        return sorted(found, key=lambda each: each.sent_at_ms)

    async def _show(self, order: Order) -> dict[str, Any]:
        letter, body = None, ""
        if order.place != "queue":
            whole = await self._parked.show(order.letter)
            if whole is not None:
                letter, body = whole.letter, whole.body
        if letter is None and order.place != "parked":
            for found in await self._peek(order):
                letter, body = found.letter, found.message.body
        read = records(body)
        text = "" if read else body[:TEXT_CHARS_MAX].encode("utf-8", "backslashreplace").decode()
        return {"letter": msgspec.to_builtins(letter), "records": read, "text": text}

    async def _redrive(self, order: Order) -> Done:
        async def act(found: Found) -> bool:
            return await dlq.send_back(self._dead_letters, self._queue, found)

        done = Done(moved=[], failed=[], dry_run=order.dry_run)
        if order.place != "parked":
            done = await self._each(order, act)
        if order.place != "queue":
            more = await self._parked.redrive(
                self._queue,
                limit=order.limit,
                selection=order.selection,
                dry_run=order.dry_run,
                pace=Pace(self._per_s),
            )
            done = _both(done, more)
        return done

    async def _discard(self, order: Order) -> Done:
        discarding = Discarding(who=order.who, why=order.why)

        async def act(found: Found) -> bool:
            await self._parked.note_discarded(found, discarding)
            return not await self._dead_letters.delete([found.message])

        done = Done(moved=[], failed=[], dry_run=order.dry_run)
        if order.place != "parked":
            done = await self._each(order, act)
        if order.place != "queue":
            more = await self._parked.discard(
                discarding,
                limit=order.limit,
                selection=order.selection,
                dry_run=order.dry_run,
                pace=Pace(self._per_s),
            )
            done = _both(done, more)
        return done

    async def _park(self, found: Found) -> bool:
        await self._parked.park([found])
        return not await self._dead_letters.delete([found.message])

    async def _each(self, order: Order, act: dlq.Act) -> Done:
        return await dlq.for_each(
            self._dead_letters,
            act,
            limit=order.limit,
            selection=order.selection,
            started_ms=self._now_ms(),
            dry_run=order.dry_run,
            pace=Pace(self._per_s),
            wait_s=self._wait_s,
        )

    async def _peek(self, order: Order) -> list[Found]:
        return await dlq.peek(
            self._dead_letters,
            limit=1 if order.verb == "show" else order.limit,
            selection=order.selection,
            wait_s=self._wait_s,
        )


def _both(one: Done, other: Done) -> Done:
    return Done(
        moved=one.moved + other.moved, failed=one.failed + other.failed, dry_run=one.dry_run
    )


def _storable(value: Any) -> Any:
    """As PostgreSQL can hold it: without U+0000, a lone surrogate as an escape."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
        case dict():
            return {_storable(name): _storable(each) for name, each in value.items()}
        case list():
            return [_storable(each) for each in value]
        case _:
            return value


def _why(error: Unavailable) -> str:
    service = "PostgreSQL" if isinstance(error, DatabaseUnavailable) else "SQS"
    return f"{service} did not answer; repeat it"
