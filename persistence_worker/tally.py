"""Counts matches that have ended: players, ratings, boards.

    stored events ─► matches, results ─► claim (``tallied``) ─► players ─► ratings ─► boards
    (a batch)        same transaction    (a group of batches) same transaction

A match is counted by whoever sets ``matches.tallied``, and never again: not when its end is
delivered once more, nor after its events were dropped. That is a transaction of its own, after the
events', and ``Counter`` puts several batches into one: the rows of boards that everyone changes are
then locked seldom and shortly. A batch is not finished before it is counted, so that a message
whose worker died in between comes again, and its matches are claimed then. Workers of revisions
0001 and 0002 leave ``tallied`` unset; ``catch_up`` counts what they stored.

All transactions take their locks in one order: events, matches, players (all of a transaction in
one statement, by id), boards, bands and buckets. Whoever holds a player's row alone reads and
writes what is told of the player.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gameserver.wire import event_record as wire
from persistence_worker import boards, ratings
from persistence_worker.boards import Result, Rules
from persistence_worker.erased import Erased
from persistence_worker.erasure import is_pseudonym
from persistence_worker.intake import Event
from persistence_worker.players import Sighting, players, sightings
from persistence_worker.postgres import Database

Connection = Any  # asyncpg's pool hands out a proxy that its stubs type apart from Connection
Statements = Mapping[str, str]


class Counter:
    """Counts for all batches of one worker, one group after the other. ``rules`` say which boards
    there are."""

    def __init__(self, database: Database, rules: Rules, erased: Erased) -> None:
        self._database = database
        self._rules = rules
        self._erased = erased
        self._lock = asyncio.Lock()
        self._waiting: dict[int, Sequence[Event]] = {}
        self._tickets = itertools.count()

    async def count(self, facts: Sequence[Event]) -> None:
        """Count what stored events tell, whether they are new or not; their matches and results
        are stored already. Returns when that is committed, with what others have asked for.

        Raises what ``Database.transaction`` raises, what PostgreSQL states, and ``ArithmeticError``
        of the ratings; then nothing is counted, and others go on without these.
        """
        if not facts:
            return
        ticket = next(self._tickets)
        self._waiting[ticket] = facts
        async with self._lock:
            if ticket not in self._waiting:
                return
            group = dict(self._waiting)
            try:
                await self.count_alone([event for each in group.values() for event in each])
            except BaseException:
                del self._waiting[ticket]
                raise
            for done in group:
                self._waiting.pop(done, None)

    async def count_alone(self, facts: Sequence[Event]) -> None:
        """As ``count``, without the others."""
        ended = sorted({one.record.match for one in facts if isinstance(one.fact, wire.MatchEnded)})
        async with self._database.transaction() as connection:
            statements = self._database.statements
            # Anew: a player may have been erased since the events were stored.
            kept = await self._erased.left_out(connection, list(facts))
            rows = await connection.fetch(statements["claim_matches"], ended) if ended else []
            await _count(connection, statements, self._rules, sightings(kept), _results(rows))


async def catch_up(
    connection: Connection, statements: Statements, rules: Rules, matches_max: int
) -> int:
    """Count up to ``matches_max`` ended matches that are not; returns how many were found."""
    # Read later; locked now, because everyone takes events before matches. The other one is for
    # whoever erases a player: ids read here are written below.
    await connection.execute("LOCK TABLE erased_players, events IN ACCESS SHARE MODE")
    rows = await connection.fetch(statements["claim_next_matches"], matches_max)
    found = sorted({row["match_id"] for row in rows})
    if found:
        seen = await _seen(connection, statements, found)
        await _count(connection, statements, rules, seen, _results(rows))
    return len(found)


async def see(connection: Connection, statements: Statements, matches: Sequence[str]) -> None:
    """Tell ``players`` who came and left in stored matches; counts nothing."""
    seen = await _seen(connection, statements, matches)
    await _count(connection, statements, Rules(), seen, [])


async def _seen(
    connection: Connection, statements: Statements, matches: Sequence[str]
) -> list[Sighting]:
    rows = await connection.fetch(statements["sightings"], matches)
    return [msgspec.convert(dict(row), Sighting) for row in rows]


def _results(rows: Iterable[Any]) -> list[Result]:
    return [
        Result(
            match=row["match_id"],
            game=row["game"],
            mode=row["mode"],
            ended_at_ms=row["ended_at_ms"],
            player=row["player"],
            place=row["place"],
            score=row["score"],
        )
        for row in rows
        if row["player"] is not None  # a match without standings
    ]


async def _count(
    connection: Connection,
    statements: Statements,
    rules: Rules,
    seen: Sequence[Sighting],
    results: Sequence[Result],
) -> None:
    seen = [one for one in seen if not one.player.startswith(wire.BOT_ID)]
    results = [one for one in results if not one.player.startswith(wire.BOT_ID)]
    rows = sorted(players(seen, results).items())
    if rows:
        columns = _columns((player, *msgspec.structs.astuple(row)) for player, row in rows)
        await connection.execute(statements["merge_players"], *columns)
    if results:
        await _rate(connection, statements, results)
        await _score(connection, statements, rules, results)


async def _rate(connection: Connection, statements: Statements, results: Sequence[Result]) -> None:
    keys = sorted({(result.player, result.game, result.mode) for result in results})
    stored = await connection.fetch(statements["ratings"], *_columns(keys))
    known = {tuple(row)[:3]: (row["mu"], row["sigma"]) for row in stored}
    changes = ratings.rate(results, known)
    if not changes:
        return
    counts = collections.Counter(change.key for change in changes)
    latest = sorted({change.key: change.after for change in changes}.items())
    rated = _columns((*key, *after, counts[key]) for key, after in latest)
    await connection.execute(statements["merge_ratings"], *rated)
    told = _columns(
        (change.match, *change.key, change.place, *change.before, *change.after)
        for change in changes
    )
    await connection.execute(statements["insert_rating_changes"], *told)


async def _score(
    connection: Connection, statements: Statements, rules: Rules, results: Sequence[Result]
) -> None:
    counted = [result for result in results if not is_pseudonym(result.player)]
    gains = sorted(boards.gains(counted, rules).items())
    if not gains:
        return
    listed = _columns(msgspec.structs.astuple(board) for board, _ in gains)
    await connection.execute(statements["add_boards"], *listed)
    for best in (False, True):
        rows = [
            (number, player, gain)
            for number, (board, players) in enumerate(gains, 1)
            if (board.game in rules.best) is best
            for player, gain in players.items()
        ]
        if rows:
            await connection.execute(statements["merge_scores"], *listed, *_columns(rows), best)


def _columns(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
