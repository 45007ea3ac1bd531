"""Carries events from one database into another, and compares two databases.

After a restore to a point in time the old database may hold events that the new one lacks, while
the queue has forgotten them: they were stored, and deleted. ``carry`` stores them in the new one by
the worker's own sink, so that an event that is there already has no effect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from gameserver.wire import envelope, sealed_record
from gameserver.wire import event_record as wire
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import Event, prepare
from persistence_worker.postgres import DATABASE_ERRORS, Database, kind_of, told

EVENTS_AT_ONCE = 2_000
EXAMPLES_MAX = 10
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
_COMPARED = "compare_"
_SEALED = '"gs1.'


class Carried(msgspec.Struct, kw_only=True):
    """What became of the events read: stored now, there already, or refused, with examples."""

    read: int = 0
    stored: int = 0
    present: int = 0
    refused: int = 0
    refusals: list[str] = msgspec.field(default_factory=list)


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One table in both databases."""

    table: str
    rows_here: int
    rows_there: int
    equal: bool


async def carry(source: Database, sink: PostgresSink, *, since: datetime = ALWAYS) -> Carried:
    """Store in ``sink`` what ``source`` has stored at ``since`` (its own clock's time of the
    transaction's begin) or later. May be repeated, and may be cut short anywhere.

    Raises ``DatabaseUnavailable``.
    """
    done = Carried()
    last: tuple[str, int] = ("", 0)
    while rows := await _read(source, last, since):
        keys = await _keys(source, rows)
        events = [_event(row, keys) for row in rows]
        verdicts = await sink.apply(events)
        outcomes = Counter(verdict.outcome for verdict in verdicts)
        done.read += len(rows)
        done.stored += outcomes[Outcome.APPLIED]
        done.present += outcomes[Outcome.DUPLICATE]
        done.refused += outcomes[Outcome.FORK] + outcomes[Outcome.REJECTED]
        refusals = [
            f"{event.id}: {verdict.outcome.value}: {verdict.detail}"
            for event, verdict in zip(events, verdicts, strict=True)
            if verdict.outcome in (Outcome.FORK, Outcome.REJECTED)
        ]
        done.refusals += refusals[: EXAMPLES_MAX - len(done.refusals)]
        last = (rows[-1]["match"], rows[-1]["seq"])
    return done


async def carry_erasures(source: Database, target: Database) -> None:
    """Remember in ``target`` whom ``source`` has erased, so that their events are stored as such.
    What ``target`` itself still holds of them is another erasure's business. Raises
    ``DatabaseUnavailable``."""
    try:
        async with source.transaction() as connection:
            rows = await connection.fetch(source.statements["erasures"])
        async with target.transaction() as connection:
            columns = [[row["pseudonym"] for row in rows], [row["at"] for row in rows]]
            await connection.execute(target.statements["insert_erasures"], *columns)
    except DATABASE_ERRORS as error:
        raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error


async def _keys(source: Database, rows: list[Any]) -> dict[str, str]:
    """References of the data keys that seal fields of these events, by their ids."""
    found = {
        envelope.key_name(key)
        for row in rows
        if _SEALED in row["data"]
        for key in sealed_record.keys(msgspec.json.decode(row["data"]))
    }
    if not found:
        return {}
    try:
        async with source.transaction() as connection:
            stored = await connection.fetch(source.statements["data_keys"], sorted(found))
    except DATABASE_ERRORS as error:
        raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error
    return {row["key_id"]: envelope.reference_to(row["key_id"], row["wrapped"]) for row in stored}


async def _read(source: Database, last: tuple[str, int], since: datetime) -> list[Any]:
    query = source.statements["events_to_carry"]
    try:
        async with source.transaction() as connection:
            found = await connection.fetch(query, *last, since, EVENTS_AT_ONCE)
            return list(found)
    except DATABASE_ERRORS as error:
        raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error


def _event(row: Any, keys: Mapping[str, str]) -> Event:
    """The event of a stored row, with the key that it came with. The digest is the one that was
    taken then, because JSON numbers may be written in another way by now."""
    fields = dict(row)
    digest, data = fields.pop("digest"), msgspec.json.decode(fields.pop("data"))
    # All fields of a record are sealed by one key.
    key = next((keys.get(envelope.key_name(one)) for one in sealed_record.keys(data)), None)
    record = wire.EventRecord(id=f"{row['match']}/{row['seq']}", data=data, key=key, **fields)
    return msgspec.structs.replace(prepare(wire.encode_record(record)), digest=digest)


async def compare(here: Database, there: Database) -> list[Compared]:
    """Whether both hold the same rows, in whatever order they were stored; what differs by nature
    (when a row was stored, numbers that the database gave out) is not looked at.

    Raises ``DatabaseUnavailable``.
    """
    tables = [name for name in here.statements if name.startswith(_COMPARED)]
    ours, theirs = await _digests(here, tables), await _digests(there, tables)
    return [
        Compared(
            table=name.removeprefix(_COMPARED),
            rows_here=ours[name][0],
            rows_there=theirs[name][0],
            equal=ours[name] == theirs[name],
        )
        for name in tables
    ]


async def _digests(database: Database, tables: list[str]) -> dict[str, tuple[int, int]]:
    """Of each table the number of rows and the sum of their hashes, at one moment."""
    try:
        async with database.transaction() as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await connection.execute("SET LOCAL TimeZone = 'UTC'")
            found = {}
            for name in tables:
                row = await connection.fetchrow(
                    "SELECT count(*), coalesce(sum(hashtextextended(row::text, 0)), 0) "
                    f"FROM ({database.statements[name]}) AS row"
                )
                found[name] = (int(row[0]), int(row[1]))
            return found
    except DATABASE_ERRORS as error:
        raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error
