"""Rank and places around a player on boards of a million, against a plain count.

    python -m bench.leaderboard [--players N] [--out FILE]

Every call goes through ``gameserver.records.leaderboard`` to PostgreSQL; nothing is cached but the
pages that PostgreSQL itself keeps in memory. The peer counts higher scores in the same index, or
passes over an offset. Both are asked about the same random players in turn, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg

from bench import boards
from bench.boards import DISTRIBUTIONS, Times
from bench.database import circumstances, postgres
from gameserver.records.leaderboard import STATEMENTS
from persistence_worker.migrate import migrate

OUT = Path(__file__).parent / "results" / "leaderboard.md"
WRITER_S = 600.0  # it is ended before
LINES_MAX = 60


def quantile(times: list[float], q: float) -> float:
    """Of a list that is not empty: the next higher time."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def table(found: dict[str, list[Times]]) -> list[str]:
    """Markdown: one line for each board and call."""
    lines = [
        "| board | call | p50 ms | p99 ms | plain p50 ms | plain p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for name, calls in found.items():
        for times in calls:
            figures = [
                f"{quantile(of, q):.2f}" if of else "–"
                for of in (times.ours, times.naive)
                for q in (0.5, 0.99)
            ]
            shown = " | ".join(figures)
            lines.append(f"| {name} | {times.call} | {shown} |")
    return lines


async def explain(connection: Any, query: str, *arguments: Any) -> list[str]:
    """The plan and what it read; of the second call, when the pages are in memory."""
    analysed = f"EXPLAIN (ANALYZE, BUFFERS) {query}"
    await connection.fetch(analysed, *arguments)
    rows = await connection.fetch(analysed, *arguments)
    return ["```", *(row[0] for row in rows[:LINES_MAX]), "```"]


INSIDE = (
    "SELECT 1 + (SELECT coalesce(sum(players), 0) FROM board_bands "
    "WHERE board_id = $1 AND band > board_bucket($2) >> 7) "
    "+ (SELECT coalesce(sum(players), 0) FROM board_buckets "
    "WHERE board_id = $1 AND bucket > board_bucket($2) "
    "AND bucket < ((board_bucket($2) >> 7) + 1) << 7) "
    "+ (SELECT count(*) FROM board_scores "
    "WHERE board_id = $1 AND points > $2 AND points < board_bucket_floor(board_bucket($2) + 1))"
)
"""What ``board_rank`` does, with its plan in sight."""


async def plans(connection: Any, players: int) -> list[str]:
    """Of a player in the middle of the wide board."""
    board = boards.board("wide")
    key = boards.key(board)
    page = await connection.fetch(STATEMENTS["board_top"], *key, 1, players // 2)
    player, points = page[0]["player"], page[0]["points"]
    board_id = await connection.fetchval(
        "SELECT board_id FROM boards WHERE (game, mode, span, period) = ($1, $2, $3, $4)", *key
    )
    shown = [
        ("Rank", STATEMENTS["board_rank"], (*key, player)),
        ("Inside `board_rank()`", INSIDE, (board_id, points)),
        (f"Around ±{boards.NEAR}", STATEMENTS["board_around"], (*key, player, boards.NEAR)),
        ("The plain count", boards.NAIVE_RANK, (*key, player)),
    ]
    lines = [f"## Plans: rank {page[0]['rank']:,} of {players:,}"]
    for title, query, arguments in shown:
        lines += ["", f"### {title}", "", *await explain(connection, query, *arguments)]
    return lines


async def run(dsn: str, players: int) -> list[str]:
    """Fill, ask while nothing changes, ask while a worker writes; the report's lines."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    version = (await connection.fetchval("SHOW server_version")).split()[0]
    await boards.fill(connection, players)
    calm = {name: await boards.ask(connection, name, players, still=True) for name in DISTRIBUTIONS}
    shown = await plans(connection, players)
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.leaderboard", "--players", str(players), "--writer", dsn
    )
    try:
        busy = {
            name: await boards.ask(connection, name, players, still=False) for name in DISTRIBUTIONS
        }
    finally:
        writer.terminate()
        await writer.wait()
    results = await connection.fetchval("SELECT count(*) FROM results")
    span = "SELECT extract(epoch FROM max(applied_at) - min(applied_at)) FROM events"
    rate = float(results) / float(await connection.fetchval(span))
    await connection.close()
    return [
        f"# Leaderboards of {players:,} players",
        "",
        f"`python -m bench.leaderboard`, {circumstances(version)}",
        f"{boards.CALLS:,} calls of each kind about random players, of pages {boards.PAGE_CALLS}, "
        "one after the other on one connection; "
        f"{boards.NAIVE_CALLS} of them the plain way as well: a count of higher scores "
        "in the same index, or an offset.",
        "",
        *(f"- **{name}**: {told}" for name, (told, _) in DISTRIBUTIONS.items()),
        "",
        "## While nothing changes",
        "",
        *table(calm),
        "",
        f"## While a worker stores {rate:,.0f} results a second on all of these boards",
        "",
        *table(busy),
        "",
        *shown,
        "",
    ]


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--players", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--writer", metavar="DSN", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.writer:
        asyncio.run(boards.write(arguments.writer, arguments.players, seconds=WRITER_S))
        return
    with postgres() as service:
        service.ensure_database("boards")
        lines = asyncio.run(run(service.dsn("boards"), arguments.players))
    arguments.out.write_text("\n".join(lines))
    print("\n".join(line for line in lines if line.startswith(("|", "#"))))


if __name__ == "__main__":
    main()
