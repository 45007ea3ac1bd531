"""Boards of a million made at once, and the same questions put to them in two ways."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gameserver.records.leaderboard import Leaderboards
from gameserver.wire import event_record as wire
from persistence_worker.apply import PostgresSink
from persistence_worker.boards import Board, Span
from persistence_worker.intake import prepare
from persistence_worker.postgres import Database

CALLS = 2_000
PAGE_CALLS = 200
NAIVE_CALLS = 100
NEAR = 5
PAGE = 20
MODE = "bench"
PLAYERS_A_MATCH = 8
MATCHES_A_BATCH = 50

_NORMAL = "(sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))"
DISTRIBUTIONS = {
    "wide": (
        "log-normal around 1,000, two thirds from 220 to 4,500",
        f"1000 * exp(1.5 * {_NORMAL})",
    ),
    "alike": ("normal, 50,000 ± 1,500: all within a few percent", f"50000 + 1500 * {_NORMAL}"),
    "ties": ("geometric: half have 0, a quarter 1, …", "floor(-ln(1 - random()) / ln(2))"),
}
"""What a board is called: how its scores lie, and a score of that kind. All are whole numbers."""

_FILL = """
INSERT INTO board_scores (board_id, player_id, points)
SELECT $1, md5(n::text), round(({score})::numeric)::bigint * 1000
FROM generate_series(1, $2::integer) AS n
"""
_COUNTS = (
    "INSERT INTO board_buckets SELECT board_id, board_bucket(points), count(*) FROM board_scores "
    "WHERE board_id = $1 GROUP BY 1, 2",
    "INSERT INTO board_bands SELECT board_id, bucket >> 7, sum(players) "
    "FROM board_buckets WHERE board_id = $1 GROUP BY 1, 2",
)
_NAMES = (
    "INSERT INTO players SELECT md5(n::text), 'player ' || n, now(), now(), now(), 1 "
    "FROM generate_series(1, $1::integer) AS n"
)
NAIVE_RANK = """
SELECT player_id, points, (SELECT 1 + count(*) FROM board_scores AS other
                           WHERE other.board_id = own.board_id AND other.points > own.points)
FROM board_scores AS own
WHERE board_id = (SELECT board_id FROM boards WHERE (game, mode, span, period) = ($1, $2, $3, $4))
      AND player_id = $5
"""
NAIVE_PAGE = """
SELECT player_id FROM board_scores
WHERE board_id = (SELECT board_id FROM boards WHERE (game, mode, span, period) = ($1, $2, $3, $4))
ORDER BY points DESC, player_id DESC LIMIT $5 OFFSET $6
"""


class Times(msgspec.Struct, kw_only=True):
    """Of one kind of call, in milliseconds. ``naive``: of the plain count or offset."""

    call: str
    ours: list[float]
    naive: list[float]


def board(name: str) -> Board:
    """The one that ``fill`` made."""
    return Board(name, MODE, Span.ALL, "")


def key(of: Board) -> tuple[str, str, str, str]:
    """The first four arguments of every statement."""
    return of.game, of.mode, of.span.value, of.period


async def fill(connection: Any, players: int) -> None:
    """A board for each distribution, of the same players; then what autovacuum would do."""
    await connection.execute(_NAMES, players)
    for name, (_, score) in DISTRIBUTIONS.items():
        board_id = await connection.fetchval(
            "INSERT INTO boards (game, mode, span, period) VALUES ($1, $2, 'all', '') "
            "RETURNING board_id",
            name,
            MODE,
        )
        await connection.execute(_FILL.format(score=score), board_id, players)
        for statement in _COUNTS:
            await connection.execute(statement, board_id)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")


async def ask(connection: Any, name: str, players: int, *, still: bool) -> list[Times]:
    """Rank, around, and a page, about random players; if the board stands ``still``, now and then
    the plain way as well, and then both have to agree."""
    chance = random.Random(name)
    boards, of = Leaderboards(connection), board(name)
    times = [
        Times(call=call, ours=[], naive=[])
        for call in ("rank", f"around ±{NEAR}", f"page of {PAGE}")
    ]
    naive_rank = await connection.prepare(NAIVE_RANK)
    naive_page = await connection.prepare(NAIVE_PAGE)
    for n in range(CALLS):
        player, offset = player_id(chance.randrange(players)), chance.randrange(players)
        entry = await _timed(times[0].ours, boards.rank, of, player)
        around = await _timed(times[1].ours, boards.around, of, player, NEAR)
        if n % (CALLS // PAGE_CALLS):
            continue
        page = await _timed(times[2].ours, boards.top, of, PAGE, offset)
        if not still or n % (CALLS // NAIVE_CALLS):
            continue
        counted = await _timed(times[0].naive, naive_rank.fetchrow, *key(of), player)
        times[1].naive.append(times[0].naive[-1])  # the same count, and the neighbours besides
        passed = await _timed(times[2].naive, naive_page.fetch, *key(of), PAGE, offset)
        assert entry.rank == counted[2], (entry, counted)
        assert entry in around
        assert [each.player for each in page] == [row[0] for row in passed]
    return times


def player_id(number: int) -> str:
    """As ``fill`` names its players."""
    return hashlib.md5(str(number + 1).encode()).hexdigest()


async def _timed(into: list[float], call: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    began = time.perf_counter()
    answer = await call(*arguments)
    into.append((time.perf_counter() - began) * 1000)
    return answer


async def write(dsn: str, players: int, *, seconds: float) -> float:
    """Store ends of matches as a worker does, on all boards; results a second."""
    database = await Database.open(
        dsn, connections_max=1, timeout_s=60, connect_s=5, statement_cache=100
    )
    sink = PostgresSink(database, jitter=random.random)
    chance, matches = random.Random(1), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        batch = [_end(matches + n, players, chance) for n in range(MATCHES_A_BATCH)]
        await sink.apply([prepare(raw) for raw in batch])
        matches += MATCHES_A_BATCH
    spent = time.perf_counter() - began
    await database.close()
    return matches * PLAYERS_A_MATCH / spent


def _end(number: int, players: int, chance: random.Random) -> bytes:
    playing = chance.sample(range(players), PLAYERS_A_MATCH)
    standings = [
        wire.Place(player=player_id(one), place=1 + n, score=float(chance.randrange(40)))
        for n, one in enumerate(playing)
    ]
    fact = wire.MatchEnded(reason="finished", ticks=1, duration_ms=1, standings=standings)
    match = f"w{number}"
    return wire.encode_record(
        wire.EventRecord(
            id=f"{match}/1",
            match=match,
            seq=1,
            epoch=1,
            tick=1,
            game=chance.choice(list(DISTRIBUTIONS)),
            mode=MODE,
            kind=wire.MATCH_ENDED,
            player=None,
            at_ms=1_760_000_000_000,
            data=msgspec.to_builtins(fact),
        )
    )
