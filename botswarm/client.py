"""One bot: what a well-behaved client of the protocol does, over and over.

    dial ─► Welcome ─► Join ─► Joined ─► play ─► Left ─► Join …
      ▲                                   │
      └────── backoff, resume ◄───────────┘ connection lost, Reconnect, close codes

It has no task of its own: the connection calls it with messages, the wheel when time has come.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from botswarm.phase import OVERDUE, Phase
from botswarm.pinger import Pinger
from botswarm.play import OfMatch, Play, Playing, Table
from botswarm.verify import check_joined
from botswarm.wheel import Timer
from gameclient.connection import Connection
from gameclient.ending import Ending
from gameclient.recovery import Next, after_close, after_refusal, backoff_s, wish_s
from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import BadMessage, Format, decode_server, encode_client
from gameserver.wire.to_client import ErrorCode

ANSWER_S = 10.0
"""A connect, handshake, ``Welcome``, ``Joined`` or ``Pong`` that takes longer is a timeout."""
RECONNECT_S_MAX = 60.0


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What a bot asks of its process. ``dial`` makes it a connection, which calls
    its ``connected``, or calls its ``connect_failed``; ``done`` hears that it will do no more."""

    time: Callable[[], float]
    dial: Callable[[Bot], None]
    done: Callable[[Bot], None]


class Bot:
    """One player with one token. Implements ``connection.Listener`` and ``pinger.Line``."""

    def __init__(
        self, table: Table, host: Host, *, number: int, token: str, polled: bool = False
    ) -> None:
        """``polled``: read its socket as ``botswarm.reading`` says, while it plays."""
        self.token = token
        self.phase = Phase.IDLE
        self._table = table
        self._host = host
        self._stats = table.stats
        self._settings = table.settings
        self._wheel = table.wheel
        self._format = table.settings.format
        self._number = number
        self._polled = polled
        self._brain = table.brains.make(number)
        self._heads_only = not self._brain.needs_view and self._format is Format.MSGPACK
        self._chance = random.Random(f"{table.settings.seed}/{number}")
        self.mask = self._chance.randbytes(4)
        self._connection: Connection | None = None
        self._opened = False
        self._finishing = False
        self._attempt = 0
        self._dialed_at = 0.0
        self._reconnect_at = 0.0
        self._player = ""
        self._ref = 0
        # While ``PLAYING`` the match at hand; otherwise one to come back to, if any.
        self._play: Play | None = None
        self._watch = Timer(self._late)
        self._pinger = Pinger(
            self, wheel=self._wheel, stats=self._stats, chance=self._chance, answer_s=ANSWER_S
        )
        self._then: Callable[[float], None] = self._dial

    # ── from outside ─────────────────────────────────────────────────────────────────────────

    def start(self, now: float) -> None:
        """Connect for the first time."""
        if self.phase is Phase.IDLE:
            self._dial(now)

    def connected(self, connection: Connection) -> None:
        """The TCP connection stands; the handshake is under way."""
        self._connection = connection
        if self.phase is Phase.DIALING:
            self._wheel.set(self._watch, self._host.time() + ANSWER_S)
        else:
            connection.abort()

    def connect_failed(self, kind: str) -> None:
        """There will be no connection."""
        if self.phase is Phase.DIALING:
            self._stats.error(kind)
            self._retry_dial()

    def at_play(self) -> Playing | None:
        """While it plays; what a scenario gets hold of."""
        if self.phase is not Phase.PLAYING or self._play is None or self._connection is None:
            return None
        return Playing(self._connection, self._play, self._pinger)

    def finish(self) -> None:
        """Stop when the match that is being played has ended, or now without one."""
        self._finishing = True
        if self.phase is not Phase.PLAYING:
            self.stop()

    def stop(self) -> None:
        """Leave the match, close the connection, be done."""
        if self.phase in (Phase.DONE, Phase.CLOSING):
            return
        if self.phase is Phase.PLAYING:
            self._send(from_client.Leave(self._next_ref()))
        self._hang_up()

    # ── connection.Listener ──────────────────────────────────────────────────────────────────

    def opened(self, now: float) -> None:
        self._stats.handshakes += 1
        self._stats.connected += 1
        self._stats.connect.record(int((now - self._dialed_at) * 1e6))
        self._opened = True
        if self.phase is Phase.DIALING:
            self.phase = Phase.WELCOMING
            self._wheel.set(self._watch, now + ANSWER_S)

    def messages(self, payloads: list[bytes], now: float) -> None:
        play = self._play
        if self._heads_only and play is not None and self.phase is Phase.PLAYING:
            taken = play.deltas(payloads, now)
            if taken == len(payloads):
                return
            payloads = payloads[taken:]
        for payload in payloads:
            self._message(payload, now)

    def _message(self, payload: bytes, now: float) -> None:
        try:
            if self._heads_only and self.phase is Phase.PLAYING:
                play = self._play
                if play is not None and play.head(payload, now):
                    return
            self._dispatch(decode_server(payload, self._format), now)
        except (BadMessage, msgspec.DecodeError):
            self._stats.error("protocol:undecodable")

    def closed(self, ending: Ending) -> None:
        planned = ending.code == CloseCode.RESTART and self._reconnect_at > 0
        if ending.error and not planned:
            self._stats.error(ending.error)
        if self._opened:
            self._opened = False
            self._stats.connected -= 1
        now = self._host.time()
        self._pinger.stop()
        self._stop_playing(now)
        self._connection = None
        if self.phase is Phase.DONE:
            return
        if self.phase is Phase.CLOSING or self._finishing:
            self._finished()
        else:
            self._after_close(ending, now)

    # ── messages ─────────────────────────────────────────────────────────────────────────────

    def _dispatch(self, message: to_client.ToClient, now: float) -> None:
        match message:
            case to_client.Welcome():
                self._welcome(message, now)
            case to_client.Joined():
                self._joined(message, now)
            case to_client.Error():
                self._error(message, now)
            case to_client.Pong():
                self._pong(message, now)
            case to_client.Reconnect():
                self._reconnect(message, now)
            case to_client.Refreshed() | to_client.Matchmaking() | to_client.Notification():
                self._unexpected(message)
            case to_client.Said() | to_client.Muted() | to_client.Voting() | to_client.Rematch():
                pass  # Bots neither speak nor vote.
            case _:
                self._of_match(message, now)

    def _of_match(self, message: OfMatch | to_client.Left, now: float) -> None:
        play = self._play
        leaving = self.phase is Phase.CLOSING and isinstance(message, to_client.Event)
        if play is None or (self.phase is not Phase.PLAYING and not leaving):
            self._unexpected(message)
            return
        if isinstance(message, to_client.Left):
            self._left(message, play, now)
        else:
            play.take(message, now)

    def _welcome(self, message: to_client.Welcome, now: float) -> None:
        if self.phase is not Phase.WELCOMING:
            self._unexpected(message)
            return
        self._player = message.player
        self._pinger.start(now)
        self._join(now)

    def _joined(self, message: to_client.Joined, now: float) -> None:
        connection = self._connection
        if connection is None or self.phase is not Phase.JOINING or message.ref != self._ref:
            self._unexpected(message)
            return
        before = self._play
        if before is None and self._stats.joins:
            # A bot's memory is of one match.
            self._brain = self._table.brains.make(self._number)
        problem = check_joined(
            message,
            player=self._player,
            game=self._table.brains.game.name,
            mode=self._settings.mode,
            resume=None if before is None else (before.match, before.epoch, before.seq),
        )
        if problem is not None:
            self._stats.error(problem)
        self._watch.cancel()
        self._attempt = 0
        self.phase = Phase.PLAYING
        self._stats.joins += 1
        self._stats.playing += 1
        self._stats.resumes += before is not None
        same = before if before is not None and before.match == message.match else None
        self._play = Play(
            message,
            table=self._table,
            brain=self._brain,
            number=self._number,
            player=self._player,
            sent=same.sent if same is not None else 0,
            seen_at=same.seen_at if same is not None else None,
            connection=connection,
            polled=self._polled,
            chance=self._chance,
            now=now,
        )

    def _left(self, message: to_client.Left, play: Play, now: float) -> None:
        if message.match != play.match:
            self._stats.error("protocol:left_other_match")
        if message.reason == "ended" and not play.end_seen:
            self._stats.error("protocol:ended_unannounced")
        if message.reason in ("kicked", "game_error"):
            self._stats.error(f"left:{message.reason}")
        if message.reason == "moved" and not self._finishing:
            # The match goes on elsewhere: come back to it, from where we stand.
            self._stop_playing(now)
            self._wait(now, self._chance.uniform(0.05, 0.25), self._join)
            return
        self._stats.matches_left += 1
        self._stop_playing(now)
        self._play = None
        if self._finishing or not self._settings.rejoin or message.reason == "kicked":
            self._hang_up()
        else:
            self._wait(now, self._chance.uniform(0.05, 0.25), self._join)

    def _error(self, message: to_client.Error, now: float) -> None:
        refused = self.phase is Phase.JOINING and message.ref == self._ref
        if not (refused and message.code is ErrorCode.UNKNOWN_MATCH and self._play is not None):
            # That a match has ended while its player was away is nobody's fault.
            self._stats.error(f"error:{message.code.value}")
        if not refused:
            return
        self._attempt += 1
        wish = wish_s(message.code)
        pause_s = backoff_s(self._attempt, jitter=self._chance.random(), at_least_s=wish)
        match after_refusal(message.code, fixed_match=bool(self._settings.match)):
            case Next.GIVE_UP:
                self._give_up()
            case Next.RECONNECT:
                self._reconnect_at = now + pause_s
                self._wait(now, 0.0, self._leave_node)
            case Next.START_OVER:
                self._play = None
                self._wait(now, pause_s, self._join)
            case Next.RESUME:
                self._wait(now, pause_s, self._join)

    def _pong(self, message: to_client.Pong, now: float) -> None:
        measured = self._play is None or not self._play.polled
        if not self._pinger.answered(message, now, measured=measured):
            self._unexpected(message)

    def _reconnect(self, message: to_client.Reconnect, now: float) -> None:
        """Keep playing until the time that the server gave, which it has spread already."""
        if self.phase in (Phase.CLOSING, Phase.DONE):
            return
        self._reconnect_at = now + min(max(message.after_ms / 1000, 0.001), RECONNECT_S_MAX)
        self._then = self._leave_node
        if self.phase is not Phase.PLAYING:
            self.phase = Phase.WAITING
        self._wheel.set(self._watch, self._reconnect_at)

    def _unexpected(self, message: to_client.ToClient) -> None:
        if self.phase not in (Phase.CLOSING, Phase.DONE):
            self._stats.error(f"protocol:unexpected_{type(message).__name__.lower()}")

    # ── timers ───────────────────────────────────────────────────────────────────────────────

    def ping(self, message: from_client.Ping) -> None:
        self._send(message)

    def unanswered(self) -> None:
        self._stats.error("timeout:pong")
        if self._connection is not None:
            self._connection.abort()

    def _late(self, now: float) -> None:
        """The watch went off: an answer is overdue, or it is time for what was put off."""
        kind = OVERDUE.get(self.phase)
        if kind is None:
            if self.phase in (Phase.WAITING, Phase.PLAYING):
                self._then(now)
            return
        self._stats.error(kind)
        if self._connection is not None:
            self._connection.abort()

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    def _dial(self, now: float) -> None:
        self.phase = Phase.DIALING
        self._dialed_at = now
        self._reconnect_at = 0.0
        self._stats.connects += 1
        self._host.dial(self)

    def _join(self, now: float) -> None:
        settings, play = self._settings, self._play
        match, resume = settings.match, None
        if play is not None:
            match, resume = play.match, from_client.Resume(play.epoch, play.seq)
        self.phase = Phase.JOINING
        name = self._table.brains.game.name
        self._send(from_client.Join(self._next_ref(), name, settings.mode, match, resume))
        self._wheel.set(self._watch, now + ANSWER_S)

    def _after_close(self, ending: Ending, now: float) -> None:
        what = after_close(status=ending.status, code=ending.code)
        if what is Next.GIVE_UP:
            self._give_up()
            return
        if what is Next.START_OVER:
            self._play = None
        if self._reconnect_at:
            self._stats.reconnects += 1
            self._wait(now, max(0.0, self._reconnect_at - now), self._dial)
        else:
            self._retry_dial(at_least_s=ending.retry_after_s)

    def _retry_dial(self, *, at_least_s: float = 0.0) -> None:
        self._attempt += 1
        self._stats.reconnects += 1
        pause_s = backoff_s(self._attempt, jitter=self._chance.random(), at_least_s=at_least_s)
        self._wait(self._host.time(), pause_s, self._dial)

    def _wait(self, now: float, pause_s: float, then: Callable[[float], None]) -> None:
        self.phase = Phase.WAITING
        self._then = then
        self._wheel.set(self._watch, now + pause_s)

    def _leave_node(self, now: float) -> None:
        """Close this connection in good order; ``closed`` dials again and resumes."""
        if self._connection is not None:
            self._connection.close()

    def _stop_playing(self, now: float) -> None:
        if self.phase is Phase.PLAYING and self._play is not None:
            self.phase = Phase.WAITING
            self._play.end(now)
            self._stats.playing -= 1

    def _give_up(self) -> None:
        self._stats.given_up += 1
        self._hang_up()

    def _hang_up(self) -> None:
        self._stop_playing(self._host.time())
        self._pinger.stop()
        self._watch.cancel()
        self.phase = Phase.CLOSING
        if self._connection is None:
            self._finished()
        else:
            self._connection.close()

    def _finished(self) -> None:
        self._watch.cancel()
        self.phase = Phase.DONE
        self._host.done(self)

    def _send(self, message: from_client.FromClient) -> None:
        if self._connection is not None:
            self._connection.send(encode_client(message, self._format))

    def _next_ref(self) -> int:
        self._ref += 1
        return self._ref
