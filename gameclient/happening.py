"""What a client tells its user, in the order in which it came."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

import msgspec

from gameserver.wire import to_client

WAITING_MAX = 4_096
"""Of events and other news; a user who does not look any more must not fill the memory."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The newest whole view; never changed later. ``acks[seat]``: the last input of that seat's
    player that is applied in it. ``server_ms``: when the tick ended, by the server's clock."""

    epoch: int
    tick: int
    server_ms: int
    acks: list[int]
    view: Any


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A key event, each once and in order; ``data`` are its fields."""

    seq: int
    tick: int
    kind: str
    player: str | None
    data: Any


class Left(NamedTuple):
    """The seat is gone. ``reason``: one of the protocol's, or ``gone`` for a match that could not
    be resumed."""

    match: str
    reason: str


class Lost(NamedTuple):
    """The connection is gone; it comes back by itself in ``retry_in_s``."""

    reason: str
    retry_in_s: float


Happening = (
    Frame
    | Event
    | Left
    | Lost
    | to_client.Joined
    | to_client.Error
    | to_client.Paused
    | to_client.Resumed
    | to_client.Matchmaking
    | to_client.Notification
    | to_client.Said
    | to_client.Muted
    | to_client.Voting
    | to_client.Rematch
)
"""``Joined`` comes for a resumed seat too."""


class Overrun(RuntimeError):
    """More than ``WAITING_MAX`` news waited for a user who did not take them."""


class News:
    """A queue in which a frame takes the place of one that nobody has looked at yet."""

    def __init__(self) -> None:
        self._waiting: deque[Happening] = deque()
        self._wake = asyncio.Event()
        self._ended: BaseException | None = None

    def put(self, happening: Happening) -> None:
        waiting = self._waiting
        if isinstance(happening, Frame) and waiting and isinstance(waiting[-1], Frame):
            waiting[-1] = happening
        elif len(waiting) < WAITING_MAX:
            waiting.append(happening)
        else:
            self.end(Overrun(f"{WAITING_MAX} news wait to be taken"))
        self._wake.set()

    def end(self, error: BaseException | None) -> None:
        """Nothing comes any more; whoever waits is told by ``error``, or that it is over."""
        self._ended = self._ended or error or StopAsyncIteration()
        self._wake.set()

    async def take(self) -> Happening:
        """The next one. Raises what it ended by."""
        while not self._waiting:
            if self._ended is not None:
                raise self._ended
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()
