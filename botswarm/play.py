"""One bot in one match on one connection: inputs out, snapshots and events in."""

from __future__ import annotations

import random
import time
from typing import Any, assert_never

import msgspec

from botswarm.brain import Brain, Brains
from botswarm.heads import DELTA, SNAPSHOT, decode_delta_head, decode_snapshot_head
from botswarm.ledger import Ledger
from botswarm.pauses import Pauses
from botswarm.pinger import Pinger
from botswarm.reading import POLL_S, inputs_per_read
from botswarm.settings import Settings
from botswarm.stats import Stats
from botswarm.verify import Track
from botswarm.wheel import NOT_SET, Wheel
from gameclient.connection import Connection
from gameserver.wire import to_client
from gameserver.wire.codec import Format
from gameserver.wire.delta import ViewTracker
from gameserver.wire.event_record import MATCH_ENDED, MatchEnded

STALL_S = 1.0
"""A longer gap between two snapshots of a game with ticks is an error."""
TURN_RATE = 2.0
"""Decisions per second in a game without ticks of its own."""
SAME_VIEW_S = 2.0
"""In such a game: when to decide again though nothing has changed."""
NEVER = 1 << 62
"""More inputs than anybody sends."""
_RING = 64
"""Inputs under way whose send times are kept; at 20 Hz this is 3 s."""

OfMatch = (
    to_client.Snapshot | to_client.Delta | to_client.Event | to_client.Paused | to_client.Resumed
)
"""What comes between ``Joined`` and ``Left``."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What all bots of a process play with."""

    settings: Settings
    brains: Brains
    stats: Stats
    ledger: Ledger
    wheel: Wheel
    pauses: Pauses


class Play:
    """From ``Joined`` to ``Left`` or to the end of the connection. Afterwards it still knows what
    a resume needs: ``match``, ``epoch``, ``seq`` and ``sent``; and ``seen_at``, the time of the
    last frame.

    It is its own timer (``wheel.Due``) and has slots: between two inputs of a bot come those of
    thousands of others, so that every object touched is a miss of the processor's cache.
    """

    __slots__ = (
        "_alert_s",
        "_brain",
        "_connection",
        "_decided",
        "_due",
        "_format",
        "_frame_at",
        "_inputs_per_read",
        "_inputs_to_read",
        "_ledger",
        "_number",
        "_paused",
        "_pauses",
        "_period",
        "_player",
        "_record_events",
        "_sent_at",
        "_stall_s",
        "_stats",
        "_tick_rate",
        "_track",
        "_view",
        "_wheel",
        "end_seen",
        "match",
        "polled",
        "seen_at",
        "sent",
        "slot",
    )

    def __init__(
        self,
        joined: to_client.Joined,
        *,
        table: Table,
        brain: Brain,
        number: int,
        player: str,
        sent: int,
        seen_at: float | None,
        connection: Connection,
        polled: bool,
        chance: random.Random,
        now: float,
    ) -> None:
        """``sent``: the newest input's seq of an earlier connection to the same match;
        ``seen_at``: when that one saw its last frame. ``number``: the bot's.
        ``polled``: see ``botswarm.reading``; ``self.polled`` says whether it came to that."""
        settings = table.settings
        self.match = joined.match
        self.sent = max(joined.input_seq, sent)
        self.end_seen = False
        self._stats = table.stats
        self._ledger = table.ledger
        self._wheel = table.wheel
        self._format = settings.format
        self._record_events = settings.record_events
        self._brain = brain
        self._number = number
        self._player = player
        self._pauses = table.pauses
        self._connection = connection
        self._track = Track(joined)
        self._view: ViewTracker | None = None
        if brain.needs_view:
            self._view = ViewTracker(table.brains.game.View, format=settings.format)
        self._tick_rate = joined.tick_rate
        self._paused = False
        self._frame_at = now
        self.seen_at = now if seen_at is None else seen_at
        self._decided: tuple[int, float] = (-1, now)
        self._sent_at = [0.0] * _RING
        self._period = 1 / (settings.rate or joined.tick_rate or TURN_RATE)
        self._due = now + self._period * chance.random()
        self._stall_s = STALL_S
        self._inputs_to_read = self._inputs_per_read = inputs_per_read(
            period_s=self._period, tick_rate=joined.tick_rate, needs_view=brain.needs_view
        )
        self.polled = polled and self._inputs_per_read > 0 and connection.polled(True)
        if self.polled:
            # Frames that came up to ``POLL_S`` apart are seen at the same moment.
            self._stall_s += POLL_S
            self._stats.polled_joins += 1
        self._alert_s = min(self._stall_s, self._pauses.over_s)
        self.slot = NOT_SET
        self._wheel.set(self, self._due)
        self._ledger.joined(joined.match, game=joined.game, mode=joined.mode)

    @property
    def epoch(self) -> int:
        return self._track.epoch

    @property
    def seq(self) -> int:
        """The last reliable number that was received."""
        return self._track.seq

    # ── in ───────────────────────────────────────────────────────────────────────────────────

    def take(self, message: OfMatch, now: float) -> None:
        """A message of the match."""
        match message:
            case to_client.Snapshot():
                self.frame(message.epoch, message.tick, message.acks, None, now)
                self._see(message)
            case to_client.Delta():
                self.frame(message.epoch, message.tick, message.acks, message.base, now)
                self._see(message)
            case to_client.Event():
                self._event(message)
            case to_client.Paused():
                self._pause()
            case to_client.Resumed():
                self._resume(now)
            case _:
                assert_never(message)

    def deltas(self, payloads: list[bytes], now: float) -> int:
        """Take the deltas in msgpack that the list begins with, as far as each is as it should
        be, by their fronts; returns how many."""
        track = self._track
        acked = track.acked
        taken = track.deltas(payloads, sent=self.sent)
        if taken:
            self._stats.snapshots += taken
            self._seen(acked, now)
        return taken

    def head(self, payload: bytes, now: float) -> bool:
        """Take the front of a snapshot or delta in msgpack; false if the message is another.
        Raises ``msgspec.DecodeError``."""
        kind = payload[1] if len(payload) > 2 else 0
        if kind == DELTA:
            delta = decode_delta_head(payload)
            self.frame(delta.epoch, delta.tick, delta.acks, delta.base, now)
            return True
        if kind == SNAPSHOT:
            full = decode_snapshot_head(payload)
            self.frame(full.epoch, full.tick, full.acks, None, now)
            return True
        return False

    def frame(self, epoch: int, tick: int, acks: list[int], base: int | None, now: float) -> None:
        """The common part of a snapshot, or with ``base`` of a delta."""
        stats, track = self._stats, self._track
        acked = track.acked
        problem = track.frame(epoch, tick, acks, base=base, sent=self.sent)
        if problem is not None:
            stats.error(problem)
        stats.snapshots += 1
        if base is None:
            stats.full_snapshots += 1
        self._seen(acked, now)

    def _seen(self, acked: int, now: float) -> None:
        if not self.polled:
            self._measure(acked, now)
        if now - self.seen_at > self._alert_s:
            self._waited(now)
        self._frame_at = self.seen_at = now

    def _waited(self, now: float) -> None:
        self._check_stall(now)
        length_s = now - self.seen_at
        if length_s > self._pauses.over_s and self._tick_rate:
            self._pauses.note(self._number, ended=now, length_s=length_s)

    def _measure(self, acked: int, now: float) -> None:
        """Record the latency of each input after ``acked`` that is acknowledged now."""
        newest = min(self._track.acked, self.sent)
        for seq in range(max(acked + 1, newest - _RING + 1), newest + 1):
            sent_at = self._sent_at[seq % _RING]
            if sent_at:
                self._sent_at[seq % _RING] = 0.0
                self._stats.latency.record(int((now - sent_at) * 1e6))

    def _see(self, message: to_client.Snapshot | to_client.Delta) -> None:
        """Bring the view up to date, for a brain that looks at it."""
        if self._view is None:
            return
        try:
            self._view.apply(message)
        except (ValueError, LookupError, TypeError):
            self._stats.error("protocol:delta_apply")

    def _event(self, message: to_client.Event) -> None:
        """A reliable event: check its number, enter it into the ledger."""
        self._stats.events += 1
        problem = self._track.event(message.seq)
        if problem is not None:
            self._stats.error(problem)
        if message.kind != MATCH_ENDED and not self._record_events:
            return
        try:
            self._enter(message, _decode_data(message.data, self._format))
        except (msgspec.MsgspecError, TypeError, ValueError):
            self._stats.error("protocol:event_data")

    def _enter(self, message: to_client.Event, data: Any) -> None:
        problem = self._ledger.announced(
            self.match, seq=message.seq, kind=message.kind, player=message.player, data=data
        )
        if problem is not None:
            self._stats.error(problem)
        if message.kind == MATCH_ENDED:
            end = msgspec.convert(data, MatchEnded)
            self.end_seen = True
            self._ledger.ended(
                self.match, seq=message.seq, reason=end.reason, standings=list(end.standings)
            )

    def _pause(self) -> None:
        """The match stands still: no inputs, and no snapshot is missed."""
        self._stats.error("paused")
        self._paused = True

    def _resume(self, now: float) -> None:
        """The match goes on."""
        self._paused = False
        self._frame_at = now

    def reads(self, on: bool, now: float) -> None:
        """Stop reading the socket, or go on. What was late by that is nobody's latency or stall."""
        if self.polled:
            self._inputs_to_read = 0 if on else NEVER
        else:
            self._connection.polled(not on)
        if on:
            self._sent_at = [0.0] * _RING
            self._frame_at = self.seen_at = now

    def end(self, now: float) -> None:
        """No more inputs; a stall that lasts until now is counted."""
        self.slot = NOT_SET
        self._check_stall(now)
        self._paused = True
        self._connection.polled(False)

    def _check_stall(self, now: float) -> None:
        gap_s = now - self._frame_at
        if gap_s > self._stall_s and self._tick_rate and not self._paused:
            self._stats.error("stall")
            self._stats.stall.record(int(gap_s * 1e6))

    # ── out ──────────────────────────────────────────────────────────────────────────────────

    def fire(self, now: float) -> None:
        """It is time for the next input."""
        due = self._due + self._period
        if due < now - self._period:
            # The generator fell behind, and its lag is reported. What was missed is left out, not
            # sent at once, and at its old phase: else bots that were late together stay together.
            missed = (now - due) // self._period
            due += missed * self._period
            if not self._paused:
                self._stats.inputs_missed += int(missed)
        self._due = due
        self._wheel.set(self, due)
        if self.polled:
            self._inputs_to_read -= 1
            if self._inputs_to_read <= 0:
                self._inputs_to_read = self._inputs_per_read
                self._connection.poll(now)  # which may end all of this
        if self._paused:
            return
        seq = self.sent + 1
        if self._view is None:
            payload = self._brain.payload(seq, None, self._player, self._track.seat)
        else:
            payload = self._decide(seq, self._view.view, now)
        if payload is None:
            return
        self.sent = seq
        self._stats.inputs += 1
        if not self.polled:
            # The wheel's time is that of its slot, before the inputs of other bots were sent.
            self._sent_at[seq % _RING] = time.monotonic()
        self._connection.send(payload)

    def _decide(self, seq: int, view: Any, now: float) -> bytes | None:
        """The next input of a bot that looks at the view."""
        track = self._track
        if view is None or self._has_decided(track.tick, now):
            return None
        try:
            payload = self._brain.payload(seq, view, self._player, track.seat)
        except Exception as error:  # a game's bot is its author's code
            self._stats.error(f"brain:{type(error).__name__}")
            return None
        if payload is not None:
            self._decided = (track.tick, now)
        return payload

    def _has_decided(self, tick: int, now: float) -> bool:
        """In a game of turns: whether an answer to the present view is under way."""
        decided_tick, decided_at = self._decided
        return self._tick_rate == 0 and tick == decided_tick and now - decided_at < SAME_VIEW_S


class Playing(msgspec.Struct, frozen=True):
    """A bot in a match."""

    connection: Connection
    play: Play
    pinger: Pinger


def _decode_data(raw: msgspec.Raw, format: Format) -> Any:
    if format is Format.MSGPACK:
        return msgspec.msgpack.decode(raw, strict=False)
    return msgspec.json.decode(raw)
