"""Events into PostgreSQL, each once in effect, however often and in whatever order they come.

Pieces of recordings are stored by the same rules, in a table of their own.
One transaction a batch: insert what is not there yet, look at what was (equal digest: a
duplicate; another digest: a fork), project what is new, count what has ended. Only when PostgreSQL
refuses a row does the batch take the slow way, in which halves under savepoints single the bad rows
out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from gameserver.wire.envelope import key_name, read_reference
from persistence_worker.boards import Rules
from persistence_worker.erasure import Pseudonymizer, is_pseudonym, mentioned, without
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import Event, Item, Piece
from persistence_worker.postgres import DATABASE_ERRORS, Database, kind_of, told
from persistence_worker.projections import PROJECTIONS
from persistence_worker.retry import ErrorKind, Retry, decide
from persistence_worker.tally import tally


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

        All that is applied is applied together. Raises ``DatabaseUnavailable``: then all or
        nothing has happened, and the same call may be repeated until it returns.
        """


Key = tuple[str, int]
Connection = Any  # asyncpg's pool hands out a proxy that its stubs type apart from Connection
CONTENTIONS_MAX = 10
APPLIED = Verdict(Outcome.APPLIED)
DUPLICATE = Verdict(Outcome.DUPLICATE)
FORKED = Verdict(Outcome.FORK, "another content is stored under this id")


class Stored(msgspec.Struct, frozen=True):
    """What PostgreSQL holds under an id after a batch: ``refusal`` says why nothing."""

    digest: bytes | None
    new: bool
    refusal: str = ""


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
        self._rules = rules or Rules()
        self._pseudonyms = pseudonyms

    async def apply(self, events: Sequence[Item]) -> list[Verdict]:
        """See ``EventSink``. A lost deadlock is repeated here, a few times.

        Of several contents under one id only the first given is tried.
        """
        firsts: dict[Key, int] = {}
        for place, event in enumerate(events):
            firsts.setdefault(event.key, place)
        # Sorted, so that concurrent batches wait for each other in one order.
        chosen = [events[firsts[key]] for key in sorted(firsts)]
        stored = await self._apply_distinct(chosen) if chosen else {}
        return [
            _judge(event, place == firsts[event.key], stored[event.key])
            for place, event in enumerate(events)
        ]

    async def _apply_distinct(self, events: list[Item]) -> dict[Key, Stored]:
        store = self._store
        for attempt in range(1, CONTENTIONS_MAX + 1):
            try:
                async with self._database.transaction() as connection:
                    return await store(connection, events)
            except DATABASE_ERRORS as error:
                kind = kind_of(error)
                if kind is ErrorKind.REJECTED and store == self._store:
                    store = self._store_by_halves
                elif kind is not ErrorKind.CONTENTION:
                    raise DatabaseUnavailable(told(error), kind=kind) from error
                else:
                    decision = decide(kind, attempt, jitter=self._jitter())
                    assert isinstance(decision, Retry)
                    await asyncio.sleep(decision.after_s)
        raise DatabaseUnavailable(f"{CONTENTIONS_MAX} transactions in a row met a deadlock")

    async def _store(self, connection: Connection, items: list[Item]) -> dict[Key, Stored]:
        statements = self._database.statements
        events = [item for item in items if isinstance(item, Event)]
        pieces = [item for item in items if isinstance(item, Piece)]
        events = await self._without_erased(connection, events)
        keys = _key_columns(events)
        if keys:
            await connection.execute(statements["insert_data_keys"], *keys)
        stored = await self._insert(connection, EVENTS, events)
        stored |= await self._insert(connection, PIECES, pieces)
        fresh = [event for event in events if stored[event.key].new]
        for projection in PROJECTIONS:
            columns = projection.fold(fresh)
            if columns:
                await connection.execute(statements[projection.statement], *columns)
        await tally(connection, statements, self._rules, fresh)
        return stored

    async def _insert(
        self, connection: Connection, table: Table, items: Sequence[Item]
    ) -> dict[Key, Stored]:
        """Insert what is not there yet, and look at what was."""
        if not items:
            return {}
        statements = self._database.statements
        by_id = {(item.key[0], abs(item.key[1])): item for item in items}
        inserted = await connection.fetch(statements[table.insert], *table.columns(items))
        new = {(row[0], row[1]) for row in inserted}
        digests = {key: item.digest for key, item in by_id.items()}
        if len(new) < len(items):
            old = [key for key in by_id if key not in new]
            keys = [[key[0] for key in old], [key[1] for key in old]]
            rows = await connection.fetch(statements[table.look_up], *keys)
            digests |= dict.fromkeys(old) | {(row[0], row[1]): row[2] for row in rows}
        return {item.key: Stored(digests[key], key in new) for key, item in by_id.items()}

    async def _without_erased(self, connection: Connection, events: list[Event]) -> list[Event]:
        """The events as they may be stored. Reading the table also locks it a little: who erases a
        player waits for the batches that have not seen it."""
        statements = self._database.statements
        if not await connection.fetchval(statements["any_erased"]):
            return events
        if self._pseudonyms is None:
            raise DatabaseUnavailable(
                "players were erased: without WORKER_ERASURE_KEY nobody can tell which",
                kind=ErrorKind.DATABASE_SCHEMA,
            )
        pseudonyms = {self._pseudonyms.of(player): player for player in mentioned(events)}
        rows = await connection.fetch(statements["erased_among"], list(pseudonyms))
        erased = {pseudonyms[row["pseudonym"]]: row["pseudonym"] for row in rows}
        return [without(event, erased) for event in events] if erased else events

    async def _store_by_halves(
        self, connection: Connection, items: list[Item]
    ) -> dict[Key, Stored]:
        """As ``_store``, where some rows are refused: about ``2 k log2 n`` savepoints for ``k``
        bad rows of ``n``."""
        try:
            async with connection.transaction():
                return await self._store(connection, items)
        except DATABASE_ERRORS as error:
            if kind_of(error) is not ErrorKind.REJECTED:
                raise
            if len(items) == 1:
                return {items[0].key: Stored(None, False, told(error))}
        middle = len(items) // 2
        stored = await self._store_by_halves(connection, items[:middle])
        return stored | await self._store_by_halves(connection, items[middle:])


def _judge(event: Item, first: bool, stored: Stored) -> Verdict:
    if stored.refusal:
        return Verdict(Outcome.REJECTED, stored.refusal)
    if stored.digest != event.digest:
        # What an erasure has changed in a dead letter cannot be compared any more.
        erased = isinstance(event, Event) and is_pseudonym(event.record.player)
        return DUPLICATE if erased else FORKED
    return APPLIED if stored.new and first else DUPLICATE


def _key_columns(events: Sequence[Event]) -> list[list[Any]]:
    """The arguments of ``insert_data_keys``, sorted so that concurrent batches wait for each other
    in one order; empty where nothing is sealed."""
    references = {event.record.key for event in events if event.record.key is not None}
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
        [event.data for event in events],
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
