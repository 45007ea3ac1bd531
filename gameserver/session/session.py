"""One authenticated connection: what its messages mean, and what it is told.

``received`` runs for every message of every player, so it is plain code without tasks; only what
must wait (finding a match, checking a new token) becomes a task.
"""

from __future__ import annotations

import asyncio
from typing import assert_never

from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.ids import SessionId
from gameserver.ports import (
    Connection,
    Identity,
    Seated,
    SeatHandle,
)
from gameserver.session import asking
from gameserver.session.lifecycle import Change, State, after
from gameserver.session.outgoing import Outgoing
from gameserver.session.rate_limit import TokenBucket
from gameserver.session.services import Services
from gameserver.session.strikes import Strikes
from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import BadMessage, decoder_for
from gameserver.wire.frame import Broadcast, Frame, PlainToClient
from gameserver.wire.to_client import ErrorCode

_LEAVE_S = 0.5
_INPUTS_IN_FLIGHT_S = 5.0
"""How long after the loss of a seat an input is taken as sent before the client knew."""


class Session:
    """Implements ``SessionPort`` towards the connection and ``Subscriber`` towards the match."""

    __slots__ = (
        "_bucket",
        "_clock",
        "_connection",
        "_decode",
        "_expiry",
        "_handle",
        "_leave_ref",
        "_loop",
        "_metrics",
        "_outgoing",
        "_refreshing",
        "_services",
        "_state",
        "_strikes",
        "_unseated_at",
        "id",
        "identity",
        "line",
    )

    def __init__(
        self,
        *,
        session_id: SessionId,
        connection: Connection,
        identity: Identity,
        services: Services,
    ) -> None:
        self.id = session_id
        self.identity = identity
        self._connection = connection
        self._services = services
        self._clock = services.clock
        self._metrics = services.metrics
        self._loop = loop = asyncio.get_running_loop()
        config = services.config
        self._bucket = TokenBucket(
            per_s=config.messages_per_s, burst=config.messages_burst, now=loop.time()
        )
        self._strikes: Strikes | None = None
        self._outgoing = Outgoing(
            connection, reliable_max=config.reliable_queue_max, metrics=services.metrics
        )
        self.line = connection.line
        self._state = State.OPEN
        self._handle: SeatHandle | None = None
        self._leave_ref = 0
        self._unseated_at = float("-inf")
        self._refreshing = False
        self._use_game(None)
        self._expiry = loop.call_later(self._token_s(), self._token_ended)
        self._welcome()

    # ── SessionPort: what the connection tells ───────────────────────────────────────────────

    def received(self, payload: bytes) -> None:
        """One message of the client."""
        if self._state is State.CLOSED:
            return
        if self.line.prepaid:
            self.line.prepaid -= 1
        elif not self._pay():
            self._rate_limited()
            return
        try:
            message = self._decode(payload)
        except BadMessage as bad:
            self._metrics.messages_bad += 1
            self._strike(bad.code, str(bad), bad.ref)
            return
        self._metrics.messages_received += 1
        match message:
            case from_client.Input():
                self._input(message)
            case from_client.Ping():
                self._send(to_client.Pong(message.sent, self._clock.wall_ms()))
            case from_client.Join() | from_client.Watch():
                self._join(message)
            case from_client.Leave():
                self._leave(message)
            case from_client.Refresh():
                self._refresh(message)
            case from_client.Chat() | from_client.Mute() | from_client.Vote():
                self._say(message)
            case _:
                assert_never(message)

    def became_writable(self) -> None:
        """Write what has been waiting."""
        if self._state is not State.CLOSED:
            self._outgoing.flush()

    def closed(self) -> None:
        """The connection is gone: the seat is kept for the grace period."""
        self._end()
        self.line.outgoing = None  # It refers back to the connection.
        self._services.on_closed(self)

    # ── Subscriber: what the match tells ─────────────────────────────────────────────────────

    def frame(self, frame: Frame) -> None:
        """The match's newest frame."""
        self._outgoing.frame(frame)

    def announce(self, message: Broadcast) -> None:
        """A reliable message of the match, the same bytes for all of its players."""
        if self._state is State.SEATED:
            encoded = message.encoded(self._connection.format)
            self._reliable(encoded, soon=message.seq > 0)

    def tell_alone(self, message: Broadcast) -> None:
        """The same, for this player alone."""
        self.announce(message)

    def polled(self, polled: bool) -> None:
        """Whether the match polls from now on. Then it shows a frame with each tick, too."""
        self._connection.polled(polled)
        self._outgoing.ride(polled)

    def plays(self, game: AnyGame) -> None:
        """The match plays by other rules of the same game: its next frame is whole."""
        if self._state is State.SEATED:
            self._use_game(game)
            self._outgoing.begin_anew()

    def left(self, reason: str) -> None:
        """The seat is gone. The answer to a ``Leave`` carries its ``ref``."""
        if self._state is not State.SEATED:
            return
        handle, self._handle = self._handle, None
        self._unseated_at = self._loop.time()
        self._connection.polled(False)
        self._state = after(self._state, Change.UNSEATED)
        self._outgoing.stop_frames()
        self._use_game(None)
        if self._services.on_seat is not None:
            self._services.on_seat(self.id, "", "")
        ref, self._leave_ref = self._leave_ref, 0
        if handle is not None:
            self._send(to_client.Left(ref, handle.match_id, reason))

    # ── what the node tells ──────────────────────────────────────────────────────────────────

    def tell(self, message: PlainToClient) -> None:
        """Send a message that has nothing to do with the match."""
        self._send(message)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close the connection; the seat is kept for the grace period."""
        if self._state is State.CLOSED:
            return
        self._end()
        self._connection.close(code, reason)

    def move_away(self, *, after_ms: int, reason: str) -> None:
        """The node is going away: say when to leave it. Until then the player plays on, where the
        match has moved on already; who stays for longer is closed with RESTART."""
        if self._state is State.CLOSED:
            return
        self._send(to_client.Reconnect(after_ms, reason))
        self._expiry.cancel()
        leave_s = after_ms / 1000 + _LEAVE_S
        self._expiry = self._loop.call_later(leave_s, self.close, CloseCode.RESTART)

    # ── messages ─────────────────────────────────────────────────────────────────────────────

    def _input(self, message: from_client.Input) -> None:
        if self._handle is None:
            if self._loop.time() < self._unseated_at + _INPUTS_IN_FLIGHT_S:
                self._metrics.inputs_dropped += 1
                return
            self._metrics.messages_bad += 1
            self._strike(ErrorCode.NOT_JOINED, "join a match before sending inputs", message.seq)
            return
        refused = self._handle.input(message.seq, message.data)
        if refused is not None:
            self._metrics.inputs_dropped += 1
            # Inputs that a stalled network delivers together are no abuse: no strike.
            tell = self._refuse if refused is ErrorCode.TOO_MANY_INPUTS else self._strike
            tell(refused, self._why(refused), message.seq)

    def _why(self, refused: ErrorCode) -> str:
        match refused:
            case ErrorCode.BAD_INPUT:
                return "input seq must grow"
            case ErrorCode.NOT_JOINED:
                return "take a seat before sending inputs; who watches has none"
            case _:
                most = self._services.config.inputs_per_tick_max
                return f"at most {most} inputs a tick are taken"

    def _join(self, message: from_client.Entry) -> None:
        if self._state is not State.OPEN:
            self._strike(
                ErrorCode.ALREADY_JOINED,
                "leave the match you are in before joining another",
                message.ref,
            )
            return
        self._state = after(self._state, Change.JOIN)
        self._services.spawn(self._finish_join(message))

    async def _finish_join(self, message: from_client.Entry) -> None:
        matches = self._services.matches
        answer = await asking.seat(matches, message, self.identity, self, session=self.id)
        if self._state is State.JOINING:
            if isinstance(answer, Seated):
                self._take_seat(answer)
            else:
                self._state = after(self._state, Change.REFUSED)
                self._send(answer)
        elif isinstance(answer, Seated):
            answer.handle.detach()

    def _take_seat(self, seated: Seated) -> None:
        self._state = after(self._state, Change.SEATED)
        self._handle = seated.handle
        self._use_game(seated.game)
        if self._services.on_seat is not None:
            self._services.on_seat(self.id, seated.game.name, seated.handle.match_id)
        self._outgoing.start_frames()
        self._send(seated.joined)
        for missed in seated.missed:
            self.announce(missed)
        if seated.frame is not None:
            self._outgoing.frame(seated.frame)

    def _use_game(self, game: AnyGame | None) -> None:
        decoder = decoder_for(game, self._connection.format)
        self._decode = decoder.decode
        self.line.decode, self.line.input_type = decoder.quick

    def _leave(self, message: from_client.Leave) -> None:
        if self._handle is None:
            self._strike(ErrorCode.NOT_JOINED, "there is no match to leave", message.ref)
            return
        self._leave_ref = message.ref
        handle = self._handle
        handle.leave(LeaveReason.LEFT)
        self.left(LeaveReason.LEFT)

    def _say(self, message: from_client.Word) -> None:
        if self._handle is not None:
            self._handle.say(message)
        elif self._loop.time() >= self._unseated_at + _INPUTS_IN_FLIGHT_S:
            self._strike(ErrorCode.NOT_JOINED, "take a seat first", message.ref)

    def _refresh(self, message: from_client.Refresh) -> None:
        if self._refreshing:
            self._strike(
                ErrorCode.BAD_TOKEN, "an earlier refresh is still being checked", message.ref
            )
            return
        self._refreshing = True
        self._services.spawn(self._finish_refresh(message))

    async def _finish_refresh(self, message: from_client.Refresh) -> None:
        try:
            answer = await asking.identity(self._services.verifier, message, self.identity)
        finally:
            self._refreshing = False
        if isinstance(answer, to_client.Error):
            if answer.code is ErrorCode.BAD_TOKEN:
                self._metrics.tokens_refused += 1
                self._strike(answer.code, answer.message, answer.ref)
            else:
                self._refuse(answer.code, answer.message, answer.ref)
        elif self._state is not State.CLOSED:
            self.identity = answer
            self._expiry.cancel()
            self._expiry = self._loop.call_later(self._token_s(), self._token_ended)
            self._send(to_client.Refreshed(message.ref, answer.expires_ms))
            if self._services.on_refreshed is not None:
                self._services.on_refreshed(self)

    def _pay(self) -> bool:
        """Take tokens for this message and for those to come; false if there is none."""
        tokens = self._bucket.take_all(self._loop.time())
        if not tokens:
            return False
        self.line.prepaid = tokens - 1
        return True

    # ── output ───────────────────────────────────────────────────────────────────────────────

    def _welcome(self) -> None:
        config = self._services.config
        self._send(
            to_client.Welcome(
                session=self.id,
                player=self.identity.player_id,
                name=self.identity.name,
                server_ms=self._clock.wall_ms(),
                expires_ms=self.identity.expires_ms,
                ping_ms=config.ping_ms,
                messages_per_s=config.messages_per_s,
                payload_bytes=config.payload_bytes_max,
                games=list(self._services.matches.games),
            )
        )

    def _send(self, message: PlainToClient) -> None:
        if self._state is not State.CLOSED:
            self._reliable(Broadcast(message).encoded(self._connection.format))

    def _reliable(self, encoded: bytes, *, soon: bool = False) -> None:
        outgoing = self._outgoing
        if not (outgoing.soon(encoded) if soon else outgoing.reliable(encoded)):
            self._metrics.slow_consumers += 1
            self.close(CloseCode.SLOW_CONSUMER)

    def _strike(self, code: ErrorCode, explanation: str, ref: int) -> None:
        """Refuse what no client should send."""
        self._refuse(code, explanation, ref, close=CloseCode.BAD_MESSAGES)

    def _refuse(
        self, code: ErrorCode, explanation: str, ref: int, *, close: CloseCode | None = None
    ) -> None:
        """Answer with ``Error``; ``close``: it is a strike, and too many of them close with it."""
        now = self._loop.time()
        if self._strikes is None:
            self._strikes = Strikes(self._services.config.bad_messages_max, now=now)
        if close is not None and not self._strikes.forgive(now):
            self.close(close)
        elif self._strikes.answer(now):
            self._send(to_client.Error(code, explanation, ref))

    def _rate_limited(self) -> None:
        self._metrics.messages_rate_limited += 1
        self._refuse(
            ErrorCode.RATE_LIMITED,
            f"at most {self._services.config.messages_per_s} messages a second are taken",
            0,
            close=CloseCode.RATE_LIMITED,
        )

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _token_s(self) -> float:
        return max(0.0, (self.identity.expires_ms - self._clock.wall_ms()) / 1000)

    def _token_ended(self) -> None:
        self.close(CloseCode.TOKEN_EXPIRED)

    def _end(self) -> None:
        if self._state is State.CLOSED:
            return
        self._state = after(self._state, Change.CLOSE)
        self._expiry.cancel()
        self._outgoing.stop_frames()
        self.line.input_type = None
        self._connection.polled(False)
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.detach()
