"""Bots that play the arena over real WebSockets, so that a page is not alone."""

from __future__ import annotations

import asyncio
import contextlib

from gameclient import Ended, Frame, GameClient, Left
from gameserver.devstack.moto import Cognito
from gameserver.devstack.tokens import bot_name, bot_player
from gameserver.games.arena import Arena
from gameserver.games.bots import ArenaBot
from gameserver.ids import PlayerId


class Bots:
    """``call`` some; ``close`` ends all."""

    def __init__(self, ws_url: str, cognito: Cognito) -> None:
        self._ws_url, self._cognito = ws_url, cognito
        self._tasks: set[asyncio.Task[None]] = set()
        self.called = 0
        self._seated: dict[int, asyncio.Event] = {}

    def call(self, count: int, *, game: str, mode: str) -> None:
        for _ in range(count):
            self.called += 1
            task = asyncio.create_task(self._play(self.called, game, mode))
            self._tasks.add(task)

    async def seated(self, index: int) -> None:
        """Wait until bot number ``index`` has a seat."""
        await self._seated.setdefault(index, asyncio.Event()).wait()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _play(self, index: int, game: str, mode: str) -> None:
        player = bot_player(index)
        token = self._cognito.token(player, username=bot_name(index))
        brain = ArenaBot(index)
        with contextlib.suppress(Ended):
            async with GameClient(self._ws_url, token=token, view=Arena.View) as client:
                seat = (await client.join(game, mode)).seat
                self._seated.setdefault(index, asyncio.Event()).set()
                async for happening in client:
                    match happening:
                        case Frame(view=view):
                            move = brain.decide(view, PlayerId(player), seat)
                            if move is not None:
                                client.input(move)
                        case Left():
                            return
