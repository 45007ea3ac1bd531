"""Events into PostgreSQL, each once in effect, however often and in whatever order they come.

Pieces of recordings are stored by the same rules, in a table of their own. One transaction a batch,
in the first of three ways that succeeds:

    COPY     mostly all events are new: one that is stored makes it fail, and nothing has happened
    INSERT   what is not there yet; look at what was (equal digest: a duplicate; else: a fork)
    halves   PostgreSQL refuses a row: INSERT under savepoints singles the bad rows out

Then what is new is projected. Once that is committed, what has ended is counted, see ``tally``.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

import asyncpg
import msgspec

from gameserver.wire.envelope import key_name, read_reference
from persistence_worker import copying
from persistence_worker.boards import Rules
from persistence_worker.erased import Erased
from persistence_worker.erasure import Pseudonymizer, is_pseudonym
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import Event, Item, Piece
from persistence_worker.postgres import DATABASE_ERRORS, Database, kind_of, together, told
from persistence_worker.projections import PROJECTIONS
from persistence_worker.retry import ErrorKind, Retry, decide
from persistence_worker.tally import Counter


class Outcome(StrEnum):
    """What became of one event."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"  # the same content is stored already
    FORK = "fork"  # another content is stored under this id; that one stays
    REJECTED = "rejected"  # the database refuses this one, whatever is beside it


class Verdict(msgspec.Struct, frozen=True):
    """``detail`` says why, for forks and rejections."""

    outcome: Outcome
    detail: str = ""


class EventSink(Protocol):
    """Where events and pieces of recordings are stored for good."""

    async def apply(self, events: Sequence[Item]) -> list[Verdict]:
        """Store ``events`` and what is told from them; one verdict each, in their order.

        All that is applied is applied together. Raises ``DatabaseUnavailable``: then all, all but
        the counting, or nothing has happened, and the same call has to be repeated until it
        returns.
        """


Connection = Any  # asyncpg's pool hands out a proxy that its stubs type apart from Connection
T = TypeVar("T")
CONTENTIONS_MAX = 10
WARY_BATCHES = 20
"""A batch in which something was stored already is seldom alone: so many are not tried by COPY."""
APPLIED = Verdict(Outcome.APPLIED)
DUPLICATE = Verdict(Outcome.DUPLICATE)
_STORED = (Outcome.APPLIED, Outcome.DUPLICATE)
FORKED = Verdict(Outcome.FORK, "another content is stored under this id")


class Stored(msgspec.Struct, frozen=True):
    """What PostgreSQL holds under an id that was not new; ``refusal`` says why nothing."""

    digest: bytes | None
    refusal: str = ""


Old = dict[str, Stored]
"""By id; what is new is left out."""


class PostgresSink:
    """The sink of production. ``jitter`` gives numbers from 0 up to 1; ``rules`` say which boards
    there are, and are the same for all workers of a database; ``pseudonyms`` are needed as soon as
    a player was erased."""

    def __init__(
        self,
        database: Database,
        *,
        jitter: Callable[[], float],
        rules: Rules | None = None,
        pseudonyms: Pseudonymizer | None = None,
    ) -> None:
        self._database = database
        self._jitter = jitter
        self._erased = Erased(database.statements, pseudonyms)
        self._counter = Counter(database, rules or Rules(), self._erased)
        self._wary = 0

    async def apply(self, events: Sequence[Item]) -> list[Verdict]:
        """See ``EventSink``. A lost deadlock is repeated here, a few times.

        Of several contents under one id only the first given is tried.
        """
        firsts = {events[place].id: place for place in range(len(events) - 1, -1, -1)}
        # Sorted, so that concurrent batches wait for each other in one order.
        chosen = [events[firsts[event_id]] for event_id in sorted(firsts)]
        old = await self._apply_distinct(chosen) if chosen else {}
        if not old and len(chosen) == len(events):
            verdicts = [APPLIED] * len(events)
        else:
            verdicts = [
                _judge(event, events[first], place == first, old)
                for place, event in enumerate(events)
                for first in (firsts[event.id],)
            ]
        return await self._count(events, verdicts)

    async def _apply_distinct(self, items: list[Item]) -> Old:
        stores = [self._insert, self._insert_by_halves]
        if self._wary:
            self._wary -= 1
        else:
            stores.insert(0, self._copy)

        async def attempt() -> Old:
            async with self._database.transaction() as connection:
                return await stores[0](connection, items)

        while True:
            try:
                return await self._through_contention(attempt)
            except DatabaseUnavailable as error:
                if error.kind is not ErrorKind.REJECTED or len(stores) == 1:
                    raise
                if stores.pop(0) == self._copy:
                    self._wary = WARY_BATCHES

    async def _count(self, items: Sequence[Item], verdicts: list[Verdict]) -> list[Verdict]:
        """Count what is stored, old or new: the worker that stored it may have died before. What
        cannot be counted is rejected, so that somebody looks at it; it stays stored."""
        facts = {
            place: item
            for place, item in enumerate(items)
            if isinstance(item, Event)
            and item.fact is not None
            and verdicts[place].outcome in _STORED
        }
        try:
            told_facts = list(facts.values())
            await self._through_contention(lambda: self._counter.count(told_facts))
        except DatabaseUnavailable as error:
            if error.kind is not ErrorKind.REJECTED:
                raise
            for place, reason in (await self._count_by_halves(list(facts.items()))).items():
                verdicts[place] = Verdict(Outcome.REJECTED, f"stored, but not counted: {reason}")
        return verdicts

    async def _count_by_halves(self, facts: list[tuple[int, Event]]) -> dict[int, str]:
        """The places of those that cannot be counted, and why."""
        part = [event for _, event in facts]
        try:
            await self._through_contention(lambda: self._counter.count_alone(part))
        except DatabaseUnavailable as error:
            if error.kind is not ErrorKind.REJECTED:
                raise
            if len(facts) == 1:
                return {facts[0][0]: str(error)}
        else:
            return {}
        middle = len(facts) // 2
        refused = await self._count_by_halves(facts[:middle])
        return refused | await self._count_by_halves(facts[middle:])

    async def _through_contention(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Raises ``DatabaseUnavailable`` for whatever PostgreSQL states."""
        for number in range(1, CONTENTIONS_MAX + 1):
            try:
                return await attempt()
            except ArithmeticError as error:
                # A rating that no number can hold.
                raise DatabaseUnavailable(repr(error), kind=ErrorKind.REJECTED) from error
            except DATABASE_ERRORS as error:
                kind = kind_of(error)
                if kind is not ErrorKind.CONTENTION:
                    raise DatabaseUnavailable(told(error), kind=kind) from error
                decision = decide(kind, number, jitter=self._jitter())
                assert isinstance(decision, Retry)
                await asyncio.sleep(decision.after_s)
        raise DatabaseUnavailable(f"{CONTENTIONS_MAX} transactions in a row met a deadlock")

    async def _copy(self, connection: Connection, items: list[Item]) -> Old:
        events = [item for item in items if isinstance(item, Event)]
        events = await self._prepared(connection, events)
        old = await self._insert_new(connection, PIECES, _pieces(items))
        if events:
            await connection.copy_to_table(
                "events", source=_encoded(events), columns=copying.COLUMNS, format="binary"
            )
            await self._project(connection, events)
        return old

    async def _insert(self, connection: Connection, items: list[Item]) -> Old:
        events = [item for item in items if isinstance(item, Event)]
        events = await self._prepared(connection, events)
        old = await self._insert_new(connection, EVENTS, events)
        old |= await self._insert_new(connection, PIECES, _pieces(items))
        await self._project(connection, [event for event in events if event.id not in old])
        return old

    async def _prepared(self, connection: Connection, events: list[Event]) -> list[Event]:
        """The events as they are stored, with the data keys of what is sealed in them."""
        events = await self._erased.left_out(connection, events)
        keys = _key_columns(events)
        if keys:
            await connection.execute(self._database.statements["insert_data_keys"], *keys)
        return events

    async def _insert_new(self, connection: Connection, table: Table, items: Sequence[Item]) -> Old:
        """Insert what is not there yet, and look at what was."""
        if not items:
            return {}
        statements = self._database.statements
        by_key = {(item.key[0], abs(item.key[1])): item for item in items}
        inserted = await connection.fetch(statements[table.insert], *table.columns(items))
        keys = by_key.keys() - {(row[0], row[1]) for row in inserted}
        if not keys:
            return {}
        columns = [[key[0] for key in keys], [key[1] for key in keys]]
        rows = await connection.fetch(statements[table.look_up], *columns)
        digests = {(row[0], row[1]): row[2] for row in rows}
        return {by_key[key].id: Stored(digests.get(key)) for key in keys}

    async def _project(self, connection: Connection, fresh: list[Event]) -> None:
        # A game's own events tell nothing here, and are most of all.
        facts = [event for event in fresh if event.fact is not None]
        folded = [(each.statement, each.fold(facts)) for each in PROJECTIONS]
        filled = [(name, columns) for name, columns in folded if columns]
        if filled:
            merge = together([self._database.statements[name] for name, _ in filled])
            await connection.execute(merge, *(column for _, each in filled for column in each))

    async def _insert_by_halves(self, connection: Connection, items: list[Item]) -> Old:
        """As ``_insert``, where some rows are refused: about ``2 k log2 n`` savepoints for ``k``
        bad rows of ``n``."""
        try:
            async with connection.transaction():
                return await self._insert(connection, items)
        except DATABASE_ERRORS as error:
            if kind_of(error) is not ErrorKind.REJECTED:
                raise
            if len(items) == 1:
                return {items[0].id: Stored(None, told(error))}
        middle = len(items) // 2
        old = await self._insert_by_halves(connection, items[:middle])
        return old | await self._insert_by_halves(connection, items[middle:])


def _pieces(items: Sequence[Item]) -> list[Piece]:
    return [item for item in items if isinstance(item, Piece)]


async def _encoded(events: list[Event]) -> AsyncIterator[bytes]:
    try:
        for part in copying.rows(events):
            yield part
            await asyncio.sleep(0)
    except struct.error as error:
        raise asyncpg.DataError(f"a number has no room in its column: {error}") from error


def _judge(event: Item, first: Item, is_first: bool, old: Old) -> Verdict:
    """``first`` is what was tried of all that bear the event's id."""
    stored = old.get(event.id)
    if stored is not None and stored.refusal:
        return Verdict(Outcome.REJECTED, stored.refusal)
    if event.digest != (first.digest if stored is None else stored.digest):
        # What an erasure has changed in a dead letter cannot be compared any more.
        erased = isinstance(event, Event) and is_pseudonym(event.record.player)
        return DUPLICATE if erased else FORKED
    return APPLIED if stored is None and is_first else DUPLICATE


def _key_columns(events: Sequence[Event]) -> list[list[Any]]:
    """The arguments of ``insert_data_keys``, sorted so that concurrent batches wait for each other
    in one order; empty where nothing is sealed."""
    references = {key for event in events if (key := event.sealed_key) is not None}
    keys = sorted((key_name(key), wrapped) for key, wrapped in map(read_reference, references))
    return [[key for key, _ in keys], [wrapped for _, wrapped in keys]] if keys else []


class Table(NamedTuple):
    """Names of statements: ``insert`` says which ids were new, ``look_up`` digests of ids."""

    insert: str
    look_up: str
    columns: Callable[[Sequence[Any]], list[list[Any]]]


def event_columns(events: Sequence[Event]) -> list[list[Any]]:
    """The arguments of ``insert_events``: one list a column."""
    records = [event.record for event in events]
    return [
        [record.match for record in records],
        [record.seq for record in records],
        [record.kind for record in records],
        [record.player for record in records],
        [record.game for record in records],
        [record.mode for record in records],
        [record.epoch for record in records],
        [record.tick for record in records],
        [record.at_ms for record in records],
        [event.data.decode() for event in events],
        [event.digest for event in events],
    ]


def _piece_columns(pieces: Sequence[Piece]) -> list[list[Any]]:
    records = [piece.record for piece in pieces]
    setups = [record.setup for record in records]
    return [
        [record.match for record in records],
        [record.number for record in records],
        [record.epoch for record in records],
        [record.game for record in records],
        [record.mode for record in records],
        [record.version for record in records],
        [record.first_tick for record in records],
        [record.end_tick for record in records],
        [record.event_seq for record in records],
        [record.at_ms for record in records],
        [record.revived for record in records],
        [record.more for record in records],
        [record.digest for record in records],
        [record.ended for record in records],
        [None if one is None else msgspec.json.encode(one).decode() for one in setups],
        [record.body for record in records],
        [piece.digest for piece in pieces],
    ]


EVENTS = Table("insert_events", "stored_digests", event_columns)
PIECES = Table("insert_chunks", "stored_chunk_digests", _piece_columns)
