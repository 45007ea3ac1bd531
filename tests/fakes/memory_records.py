"""Match history and leaderboards in memory: ``records.port.History`` and ``Boards``."""

from __future__ import annotations

from gameserver.records.board import Board
from gameserver.records.leaderboard import Entry
from gameserver.records.port import Participant, Played, Result


def played(match: str, joined_us: int, **differs: object) -> Played:
    fields: dict[str, object] = {
        "match": match,
        "game": "arena",
        "mode": "quick",
        "joined_us": joined_us,
        "started_ms": 1_000,
        "ended_ms": 2_000,
        "duration_ms": 1_000,
        "reason": "finished",
        "seat": 0,
        "left_ms": None,
        "leave_reason": None,
        "place": 1,
        "score": 5.0,
    }
    return Played(**fields | differs)  # type: ignore[arg-type]


class MemoryRecords:
    """``failure`` is raised by every method."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.played: list[Played] = []
        self.results: dict[str, Result] = {}
        self.boards: dict[Board, list[Entry]] = {}
        self.reads = 0

    async def matches_of(
        self, player: str, *, game: str, mode: str, before: tuple[int, str] | None, limit: int
    ) -> list[Played]:
        self._read()
        found = [
            one
            for one in self.played
            if (not game or one.game == game)
            and (not mode or one.mode == mode)
            and (before is None or (one.joined_us, one.match) < before)
        ]
        return sorted(found, key=lambda one: (one.joined_us, one.match), reverse=True)[:limit]

    async def result(self, match: str) -> Result | None:
        self._read()
        return self.results.get(match)

    async def newest(self, game: str, mode: str, span: str) -> str | None:
        self._read()
        periods = [
            board.period
            for board in self.boards
            if (board.game, board.mode, board.span) == (game, mode, span)
        ]
        return periods[-1] if periods else None

    async def top(self, board: Board, places: int, offset: int) -> tuple[list[Entry], int]:
        self._read()
        entries = self.boards.get(board, [])
        return entries[offset : offset + places], len(entries)

    async def around(self, board: Board, player: str, places: int) -> list[Entry]:
        self._read()
        entries = self.boards.get(board, [])
        for index, entry in enumerate(entries):
            if entry.player == player:
                return entries[max(0, index - places) : index + places + 1]
        return []

    async def rank(self, board: Board, player: str) -> Entry | None:
        self._read()
        found = (entry for entry in self.boards.get(board, []) if entry.player == player)
        return next(found, None)

    def _read(self) -> None:
        self.reads += 1
        if self.failure is not None:
            raise self.failure


def result(match: str, player: str, name: str | None) -> Result:
    return Result(
        match=match,
        game="arena",
        mode="quick",
        players_max=8,
        started_ms=1_000,
        ended_ms=2_000,
        reason="finished",
        ticks=20,
        duration_ms=1_000,
        result='{"kills":5}',
        players=[
            Participant(
                player=player,
                name=name,
                seat=0,
                left_ms=None,
                leave_reason=None,
                place=1,
                score=5.0,
            )
        ],
    )
