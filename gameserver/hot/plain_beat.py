"""What a step touches of its match, and the loop over the matches whose turn it is.

    step_all ──► Beat.step: collect ──► the rules ──► acknowledge ──► one frame ──► spread

This module states the meaning and is complete. ``_beat`` does the same in C.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gameserver.hot.plain import Given, Member, acknowledge, collect, spread


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
