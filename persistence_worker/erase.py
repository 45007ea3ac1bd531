"""Erases a player from PostgreSQL and from the dead letters.

    tombstone ─► events, recordings, matches, participants, results (a few matches at a time)
              ─► players, ratings, boards ─► parked letters ─► dead letters in the queue

The tombstone comes first: from then on workers store the player under the pseudonym only, so that
nothing comes back behind the erasure. Everything is found by the player's id, so whatever was
reached is not found again: an erasure that was cut short is simply repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from persistence_worker import dlq
from persistence_worker.dlq import Found
from persistence_worker.erasure import without_in_body
from persistence_worker.errors import DatabaseUnavailable, QueueUnavailable
from persistence_worker.letters import Selection, parked_id
from persistence_worker.messages import MessageQueue, Outgoing
from persistence_worker.pace import Pace
from persistence_worker.postgres import Database
from persistence_worker.recordings import Recordings
from persistence_worker.retry import ErrorKind

MATCHES_AT_ONCE = 50
TRIES = 10
_CONTENTION_S = 0.2

Counts = dict[str, int]
"""Rows by table, or letters."""


class Eraser:
    """One player. ``pseudonym`` is what takes the place of ``player``."""

    def __init__(self, database: Database, *, player: str, pseudonym: str) -> None:
        self._database = database
        self._statements = database.statements
        self._player = player
        self._pseudonym = pseudonym
        self._quoted = msgspec.json.encode(player).decode()
        self._quoted_pseudonym = msgspec.json.encode(pseudonym).decode()

    async def run(self) -> Counts:
        """Erase; what was changed or deleted. Raises ``DatabaseUnavailable``; then a repetition
        does the rest."""
        counts: Counts = {}
        await self._tried(self._remember)
        while matches := await self._matches():
            for table, count in (await self._tried(lambda: self._in(matches))).items():
                counts[table] = counts.get(table, 0) + count
        # Pieces that came after an earlier erasure, when nothing bore the id any more.
        late = Recordings(self._database).drop_erased
        while dropped := await self._tried(late):
            counts["recordings"] = counts.get("recordings", 0) + dropped
        counts |= await self._tried(self._told)
        counts["parked_events"] = await self._tried(self._parked)
        return counts

    async def look(self) -> Counts:
        """What ``run`` would find: matches, and rows told of the player alone."""
        async with self._database.chore() as (connection, _):
            counts = {}
            for name, query in (
                ("matches", "matches_of_player"),
                ("players", "export_player"),
                ("ratings", "export_ratings"),
                ("boards", "export_scores"),
            ):
                more = ("", 2**31) if name == "matches" else ()
                rows = await connection.fetch(self._statements[query], self._player, *more)
                counts[name] = len(rows)
            recorded = await connection.fetch(self._statements["export_recordings"], self._player)
            parked = await connection.fetch(self._statements["parked_of_player"], self._quoted)
            pieces = sum(row["pieces"] for row in recorded)
            return counts | {"recordings": pieces, "parked_events": len(parked)}

    async def _remember(self) -> Counts:
        async with self._database.chore() as (connection, _):
            await connection.execute(self._statements["lock_erased"])
            await connection.execute(self._statements["remember_erased"], self._pseudonym)
        return {}

    async def _matches(self) -> list[str]:
        async with self._database.chore() as (connection, _):
            query = self._statements["matches_of_player"]
            rows = await connection.fetch(query, self._player, "", MATCHES_AT_ONCE)
        return [row["match_id"] for row in rows]

    async def _in(self, matches: list[str]) -> Counts:
        ids = (matches, self._player, self._pseudonym)
        quoted = (self._quoted, self._quoted_pseudonym)
        counts: Counts = {}
        async with self._database.chore() as (connection, _):
            # In the order in which workers lock rows of them.
            for table, name, arguments in (
                ("events", "erase_events", (*ids, *quoted)),
                ("recordings", "erase_recordings", (matches,)),
                ("matches", "erase_matches", (matches, *quoted)),
                ("", "erase_participants", ids),
                ("participants", "rename_participants", ids),
                ("", "erase_results", ids),
                ("results", "rename_results", ids),
                ("rating_changes", "erase_rating_changes", (self._player,)),
            ):
                status = await connection.execute(self._statements[name], *arguments)
                if table:
                    counts[table] = int(status.rpartition(" ")[2])
        return counts

    async def _told(self) -> Counts:
        async with self._database.chore() as (connection, _):
            # Who counts matches anew may still hold the id that was in them.
            await connection.execute(self._statements["lock_erased"])
            counts = {}
            for table in ("player", "ratings"):
                status = await connection.execute(self._statements[f"erase_{table}"], self._player)
                counts["players" if table == "player" else table] = int(status.rpartition(" ")[2])
            scores = await connection.fetchval(self._statements["erase_scores"], self._player)
            return counts | {"boards": int(scores)}

    async def _parked(self) -> int:
        count = 0
        async with self._database.chore() as (connection, _):
            rows = await connection.fetch(self._statements["parked_of_player"], self._quoted)
            for row in rows:
                body = without_in_body(row["body"], self._player, self._pseudonym)
                if body is not None:
                    arguments = (row["id"], parked_id(body), body)
                    await connection.execute(self._statements["repark"], *arguments)
                    count += 1
            await connection.execute(self._statements["forget_letter_answers"], self._quoted)
        return count

    async def _tried(self, step: Callable[[], Awaitable[Any]]) -> Any:
        """A step that lost a deadlock to a worker is repeated."""
        for attempt in range(1, TRIES + 1):
            try:
                return await step()
            except DatabaseUnavailable as error:
                if error.kind is not ErrorKind.CONTENTION or attempt == TRIES:
                    raise
                await asyncio.sleep(_CONTENTION_S * attempt)
        raise AssertionError("not reached")


async def unended(database: Database, players: list[str]) -> list[str]:
    """Matches without an end in which one of these players sits. Raises ``DatabaseUnavailable``."""
    async with database.chore() as (connection, _):
        rows = await connection.fetch(database.statements["unended_matches"], players)
    return [row["match_id"] for row in rows]


async def erase_letters(
    dead_letters: MessageQueue, *, player: str, pseudonym: str, started_ms: int, dry_run: bool
) -> int:
    """Exchange the dead letters that name the player for ones that do not; returns how many.

    What waits in the queue itself is stripped when it is stored. Raises ``QueueUnavailable``.
    """
    exchanged = left = 0

    async def act(found: Found) -> bool:
        nonlocal exchanged, left
        body = without_in_body(found.message.body, player, pseudonym)
        if body is None:
            return False
        exchanged += 1
        if dry_run:
            return False
        letter = Outgoing(body=body, attributes=found.message.attributes)
        if await dead_letters.send([letter]) or await dead_letters.delete([found.message]):
            left += 1
            return False
        return True

    await dlq.for_each(
        dead_letters,
        act,
        limit=dlq.SCAN_MAX,
        selection=Selection(),
        started_ms=started_ms,
        dry_run=False,
        pace=Pace(None),
    )
    if left:
        raise QueueUnavailable(f"{left} dead letters were not exchanged; repeat the command")
    return exchanged
