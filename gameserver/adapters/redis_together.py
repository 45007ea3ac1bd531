"""What a node asks of Redis at the same moment, in one round trip.

    heartbeat ─┐
    bans ──────┤ one turn of the loop    one write, one connection    each its own answer
    queues ────┘

A call by itself takes redis-py's way through pool, limits and wake-ups, which costs several times
what one command more does; and whatever is asked every so often is asked at moments that the
rounds of a node share (``rounds.shared``). In a cluster every call goes by itself: see
``redis_client``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from redis.exceptions import ResponseError

from gameserver.adapters.redis_client import FAILURES, Client
from gameserver.adapters.redis_connection import DirectRedis, Pool, SoundConnection

Argument = bytes | str | int
Asked = tuple[Sequence[Argument], asyncio.Future[Any]]


class Together:
    """Calls of one client, which somebody else closes. A failed pipeline fails all of them; each
    raises redis-py's errors, as if it were alone."""

    __slots__ = ("_asked", "_client", "_under_way")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked: list[Asked] = []
        self._under_way: set[asyncio.Task[None]] = set()

    def call(self, *command: Argument) -> asyncio.Future[Any]:
        """Its answer, as ``execute_command`` of the client gives it."""
        loop = asyncio.get_running_loop()
        if not isinstance(self._client, DirectRedis):
            return loop.create_task(cast(Any, self._client).execute_command(*command))
        if not self._asked:
            # One turn later, so that those come along who ask by a task of their own.
            loop.call_soon(loop.call_soon, self._send)
        future: asyncio.Future[Any] = loop.create_future()
        self._asked.append((command, future))
        return future

    async def in_order(self, *commands: Sequence[Argument]) -> list[Any]:
        """The answers to commands of which each sees what the one before has written."""
        if isinstance(self._client, DirectRedis):
            return await asyncio.gather(*(self.call(*command) for command in commands))
        return [await self.call(*command) for command in commands]

    def execute_command(self, *command: Argument) -> asyncio.Future[Any]:
        """For ``Script.call``."""
        return self.call(*command)

    def eval(self, *given: Argument) -> asyncio.Future[Any]:
        """For ``Script.call``."""
        return self.call("EVAL", *given)

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        task = asyncio.get_running_loop().create_task(self._exchange(asked))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _exchange(self, asked: Sequence[Asked]) -> None:
        try:
            answers = await self._answers([command for command, _ in asked])
        except BaseException as error:
            # Nobody is left waiting, and a defect is not taken for the end of a task.
            for _, future in asked:
                if isinstance(error, Exception) and not future.done():
                    future.set_exception(error)
                future.cancel()
            if isinstance(error, Exception):
                return
            raise
        for (_, future), answer in zip(asked, answers, strict=True):
            if future.done():
                continue  # Its caller has given up.
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def _answers(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """For each its answer or its error. Without redis-py's ``Pipeline``, which costs as much
        again as all the rest."""
        pool = cast(Pool, cast(Any, self._client).connection_pool)
        try:
            connection = pool.take()
            if connection is None:
                connection = cast(SoundConnection, await cast(Any, pool).get_connection())
            try:
                answers = await connection.ask_all(commands)
            finally:
                await pool.give_back(connection)
        except FAILURES as error:
            return [error] * len(commands)
        return [self._formed(*pair) for pair in zip(commands, answers, strict=True)]

    def _formed(self, command: Sequence[Argument], answer: Any) -> Any:
        if isinstance(answer, ResponseError):
            return answer
        form = cast(Any, self._client).response_callbacks.get(str(command[0]))
        return answer if form is None else form(answer)
