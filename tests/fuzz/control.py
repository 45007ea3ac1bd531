"""Players who behave: they are there all the while, and everything has to go well for them."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from gameserver.games.echo import EchoInput
from gameserver.wire import from_client, to_client
from gameserver.wire.codec import Format, encode_client
from gameserver.wire.to_client import ErrorCode
from tests.fuzz import frames
from tests.fuzz.link import ANSWER_S, MARK, Link
from tests.fuzz.live import Doors
from tests.wire.connect_vectors import KEY, request

EVERY_S = 0.05
TICKS = 3


class Control:
    """One connection in a match of ``echo`` that has to last. Use as ``async with``."""

    def __init__(self, doors: Doors, token: str, player: str) -> None:
        self._doors, self._token, self._player = doors, token, player
        self._chance = random.Random(1)
        self._wrong: list[str] = []
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._seq = 0
        self._pings: deque[float] = deque()
        self.tick = self.ack = -1

    async def __aenter__(self) -> Control:
        self._link = await self._join()
        self._task = asyncio.create_task(self._play(self._link))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._link is not None:
            await self._link.close()

    async def _join(self) -> Link:
        link = await Link.open(self._doors.host, self._doors.ws_port)
        headers = {
            "Host": "a",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
            "Authorization": f"Bearer {self._token}",
        }
        await link.send([request("/v1/play", headers)])
        answer = await link.answer()
        assert answer is not None and answer.status == 101, answer
        link.upgraded(Format.MSGPACK)
        assert await link.wait_for(to_client.Welcome)
        await link.send([self._frame(from_client.Join(ref=1, game="echo"))])
        assert await link.wait_for(to_client.Joined), link.closed
        return link

    def _frame(self, message: from_client.FromClient, data: EchoInput | None = None) -> bytes:
        payload = encode_client(message, Format.MSGPACK, data)
        return frames.frame(self._chance, frames.BINARY, payload)

    async def _play(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not link.ended:
            if loop.time() >= due:
                due = loop.time() + EVERY_S
                self._seq += 1
                ping = float(self._chance.randrange(2**50))
                self._pings.append(ping)
                message = from_client.Input(seq=self._seq, data=None)  # type: ignore[arg-type]
                move = EchoInput(x=self._seq % 1000)
                both = self._frame(message, move) + self._frame(from_client.Ping(ping))
                await link.send([both])
            await link.more(max(0.001, due - loop.time()))
            if (wrong := link.take_frames()) is not None:
                self._wrong.append(wrong)
            for message_ in link.messages:
                self._hear(message_)
            link.messages.clear()
            if MARK.search(link.heard):
                self._wrong.append("what another session sent has arrived")
            link.heard.clear()

    def _hear(self, message: to_client.ToClient) -> None:
        match message:
            case to_client.Snapshot() | to_client.Delta():
                self.tick = message.tick
                self.ack = max(message.acks, default=-1)
            case to_client.Pong():
                if not self._pings or self._pings.popleft() != message.sent:
                    self._wrong.append(f"a pong of somebody else: {message}")
            case to_client.Error(code=ErrorCode.TOO_MANY_INPUTS):
                pass  # A busy machine delivers several ticks' inputs at once.
            case to_client.Error() | to_client.Left():
                self._wrong.append(f"it was told {message}")
            case _:
                pass

    async def wrong(self) -> list[str]:
        """What has gone wrong for it since it was asked last: its snapshots have to go on, and its
        inputs to be applied."""
        tick, ack = self.tick, self.ack
        try:
            async with asyncio.timeout(ANSWER_S):
                while self._task is not None and not self._task.done():
                    if self.tick >= tick + TICKS and self.ack > ack:
                        break
                    await asyncio.sleep(EVERY_S)
        except TimeoutError:
            self._wrong.append(f"no snapshot for {ANSWER_S} s after tick {tick}")
        if self._link is not None and self._link.ended:
            self._wrong.append(f"its connection was closed: {self._link.closed}")
        found, self._wrong = self._wrong, []
        return found
