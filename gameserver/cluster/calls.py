"""Questions between nodes that have nothing to do with a player's seat, and news for all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from gameserver.cluster import messages
from gameserver.errors import NodeSilent, Unavailable
from gameserver.matchmaking_ports import Handler, NodeCalls

logger = logging.getLogger(__name__)

ANSWER_S = 3.0
QUESTIONS_MAX = 256
"""Of this node that wait for an answer, and of others that are worked on here; more fail."""

Send = Callable[[str, messages.Message], None]


class Calls:
    """Implements ``matchmaking_ports.NodeCalls``. ``peers``: the names of the other nodes."""

    def __init__(
        self,
        *,
        node: str,
        send: Send,
        peers: Callable[[], set[str]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._node = node
        self._send = send
        self._peers = peers
        self._spawn = spawn
        self._handlers: dict[str, Handler] = {}
        self._open: dict[int, tuple[str, asyncio.Future[bytes]]] = {}
        self._numbers = 0
        self._working = 0

    def serve(self, topic: str, handler: Handler) -> None:
        """See ``matchmaking_ports.NodeCalls``."""
        self._handlers[topic] = handler

    async def call(self, node: str, topic: str, body: bytes) -> bytes:
        """See ``matchmaking_ports.NodeCalls``."""
        if node == self._node:
            return await self._handled(topic, body)
        if len(self._open) >= QUESTIONS_MAX:
            raise Unavailable("too many questions to other nodes are open")
        self._numbers += 1
        number = self._numbers
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._open[number] = (node, future)
        self._send(node, messages.Ask(number, topic, body))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await future
        except TimeoutError:
            raise NodeSilent(f"{node} has not answered about {topic}") from None
        finally:
            del self._open[number]

    def tell_all(self, topic: str, body: bytes) -> None:
        """See ``matchmaking_ports.NodeCalls``."""
        for node in sorted(self._peers()):
            self._send(node, messages.Note(topic, body))
        self._note(topic, body)

    def received(self, node: str, said: messages.Ask | messages.Reply | messages.Note) -> None:
        """``node`` has said so."""
        match said:
            case messages.Ask():
                if self._working >= QUESTIONS_MAX:
                    self._send(node, messages.Reply(said.number, "busy", b""))
                else:
                    self._working += 1
                    self._spawn(self._answer(node, said))
            case messages.Reply():
                asked, future = self._open.get(said.number, ("", None))
                if future is None or future.done() or asked != node:
                    return
                if said.error:
                    future.set_exception(Unavailable(f"{node}: {said.error}"))
                else:
                    future.set_result(said.body)
            case messages.Note():
                self._note(said.topic, said.body)

    async def _answer(self, node: str, asked: messages.Ask) -> None:
        try:
            reply = messages.Reply(asked.number, "", await self._handled(asked.topic, asked.body))
        except Unavailable as error:
            reply = messages.Reply(asked.number, str(error) or "unavailable", b"")
        finally:
            self._working -= 1
        self._send(node, reply)

    def _note(self, topic: str, body: bytes) -> None:
        if topic in self._handlers:
            self._spawn(self._noted(topic, body))

    async def _noted(self, topic: str, body: bytes) -> None:
        await self._handlers[topic](body)

    async def _handled(self, topic: str, body: bytes) -> bytes:
        handler = self._handlers.get(topic)
        if handler is None:
            raise Unavailable(f"nobody answers about {topic} here")
        return await handler(body)


async def ask_all(
    calls: NodeCalls, nodes: Iterable[str], topic: str, body: bytes
) -> tuple[list[bytes], list[str]]:
    """What ``nodes`` answer, asked side by side, and which of them do not."""
    asked = sorted(nodes)
    answers = await asyncio.gather(
        *(calls.call(node, topic, body) for node in asked), return_exceptions=True
    )
    given, silent = [], []
    for node, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Unavailable):
            silent.append(node)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            given.append(answer)
    return given, silent
