"""Leaderboards for many readers: what PostgreSQL is asked is shared by all nodes for a moment.

HTTP API ─► CachedBoards ─► cache (names as they are stored) ─► PostgreSQL
                 └─► names opened, behind the cache: it holds none that are readable
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from gameserver.cache.port import KEY_CHARS_MAX, Cache
from gameserver.cache.typed import Cached
from gameserver.records.board import Board
from gameserver.records.leaderboard import Entry
from gameserver.records.port import Boards, Names, StoredName


class Page(msgspec.Struct, frozen=True, array_like=True):
    """As much of a board as was asked for, and how many players it has."""

    entries: list[Entry]
    total: int


class Period(msgspec.Struct, frozen=True, array_like=True):
    """``None``: the board has none yet."""

    name: str | None


class CachedBoards:
    """Implements ``records.port.Boards``; ``ttl_ms``: how old an answer may be."""

    def __init__(self, boards: Boards, cache: Cache, names: Names, *, ttl_ms: int) -> None:
        self._boards = boards
        self._names = names
        self._pages = Cached(cache, "board.1", Page, ttl_ms=ttl_ms)
        self._periods = Cached(cache, "period.1", Period, ttl_ms=ttl_ms)

    async def newest(self, game: str, mode: str, span: str) -> str | None:
        """See ``Boards``."""

        async def load() -> Period:
            return Period(await self._boards.newest(game, mode, span))

        found = await self._periods.get_or_load(_key(game, mode, span), load)
        return None if found is None else found.name

    async def top(self, board: Board, places: int, offset: int) -> tuple[list[Entry], int]:
        """See ``Boards``."""

        async def load() -> Page:
            return Page(*await self._boards.top(board, places, offset))

        page = await self._page(f"t{places}+{offset}", board, load)
        return page.entries, page.total

    async def around(self, board: Board, player: str, places: int) -> list[Entry]:
        """See ``Boards``."""

        async def load() -> Page:
            return Page(await self._boards.around(board, player, places), 0)

        return (await self._page(f"a{places}:{player}", board, load)).entries

    async def rank(self, board: Board, player: str) -> Entry | None:
        """See ``Boards``."""

        async def load() -> Page:
            entry = await self._boards.rank(board, player)
            return Page([] if entry is None else [entry], 0)

        return next(iter((await self._page(f"r:{player}", board, load)).entries), None)

    async def _page(self, what: str, board: Board, load: Callable[[], Awaitable[Page]]) -> Page:
        key = f"{_key(board.game, board.mode, board.span, board.period)}/{what}"
        # A key that the cache does not take is one that nobody else asks for either.
        found = await self._pages.get_or_load(key, load) if _fits(key) else await load()
        page = found or Page([], 0)
        return Page(await self._opened(page.entries), page.total)

    async def _opened(self, entries: Sequence[Entry]) -> list[Entry]:
        names = await self._names.opened(
            [StoredName(entry.name, entry.named_by) for entry in entries]
        )
        return [
            msgspec.structs.replace(entry, name=name)
            for entry, name in zip(entries, names, strict=True)
        ]


def _key(*parts: str) -> str:
    return "/".join(_quoted(part) for part in parts)


def _quoted(part: str) -> str:
    """Without a slash, so that no two boards have one key."""
    return part.replace("%", "%25").replace("/", "%2F")


def _fits(key: str) -> bool:
    return len(key) + len("board.1:") <= KEY_CHARS_MAX
