"""A client for the game server: one connection, one seat, over all interruptions::

    async with GameClient("ws://localhost:8080/v1/play", token=jwt) as client:
        await client.join("arena", "duel")
        async for happening in client:
            match happening:
                case Frame(view=view): client.input(decide(view))
                case Event(kind="kill"): ...
                case Left(reason=reason): break

    dial ─► Welcome ─► Join ─► Joined ─► play ─► Left
      ▲                                   │
      └────── backoff, resume ◄───────────┘ connection lost, Reconnect, close codes

It keeps the seat over lost connections, restarts of the server and ends of tokens; inputs that the
server has not taken are sent again. Everything happens on the event loop that made it.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from gameclient.clock import ServerClock
from gameclient.ending import Ending
from gameclient.happening import Event, Frame, Happening, Left, Lost, News
from gameclient.inputs import InputBuffer
from gameclient.link import Link, Ticket, Token
from gameclient.recovery import Next, after_refusal, backoff_s, wish_s
from gameserver.wire import from_client, to_client
from gameserver.wire.codec import Format, encode_value
from gameserver.wire.delta import ViewTracker
from gameserver.wire.to_client import ErrorCode

JOIN_ATTEMPTS_MAX = 5
INPUT_AGE_S_MAX = 1.5
"""In a game with ticks; an older wish is nobody's any more."""
INPUTS_RESENT_MAX = 8
TOLD_MAX = 200
"""Ids of notifications that are remembered."""


class JoinRefused(Exception):
    """There is no seat to be had; ``code`` and ``message`` are those of the server's ``Error``."""

    def __init__(self, error: to_client.Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.code = error.code
        self.message = error.message


class GameClient:
    """``async with`` opens it and keeps it open; iterate to hear what happens: ``Happening`` lists
    it. Raises ``Ended`` where the server wants the connection no more. Implements ``link.Owner``.

    ``token`` or ``ticket`` is the credential. ``view``: the game's ``View``, else views are dicts.
    ``tls``: a context for ``wss``, the system's by default. ``chance``: of the jitter.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        ticket: Ticket | None = None,
        format: Format = Format.MSGPACK,
        view: type[msgspec.Struct] | None = None,
        tls: ssl.SSLContext | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.joined: to_client.Joined | None = None
        self.frame: Frame | None = None
        self._chance = chance or random.Random()
        self._link = Link(
            url, self, token=token, ticket=ticket, format=format, tls=tls, chance=self._chance
        )
        self._format, self._view_type = format, view
        self._news = News()
        self._inputs = InputBuffer()
        self._views = ViewTracker(view, format=format)
        self._wish: from_client.Join | from_client.Watch | None = None
        self._answer: asyncio.Future[to_client.Joined] | None = None
        self._epoch = self._seq = 0
        self._joining = self._join_attempt = 0
        self._told: deque[str] = deque(maxlen=TOLD_MAX)
        decoder = msgspec.json.Decoder() if format is Format.JSON else msgspec.msgpack.Decoder()
        self._decode = decoder.decode

    async def __aenter__(self) -> Self:
        self._link.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # ── what a user does ─────────────────────────────────────────────────────────────────────

    @property
    def clock(self) -> ServerClock:
        """What time it is at the server, from pings."""
        return self._link.clock

    @property
    def welcome(self) -> to_client.Welcome | None:
        """``None`` while there is no connection."""
        return self._link.welcome

    @property
    def seated(self) -> bool:
        """Whether an input that is sent now reaches a match."""
        return self.joined is not None and not self._joining and self.welcome is not None

    async def join(
        self,
        game: str = "",
        mode: str = "",
        *,
        match: str = "",
        code: str = "",
        password: str = "",
    ) -> to_client.Joined:
        """Take a seat, as soon as that is possible. Raises ``JoinRefused``, and ``Ended`` where
        the server does not want the connection."""
        return await self._want(from_client.Join(0, game, mode, match, None, code, password))

    async def watch(self, match: str) -> to_client.Joined:
        """As ``join``, without a seat: see a match of others; ``seat`` is -1."""
        return await self._want(from_client.Watch(0, match))

    async def _want(self, wish: from_client.Join | from_client.Watch) -> to_client.Joined:
        if self.seated:  # one match at a time
            self._link.send(from_client.Leave(self._link.next_ref()))
        self._wish = wish
        self.joined = self.frame = None
        self._join_attempt = 0
        self._answer = asyncio.get_running_loop().create_future()
        if self.welcome is not None:
            self._send_join()
        return await self._answer

    def chat(self, text: str, *, team: bool = False) -> None:
        """Say a line to all, or to the own team. A refusal comes as an ``Error``."""
        self._link.send(from_client.Chat(self._link.next_ref(), text, team))

    def mute(self, player: str, *, muted: bool = True) -> None:
        """Hear no more of a player, or again."""
        self._link.send(from_client.Mute(self._link.next_ref(), player, muted))

    def vote(self, what: Literal["pause", "resume", "rematch"], *, yes: bool = True) -> None:
        """For or against a pause of the match, its end, or a rematch. A refusal comes as an
        ``Error``."""
        self._link.send(from_client.Vote(self._link.next_ref(), what, yes))

    def input(self, data: Any) -> int:
        """Send one input, a Struct or plain values; its number, or 0 where there is no seat.

        While a lost connection comes back it is kept, and sent then if it is not too old.
        """
        if self.joined is None or self.joined.seat < 0:
            return 0
        raw = encode_value(data, self._format)
        seq = self._inputs.push(raw, time.monotonic())
        if self.seated:
            self._link.send(from_client.Input(seq, raw))
        return seq

    def leave(self) -> None:
        """Give the seat up for good; ``Left`` follows."""
        self._wish = None
        if self.seated:
            self._link.send(from_client.Leave(self._link.next_ref()))
        self.joined = self.frame = None
        self._joining = 0

    async def close(self) -> None:
        """End the connection, and do not come back. The seat is kept for its grace period."""
        await self._link.close()
        self._news.end(None)

    def __aiter__(self) -> AsyncIterator[Happening]:
        return self

    async def __anext__(self) -> Happening:
        return await self._news.take()

    # ── link.Owner ───────────────────────────────────────────────────────────────────────────

    def welcomed(self) -> None:
        if self._wish is not None:
            self._send_join()
        else:
            self._link.settled()

    def lost(self, ending: Ending, wait_s: float) -> None:
        self._joining = 0
        self._news.put(Lost(ending.error, wait_s))

    def ended(self, error: Exception) -> None:
        self.joined = self._wish = None
        if not self._answered(error):
            self._news.end(error)

    def took(self, message: to_client.ToClient, now: float) -> None:
        match message:
            case to_client.Joined():
                self._seated(message, now)
            case to_client.Snapshot() | to_client.Delta():
                self._show(message)
            case to_client.Event():
                self._event(message)
            case to_client.Error():
                self._error(message)
            case to_client.Left():
                self._left(message)
            case to_client.Notification(id=told):
                if told not in self._told:
                    self._told.append(told)
                    self._news.put(message)
            case (
                to_client.Welcome()
                | to_client.Pong()
                | to_client.Refreshed()
                | to_client.Reconnect()
            ):
                raise AssertionError("the link takes these")
            case _:
                self._news.put(message)

    # ── the seat ─────────────────────────────────────────────────────────────────────────────

    def _send_join(self) -> None:
        wish, held = self._wish, self.joined
        assert wish is not None
        self._joining = self._link.next_ref()
        if held is not None and isinstance(wish, from_client.Join):
            resume = from_client.Resume(self._epoch, self._seq)
            wish = from_client.Join(0, held.game, held.mode, held.match, resume)
        self._views = ViewTracker(self._view_type, format=self._format)
        self._link.send(msgspec.structs.replace(wish, ref=self._joining))

    def _join_again(self) -> None:
        if self.welcome is not None and self._wish is not None:
            self._send_join()

    def _seated(self, message: to_client.Joined, now: float) -> None:
        if message.ref != self._joining:
            # No longer wanted.
            self._link.send(from_client.Leave(self._link.next_ref()))
            return
        held, self.joined = self.joined, message
        self._joining = self._join_attempt = 0
        self._link.settled()
        self._epoch, self._seq = message.epoch, message.seq
        if held is not None and (held.match, held.seat) == (message.match, message.seat):
            self._send_again(message, now)
        else:
            self._inputs.begin(message.input_seq)
        self._news.put(message)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    def _send_again(self, message: to_client.Joined, now: float) -> None:
        since_s = now - INPUT_AGE_S_MAX if message.tick_rate else float("-inf")
        count = INPUTS_RESENT_MAX if message.tick_rate else self._inputs.size_max
        for each in self._inputs.resume(message.input_seq, since_s=since_s, count_max=count):
            self._link.send(from_client.Input(each.seq, each.data))

    def _show(self, message: to_client.Snapshot | to_client.Delta) -> None:
        joined = self.joined
        if joined is None:
            return  # on its way while the seat was given up
        view = self._views.apply(message)
        self._epoch = message.epoch
        if 0 <= joined.seat < len(message.acks):
            self._inputs.acknowledge(message.acks[joined.seat])
        self.frame = Frame(
            epoch=message.epoch,
            tick=message.tick,
            server_ms=message.server_ms,
            acks=message.acks,
            view=view,
        )
        self._news.put(self.frame)

    def _event(self, message: to_client.Event) -> None:
        if self.joined is None or message.seq <= self._seq:
            return
        self._seq = message.seq
        self._news.put(
            Event(
                seq=message.seq,
                tick=message.tick,
                kind=message.kind,
                player=message.player,
                data=self._decode(message.data),
            )
        )

    def _error(self, message: to_client.Error) -> None:
        if message.code in (ErrorCode.BAD_INPUT, ErrorCode.TOO_MANY_INPUTS):
            self._inputs.refuse(message.ref)
        if not message.ref or message.ref != self._joining:
            self._news.put(message)
            return
        self._joining = 0
        held = self.joined
        what = after_refusal(message.code, fixed_match=True)
        waits = message.code is ErrorCode.MAINTENANCE and held is None
        self._join_attempt += not waits
        if what is Next.GIVE_UP or self._join_attempt > JOIN_ATTEMPTS_MAX:
            self._wish = self.joined = None
            if not self._answered(JoinRefused(message)) and held is not None:
                self._news.put(Left(held.match, "gone"))
            return
        wait_s = backoff_s(
            max(1, self._join_attempt),
            jitter=self._chance.random(),
            at_least_s=wish_s(message.code),
        )
        again = self._link.hang_up if what is Next.RECONNECT else self._join_again
        self._link.after("join", wait_s, again)

    def _answered(self, error: Exception) -> bool:
        """Whether somebody waits for a seat, who is told then."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_exception(error)
        return True

    def _left(self, message: to_client.Left) -> None:
        if not message.ref and message.reason == "moved" and self.joined is not None:
            # The match goes on elsewhere: ask for the seat again, from where we stand.
            self._link.after("join", self._chance.uniform(0.05, 0.25), self._join_again)
            return
        if not message.ref:
            self._wish = self.joined = self.frame = None
        self._news.put(Left(message.match, message.reason))
