"""The durable state of a match: everything another node needs to continue it.

It is made at the moment of a flush, in one go, so that ``event_seq`` and ``state`` belong together:
each event up to ``event_seq`` has happened to this state, and none after it.
"""

from __future__ import annotations

import msgspec

from gameserver.errors import GameServerError
from gameserver.game import packed
from gameserver.hosting import Terms
from gameserver.matchmaking import Booking

FORMAT = 2
"""Raised when an older server could not read what a newer one writes. 2: the match is recorded;
others are still written as 1."""
FORMAT_UNRECORDED = 1

NO_STATE = msgspec.Raw(msgspec.msgpack.encode(None))
"""The state of an ended match, which nobody steps again."""


class SeatHolder(msgspec.Struct, frozen=True, array_like=True):
    """One player with a seat. ``input_seq`` is the last input that the state holds."""

    seat: int
    player: str
    name: str
    groups: tuple[str, ...]
    input_seq: int
    team: int = 0
    role: str = ""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """Of the chat. ``team``: whom it was for; ``None``: everyone."""

    number: int
    seat: int
    player: str
    name: str
    text: str
    team: str | None
    at_ms: int


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What a match's company has said and decided. ``line``: the last number given; ``mutes``: whom
    each player does not hear; ``pauses``: how many there were. Times in ms of wall time, 0: none.
    ``yes``, ``no``: who wants a rematch."""

    lines: list[Line] = []
    line: int = 0
    mutes: dict[str, list[str]] = {}
    pauses: int = 0
    pause_until_ms: int = 0
    rematch_until_ms: int = 0
    yes: list[str] = []
    no: list[str] = []


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """How far a recording has come: its last chunk's ``number``, and the ``entry_seq`` of the last
    outbox entry, which differs from ``event_seq`` because chunks are entries too."""

    number: int
    entry_seq: int


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Times in ms: ``time_ms`` is match time, ``created_ms`` wall time. ``random`` is the state
    of the match's generator. ``ended`` is the reason, or ``None`` while the match is played;
    ``booking``: for whom matchmaking has made it; ``recorded``: ``None`` where the match is not;
    ``terms``: what the player who created it has settled; ``company``: chat and votes, where the
    game has them."""

    format: int = FORMAT_UNRECORDED
    match: str
    game: str
    mode: str
    players_max: int
    created_ms: int
    tick: int
    time_ms: int
    event_seq: int
    random: int
    state: msgspec.Raw
    seats: list[SeatHolder]
    ended: str | None = None
    booking: Booking | None = None
    recorded: Recorded | None = None
    terms: Terms | None = None
    company: Kept | None = None

    @property
    def entry_seq(self) -> int:
        """The last outbox entry."""
        return self.event_seq if self.recorded is None else self.recorded.entry_seq


class BadCheckpoint(GameServerError):
    """A checkpoint is damaged, or newer than this server."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkpoint).decode


def encode_state(state: msgspec.Struct) -> msgspec.Raw:
    """A game's state. Raises whatever msgspec raises for a value it cannot encode."""
    return msgspec.Raw(packed.encode(state))


def decode_state(encoded: msgspec.Raw, state_type: type[msgspec.Struct]) -> msgspec.Struct:
    """Raises ``BadCheckpoint`` where the game's ``State`` does not fit what was stored."""
    try:
        return packed.decode(encoded, state_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadCheckpoint(f"state: {error}") from error


def encode(checkpoint: Checkpoint) -> bytes:
    return _encode(checkpoint)


def decode(encoded: bytes) -> Checkpoint:
    """Raises ``BadCheckpoint``."""
    try:
        checkpoint = _decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadCheckpoint(f"checkpoint: {error}") from error
    if checkpoint.format > FORMAT:
        raise BadCheckpoint(
            f"checkpoint: format {checkpoint.format} is newer than this server's {FORMAT}"
        )
    return checkpoint
