"""Counts matches that have ended: players, ratings, boards. In the transaction of their events.

    newly inserted events ─► matches, results ─► claim (``tallied``) ─► players ─► ratings ─► boards

A match is counted by whoever sets ``matches.tallied``, and never again: not when its end is
delivered once more, nor after its events were dropped. Workers of revisions 0001 and 0002 leave it
unset; ``catch_up`` counts what they stored.

All transactions take their locks in one order: events, matches, players (all of a transaction in
one statement, by id), boards, bands and buckets. Whoever holds a player's row alone reads and
writes what is told of the player.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gameserver.wire import event_record as wire
from persistence_worker import boards, ratings
from persistence_worker.boards import Result, Rules
from persistence_worker.erasure import is_pseudonym
from persistence_worker.intake import Event
from persistence_worker.players import Sighting, players, sightings

Connection = Any  # asyncpg's pool hands out a proxy that its stubs type apart from Connection
Statements = Mapping[str, str]


async def tally(
    connection: Connection, statements: Statements, rules: Rules, fresh: Sequence[Event]
) -> None:
    """Count what newly stored events tell; their matches and results are stored already."""
    ended = {event.record.match for event in fresh if isinstance(event.fact, wire.MatchEnded)}
    rows = await connection.fetch(statements["claim_matches"], sorted(ended)) if ended else []
    await _count(connection, statements, rules, sightings(fresh), _results(rows))


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
    counts = Counter(change.key for change in changes)
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
    listed = sorted({msgspec.structs.astuple(board) for (board, _), _ in gains})
    await connection.execute(statements["add_boards"], *_columns(listed))
    for best in (False, True):
        rows = [
            (*msgspec.structs.astuple(board), player, gain)
            for (board, player), gain in gains
            if (board.game in rules.best) is best
        ]
        if rows:
            await connection.execute(statements["merge_scores"], *_columns(rows), best)


def _columns(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
