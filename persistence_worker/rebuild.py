"""Counts everything anew: players, ratings and boards from the matches and events stored."""

from __future__ import annotations

from persistence_worker.boards import Rules
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.postgres import DATABASE_ERRORS, Database, kind_of, told
from persistence_worker.tally import catch_up, see

MATCHES_AT_ONCE = 500

_TOLD = (
    "rating_changes",
    "ratings",
    "board_scores",
    "board_buckets",
    "board_bands",
    "boards",
    "players",
)


async def rebuild(database: Database, rules: Rules) -> int:
    """Forget what was told of players and count all matches in the order of their ends; returns
    how many. One transaction: readers see the old state until it is done, workers wait.

    Raises ``DatabaseUnavailable``; then nothing has changed.
    """
    statements, count, last = database.statements, 0, ""
    try:
        async with database.transaction() as connection:
            # In the order in which workers lock rows of them.
            await connection.execute("LOCK TABLE erased_players, events IN ACCESS SHARE MODE")
            await connection.execute("LOCK TABLE matches IN EXCLUSIVE MODE")
            await connection.execute("LOCK TABLE players IN EXCLUSIVE MODE")
            for table in _TOLD:
                await connection.execute(f"DELETE FROM {table}")
            await connection.execute(statements["forget_tallies"])
            while found := await catch_up(connection, statements, rules, MATCHES_AT_ONCE):
                count += found
            # Matches that have not ended are seen, but not counted.
            query = statements["untallied_participants"]
            while rows := await connection.fetch(query, last, MATCHES_AT_ONCE):
                await see(connection, statements, [row["match_id"] for row in rows])
                last = rows[-1]["match_id"]
    except DATABASE_ERRORS as error:
        raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error
    return count
