"""What a tick touches of each player, and the loops over matches and over their players.

    step_all      the matches whose turn it is, one after the other; for each:
    collect       before the step: read every socket once ──► inputs
    acknowledge   after it: which inputs are in the state
    spread        the newest frame ──► every socket

``Line`` is one connection's share, ``Member`` one seat's. They lie open on purpose: connection,
session and match each keep their own part of them up to date, so that the loops need not ask.

This module states the meaning and is complete. ``_fast`` does the same with the usual case in C.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from gameserver.game.contract import Player
from gameserver.ids import PlayerId


class LineConnection(Protocol):
    """What the loops ask of a connection."""

    def poll(self) -> None:
        """Read the socket now, if it is to be polled, and deliver what is there."""

    def take(self, data: bytes) -> None:
        """``data`` was read from the socket; empty at its end."""

    def deliver(self, payload: bytes) -> None:
        """One whole message was read."""

    def queue(self, data: bytes) -> None:
        """Bytes that the socket did not take."""

    def abort(self) -> None:
        """The socket is broken."""


class LineOutput(Protocol):
    """What the loops ask of a session's output."""

    def frame(self, frame: Any) -> None:
        """Write ``frame``, or let it wait in place of the one that waits."""


class Line:
    """A connection, as the loops see it. With ``direct`` false all goes by ``connection`` and
    ``outgoing``, which is always right."""

    __slots__ = (
        "base",
        "connection",
        "decode",
        "direct",
        "fast",
        "fd",
        "heard",
        "input_type",
        "outgoing",
        "prepaid",
        "showing",
        "usual_max",
    )

    def __init__(self) -> None:
        # The connection's part.
        self.fd = -1
        self.direct = False
        """The socket may be read and written past the transport: open, polled, nothing unsent."""
        self.fast = False
        """What comes next starts a frame, and not inside a fragmented message."""
        self.heard = False
        """Something has arrived since the last ping."""
        self.usual_max = 0
        """The largest whole frame of a message, in bytes, that may be taken apart at once."""
        self.connection: LineConnection | None = None
        # The session's part.
        self.prepaid = 0
        """Messages already paid for at the rate limit."""
        self.decode: Callable[[bytes], Any] | None = None
        self.input_type: type | None = None
        """Messages of exactly this type are inputs that need no further check; ``None``: every
        message goes to the session."""
        self.outgoing: LineOutput | None = None
        self.showing = False
        """Frames are wanted in msgpack, and nothing reliable waits before them."""
        self.base: Any = None
        """The frame last written."""


class Member:
    """A player with a seat: present while ``subscriber`` is set, else expected back until
    ``gone_until`` (the loop's time in s)."""

    __slots__ = (
        "gone_until",
        "handle",
        "input_seq",
        "line",
        "player",
        "player_id",
        "queued",
        "queued_tick",
        "seat",
        "subscriber",
    )

    def __init__(self, player: Player, *, input_seq: int = 0) -> None:
        self.player = player
        self.player_id = player.id
        self.seat = player.seat
        self.input_seq = input_seq
        """The last input taken for a step: the next one must be higher."""
        self.queued = 0
        self.queued_tick = -1
        """``queued`` counts the inputs waiting for the step that follows this tick."""
        self.subscriber: Any = None
        self.handle: object | None = None
        """The only seat handle that may speak for the member; earlier ones are void."""
        self.gone_until = float("inf")
        self.line: Line | None = None
        """The subscriber's, if it is a connection of this node."""


class Given(msgspec.Struct, gc=False):
    """Implements ``contract.PlayerInput``."""

    player_id: PlayerId
    seat: int
    seq: int
    data: Any


def collect(
    present: tuple[Member, ...],
    inputs: list[Given],
    tick: int,
    inputs_max: int,
    metrics: Any,
    failed: Callable[[], None],
) -> None:
    """Take what the members have sent. Appends at most ``inputs_max`` inputs of each for the step
    after ``tick``; ``failed`` is called, as an exception is handled, for each connection that
    raises one."""
    for member in present:
        line = member.line
        if line is not None and line.connection is not None:
            try:
                line.connection.poll()
            except Exception:
                failed()


def acknowledge(acks: array[int], inputs: Sequence[Given]) -> None:
    """Note by seat, as 64 bits, the last of ``inputs`` that is in the state now."""
    for given in inputs:
        acks[given.seat] = given.seq


def spread(
    present: tuple[Member, ...],
    frame: Any,
    usual: bytes,
    usual_base: Any,
    metrics: Any,
    failed: Callable[[], None],
) -> None:
    """Show the members ``frame``; ``usual``: its bytes for those whose last one was
    ``usual_base``."""
    for member in present:
        line = member.line
        if line is not None and line.outgoing is not None:
            try:
                line.outgoing.frame(frame)
            except Exception:
                failed()


class Observed(Protocol):
    """Counts times in ms (``metrics.Histogram``)."""

    def observe_all(self, values: Sequence[float]) -> None: ...


def step_all(
    steps: tuple[Callable[[float], None], ...],
    gone: Sequence[Callable[[float], None]],
    due: float,
    clock: Callable[[], float],
    lateness_ms: Observed,
    took_ms: Observed,
    failed: Callable[[], None],
) -> None:
    """Call ``steps``, one after the other, but for those that are in ``gone`` when their turn
    comes. Each was due at ``due`` and is given the time, as ``clock`` has it, in s.

    ``failed`` is called, as an exception is handled, for each one that raises."""
    late: list[float] = []
    took: list[float] = []
    # One look at the clock a step: where one ends, the next begins. Counted once for all.
    now = clock()
    for step in steps:
        if gone and step in gone:
            continue
        late.append((now - due) * 1000 if now > due else 0.0)
        try:
            step(now)
        except Exception:
            failed()
        began, now = now, clock()
        took.append((now - began) * 1000)
    lateness_ms.observe_all(late)
    took_ms.observe_all(took)


class BeatOwner(Protocol):
    """What a match's step asks of the match."""

    def lapsed(self) -> None:
        """The lease cannot be trusted any more."""

    def fail(self, error: Exception) -> None:
        """The game has raised."""

    def stated(self, time_ms: int) -> None:
        """The step has stated events, or the end."""

    def changed(self) -> None:
        """The state is newer than the checkpoint, or there are events."""

    def show_each(self) -> None:
        """The game hides something: a frame for each of those present."""

    def show_guests(self, frame: Any) -> None:
        """Show ``frame`` to those whose connection is on another node."""

    @property
    def time_ms(self) -> int:
        """Match time of the next step; asked of a match without a rate."""

    def wake(self) -> None:
        """A match without a rate has stepped: see when it wants to step again."""

    def subscriber_failed(self) -> None:
        """A connection has raised, and its exception is being handled."""


class Beat:
    """One match, as its steps see it: what every one of them touches, in one place. Like a ``Line``
    it lies open; the parts of the match keep their own of it up to date."""

    __slots__ = (
        "acks",
        "audience",
        "dirty",
        "encode_view",
        "epoch",
        "frame_of",
        "guests",
        "hidden",
        "inputs",
        "inputs_max",
        "lines",
        "metrics",
        "moment",
        "owner",
        "polling",
        "rate",
        "rules",
        "shown",
        "state",
        "tables",
        "tape",
        "tick",
        "trusted_until",
        "wall_ms",
    )

    def __init__(self) -> None:
        self.owner: Any = None
        self.metrics: Any = None
        # The lease's part.
        self.trusted_until = float("inf")
        """By the loop's time in s."""
        self.dirty = False
        """The state is newer than its checkpoint, and the match has been told so."""
        # The players' part.
        self.polling = False
        """Sockets are read before each step."""
        self.lines: tuple[Member, ...] = ()
        self.audience: tuple[Member, ...] = ()
        self.guests: tuple[Member, ...] = ()
        self.acks = array("q")
        self.inputs: list[Given] = []
        """What the next step gets."""
        self.inputs_max = 0
        self.shown: Any = None
        """The last frame for all."""
        # The rules' part.
        self.tick = 0
        """Steps completed."""
        self.rate = 0
        """Steps a second; 0: on demand."""
        self.moment: Any = None
        """The game's ``StepTick``."""
        self.state: Any = None
        self.rules: Callable[[Any, Sequence[Given], Any], None] | None = None
        """``Game.step``."""
        self.tape: Any = None
        """Of the recording, where there is one."""
        self.hidden = False
        self.encode_view: Callable[[Any], bytes] | None = None
        self.tables: frozenset[bytes] = frozenset()
        self.epoch = 0
        self.wall_ms: Callable[[], int] | None = None
        self.frame_of: Callable[..., Any] | None = None

    def step(self, now: float) -> None:
        """Advance by one tick and show it. ``now``: the loop's time in s."""
        owner = self.owner
        if now > self.trusted_until:
            owner.lapsed()
            return
        metrics = self.metrics
        if self.polling:
            collect(
                self.lines,
                self.inputs,
                self.tick,
                self.inputs_max,
                metrics,
                owner.subscriber_failed,
            )
        inputs = self.inputs
        if inputs:
            self.inputs = []
            metrics.inputs_received += len(inputs)
        try:
            time_ms = self.tick * 1000 // self.rate if self.rate else owner.time_ms
            told = self.advance(inputs, time_ms)
            if inputs:
                acknowledge(self.acks, inputs)
            if self.audience:
                self.show()
            if not self.rate:
                owner.wake()
        except Exception as error:
            owner.fail(error)
            return
        if told or not self.dirty or self.tape is not None:
            owner.changed()
        metrics.ticks += 1

    def advance(self, inputs: Sequence[Given], time_ms: int) -> bool:
        """One step of the rules; whether it has stated anything. Events of the step bear the number
        of the completed one. Raises whatever the game does."""
        if self.tape is not None:
            self.tape.step(inputs, time_ms)
        moment = self.moment
        moment.reset(self.tick, time_ms)
        self.rules(self.state, inputs, moment)  # type: ignore[misc]
        self.tick += 1
        told = bool(moment.events) or moment.ended is not None
        if told:
            self.owner.stated(time_ms)
        return told

    def show(self) -> None:
        """One frame for all present, or one each where the game hides something. Raises whatever
        the game does."""
        if self.hidden:
            self.owner.show_each()
            return
        frame = self.frame()
        frame.expect(self.shown)
        self.shown = frame
        spread(
            self.lines,
            frame,
            frame.usual,
            frame.usual_base,
            self.metrics,
            self.owner.subscriber_failed,
        )
        if self.guests:
            self.owner.show_guests(frame)
        frame.expect_nothing()

    def frame(self) -> Any:
        """What everyone sees now."""
        return self.frame_of(  # type: ignore[misc]
            self.epoch,
            self.tick,
            self.wall_ms(),  # type: ignore[misc]
            self.acks,
            self.encode_view(self.state),  # type: ignore[misc]
            self.tables,
        )
