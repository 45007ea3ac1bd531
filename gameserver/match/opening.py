"""Kinds of matches; opens as many new ones of each as are wanted, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from gameserver.errors import JoinRefused
from gameserver.game.contract import AnyGame
from gameserver.match.runner import Runner
from gameserver.wire.to_client import ErrorCode


class Kind(NamedTuple):
    """What quick join asks for."""

    game: str
    mode: str


def kind_of(games: Mapping[str, AnyGame], name: str, mode: str) -> tuple[AnyGame, Kind]:
    """The game and the kind that a player names; without a mode it is the first. Raises
    ``JoinRefused``."""
    game = games.get(name)
    if game is None:
        raise JoinRefused(
            ErrorCode.UNKNOWN_GAME, f"there is no game {name!r}; there are {', '.join(games)}"
        )
    mode = mode or next(iter(game.modes))
    if mode not in game.modes:
        raise JoinRefused(
            ErrorCode.UNKNOWN_MODE,
            f"{game.name} has no mode {mode!r}; it has {', '.join(game.modes)}",
        )
    return game, Kind(game.name, mode)


class _Opening:
    """A match on its way, and how many of its seats are spoken for."""

    __slots__ = ("seats_free", "task")

    def __init__(self, task: asyncio.Task[Runner], seats: int) -> None:
        self.task = task
        self.seats_free = seats


class Openings:
    """Players who wait for a new match share it: a new one is begun only when the seats of those
    on their way are all spoken for, so 400 joins at once open 50 rooms of 8, side by side."""

    def __init__(self, create: Callable[[AnyGame, str], Coroutine[Any, Any, Runner]]) -> None:
        self._create = create
        self._by_kind: dict[Kind, list[_Opening]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_kind.values()))

    def has_room(self, kind: Kind) -> bool:
        """Whether one more player can wait without opening one more match."""
        return any(opening.seats_free for opening in self._by_kind.get(kind, ()))

    async def wait(self, game: AnyGame, kind: Kind) -> Runner:
        """A match that has just been opened; raises what ``create`` raised. Who is cancelled does
        not take the others' match away."""
        openings = self._by_kind.setdefault(kind, [])
        opening = next((one for one in openings if one.seats_free), None)
        if opening is None:
            task = asyncio.get_running_loop().create_task(self._create(game, kind.mode))
            opening = _Opening(task, game.modes[kind.mode].players_max)
            openings.append(opening)
            task.add_done_callback(lambda _: self._opened(kind, openings, opening))
        opening.seats_free -= 1
        return await asyncio.shield(opening.task)

    def _opened(self, kind: Kind, openings: list[_Opening], opening: _Opening) -> None:
        openings.remove(opening)
        if not openings and self._by_kind.get(kind) is openings:
            del self._by_kind[kind]
        if not opening.task.cancelled():
            opening.task.exception()  # Whoever waits raises it.

    async def cancel(self) -> None:
        """Give up what is on its way."""
        tasks = [opening.task for openings in self._by_kind.values() for opening in openings]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
