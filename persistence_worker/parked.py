"""Parked letters: the table for what is not sent back by itself any more, and who threw what away.

Every method raises ``DatabaseUnavailable``; what was asked may then have happened, and may be
asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from persistence_worker import dlq
from persistence_worker.dlq import Done, Found
from persistence_worker.letters import Letter, Selection, parked_id
from persistence_worker.messages import MessageQueue
from persistence_worker.pace import Pace
from persistence_worker.postgres import Database

REJECTED_MAX = 1_000
"""So many rejected letters are tried again at once after a migration."""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A parked letter with its content. Times: milliseconds of wall time."""

    letter: Letter
    body: str
    attributes: dict[str, str]
    first_at_ms: int
    parked_at_ms: int
    schema: str


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many letters of one kind there are, and when the oldest became one."""

    reason: str
    games: list[str]
    letters: int
    oldest_ms: int


class Discarding(msgspec.Struct, frozen=True, kw_only=True):
    """Who throws letters away, and why: what the audit row says."""

    who: str
    why: str


class Parked:
    """The table ``parked_events``, and the audit of what was discarded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def park(self, found: Sequence[Found]) -> None:
        """Write letters down; one that is there already stays one row."""
        by_id = {parked_id(each.message.body): each for each in found}
        # Sorted, so that two who park the same wait for each other in one order.
        columns = [_row(letter_id, by_id[letter_id]) for letter_id in sorted(by_id)]
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["park"], *map(list, zip(*columns, strict=True)))

    async def letters(self, selection: Selection, *, limit: int) -> list[Letter]:
        """Up to ``limit`` selected letters, oldest first."""
        wanted = msgspec.structs.astuple(selection)
        async with self._database.chore() as (connection, statements):
            rows = await connection.fetch(statements["parked_letters"], *wanted, limit)
        return [_letter(row) for row in rows]

    async def show(self, letter_id: str) -> Whole | None:
        """One letter with its body."""
        found = await self.letters(Selection(id=letter_id), limit=1)
        async with self._database.chore() as (connection, statements):
            row = await connection.fetchrow(statements["parked_body"], letter_id)
        if not found or row is None:
            return None
        return Whole(
            letter=found[0],
            body=row["body"],
            attributes=msgspec.json.decode(row["attributes"], type=dict[str, str]),
            first_at_ms=int(row["first_at"].timestamp() * 1000),
            parked_at_ms=int(row["parked_at"].timestamp() * 1000),
            schema=row["schema"],
        )

    async def send_back(self, queue: MessageQueue, letter_id: str) -> bool:
        """To the queue again: sent first, then forgotten. Raises ``QueueUnavailable`` as well.

        Parked anew in between, it stays; sent twice, its events are duplicates.
        """
        async with self._database.chore() as (connection, statements):
            row = await connection.fetchrow(statements["parked_body"], letter_id)
        if row is None:
            return True
        if await queue.send([dlq.redriven(row["body"], row["redrives"])]):
            return False
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["unpark"], letter_id, row["last_at"])
        return True

    async def redrive(
        self,
        queue: MessageQueue,
        *,
        limit: int,
        selection: Selection,
        dry_run: bool,
        pace: Pace,
    ) -> Done:
        """Send selected letters back, one after the other."""
        letters = await self.letters(selection, limit=limit)
        done = Done(moved=[], failed=[], dry_run=dry_run)
        for letter in letters:
            if not dry_run:
                await pace()
            fine = dry_run or await self.send_back(queue, letter.id)
            (done.moved if fine else done.failed).append(letter.id)
        return done

    async def rejected_before_migration(self) -> list[str]:
        """Ids of letters that PostgreSQL refused under another schema than today's."""
        async with self._database.chore() as (connection, statements):
            rows = await connection.fetch(statements["parked_for_older_schema"], REJECTED_MAX)
        return [row[0] for row in rows]

    async def discard(
        self, discarding: Discarding, *, limit: int, selection: Selection, dry_run: bool, pace: Pace
    ) -> Done:
        """Throw selected letters away; each goes in one transaction with its audit row."""
        letters = await self.letters(selection, limit=limit)
        for letter in letters if not dry_run else []:
            await pace()
            async with self._database.chore() as (connection, statements):
                if await connection.execute(statements["discard_parked"], letter.id) != "DELETE 0":
                    note = _note(letter, letter.id, discarding)
                    await connection.execute(statements["note_discarded"], *note)
        return Done(moved=[letter.id for letter in letters], failed=[], dry_run=dry_run)

    async def note_discarded(self, found: Found, discarding: Discarding) -> None:
        """The audit row of a letter in the queue, which is deleted afterwards."""
        note = _note(found.letter, parked_id(found.message.body), discarding)
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["note_discarded"], *note)

    async def counts(self) -> list[Count]:
        """What is parked, by reason and games."""
        async with self._database.chore() as (connection, statements):
            rows = await connection.fetch(statements["parked_counts"])
        return [Count(**dict(row)) for row in rows]


def _row(letter_id: str, found: Found) -> tuple[Any, ...]:
    letter = found.letter
    attributes = {**found.message.attributes, "message_id": letter.id}
    return (
        letter_id,
        _text(found.message.body),
        msgspec.json.encode({name: _text(value) for name, value in attributes.items()}).decode(),
        _text(letter.reason),
        _text(letter.detail),
        letter.redrives,
        letter.sent_at_ms,
        letter.bytes,
        msgspec.json.encode(letter.events).decode(),
        msgspec.json.encode(letter.matches).decode(),
        msgspec.json.encode(letter.games).decode(),
    )


def _text(text: str) -> str:
    """As PostgreSQL can hold it: without U+0000, a lone surrogate as an escape."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _letter(row: Any) -> Letter:
    return Letter(place="parked", receives=0, **dict(row))


def _note(letter: Letter, body_id: str, discarding: Discarding) -> tuple[Any, ...]:
    return (
        _text(discarding.who),
        _text(discarding.why),
        letter.place,
        letter.id,
        body_id,
        _text(letter.reason),
        _text(letter.detail),
        letter.redrives,
        letter.bytes,
        letter.events,
    )
