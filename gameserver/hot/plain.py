"""What a tick touches of each player, and the two loops over the players of a match.

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
