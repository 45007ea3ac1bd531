"""Questions to owners, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gameserver import spans
from gameserver.cluster import messages
from gameserver.errors import JoinRefused
from gameserver.ports import Identity
from gameserver.wire import from_client
from gameserver.wire.to_client import ErrorCode

ANSWER_S = 1.0

Send = Callable[[str, messages.Message], None]


class Arrival:
    """An answer, and what came right behind it: whoever asked runs a turn of the loop later, and
    must not miss what is told in between."""

    __slots__ = ("channel", "frame", "gone", "joined", "link", "missed")

    def __init__(self, answer: messages.JoinAnswer, channel: str) -> None:
        self.channel = channel
        self.link = answer.link
        self.joined = answer.joined
        self.missed = list(answer.missed)
        self.frame = answer.frame
        self.gone = False


class Desk:
    """At most one question of a link is open at a time."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._open: dict[int, tuple[str, asyncio.Future[Arrival], bool]] = {}
        self._arrivals: dict[int, tuple[str, Arrival]] = {}

    async def ask(
        self, owner: str, link: int, request: from_client.Entry, identity: Identity
    ) -> Arrival:
        """Raises ``JoinRefused``, or ``TimeoutError`` after ``ANSWER_S``."""
        future: asyncio.Future[Arrival] = asyncio.get_running_loop().create_future()
        watching = isinstance(request, from_client.Watch)
        self._open[link] = question = owner, future, watching
        if isinstance(request, from_client.Watch):
            self._send(owner, messages.AskWatch(link, request, identity))
        else:
            wanted = messages.SeatWanted.of(request)
            self._send(owner, messages.AskJoin(link, wanted, identity, spans.current()))
        try:
            async with asyncio.timeout(ANSWER_S):
                arrival = await future
        except (TimeoutError, asyncio.CancelledError):
            self._send(owner, messages.LetGo(link))
            raise
        finally:
            if self._open.get(link) is question:
                del self._open[link]
            self._arrivals.pop(link, None)
        if arrival.gone:
            raise JoinRefused(ErrorCode.MATCH_ELSEWHERE, "the seat was gone at once; try again")
        return arrival

    def answered(self, node: str, said: messages.JoinAnswer | messages.JoinRefusal) -> None:
        """``node`` has answered; a former owner may do so when another one has been asked."""
        asked, future, watching = self._open.get(said.link, ("", None, False))
        if future is None or future.done() or asked != node:
            if isinstance(said, messages.JoinAnswer):
                self._send(node, messages.LetGo(said.link))  # Nobody waits for it any more.
        elif isinstance(said, messages.JoinAnswer):
            arrival = Arrival(said, messages.channel(said.joined.match, watching=watching))
            self._arrivals[said.link] = (node, arrival)
            future.set_result(arrival)
        else:
            future.set_exception(JoinRefused(ErrorCode(said.code), said.message))

    def overheard(
        self,
        node: str,
        said: messages.Tell | messages.TellOne | messages.ShowFrame | messages.SeatGone,
    ) -> None:
        """What a match says right behind its answer."""
        for sender, arrival in self._arrivals.values():
            if sender != node:
                continue
            match said:
                case messages.SeatGone():
                    arrival.gone = arrival.gone or said.link == arrival.link
                case messages.Tell() if said.match == arrival.channel:
                    arrival.missed.append(said.payload)
                case messages.TellOne() if said.link == arrival.link:
                    arrival.missed.append(said.payload)
                case messages.ShowFrame() if said.match == arrival.channel:
                    if said.link in (0, arrival.link):
                        arrival.frame = said.frame
                case _:
                    pass
