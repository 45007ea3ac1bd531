"""What a recorded match consumed, as bytes: pure.

    match ──calls──► Tape ──pack──► pieces of at most PIECE_BYTES_MAX ──► Chunk.body

The ops of a chunk are one msgpack array, deflated, and cut into as many pieces as it takes. Only
calls of the game are recorded: with the setup in the first chunk they give every state again. A
body is sealed as a whole before it is stored (``envelope``); here it is open.

    [0, count]                               steps without inputs, of a game with a tick rate
    [1, inputs]                              a step; inputs = [[seat, seq, data], …]
    [2, inputs, time_ms]                     a step of a game without a tick rate
    [3, time_ms, seat, id, name, groups]     a player joins; who is refused is not recorded
    [4, time_ms, seat, reason]               the player of a seat leaves
    [5, time_ms, reason, closed]             the server ends the match: abandoned, or game_error
    [6, time_ms, message]                    an operator speaks to the game
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from gameserver.errors import GameServerError
from gameserver.game.contract import PlayerInput

PIECE_BYTES_MAX = 44_400
"""Of a body: sealed and as base64, with what stands around it, below
``event_record.RECORD_BYTES_MAX``."""
CHUNK_BYTES_MAX = 64 * 1024 * 1024
"""Of one chunk's ops inflated: no server writes larger ones."""
_LEVEL, _WINDOW_BITS, _MEMORY = 3, 12, 5
"""Small tables, because most chunks are of one or two KB: half the CPU of zlib's defaults."""

_ARRAY_32 = b"\xdd"


class BadRecording(GameServerError):
    """A recording is damaged, has a gap, or is of another kind than this server's."""


class Idle(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """So many steps without inputs."""

    count: int


class Step(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A step with inputs, each (seat, seq, data)."""

    inputs: list[tuple[int, int, msgspec.Raw]]


class TimedStep(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A step at match time ``time_ms``."""

    inputs: list[tuple[int, int, msgspec.Raw]]
    time_ms: int


class Join(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A player has taken a seat."""

    time_ms: int
    seat: int
    player: str
    name: str
    groups: tuple[str, ...]
    team: int = 0
    role: str = ""


class Leave(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The player of a seat has left; ``reason`` is a ``LeaveReason``."""

    time_ms: int
    seat: int
    reason: str


class End(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The server, not the game, has ended the match. ``closed``: the reason that an operator told
    its players, with the key event ``match_closed``."""

    time_ms: int
    reason: str
    closed: str = ""


class Signal(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """An operator has spoken to the game."""

    time_ms: int
    message: msgspec.Raw


Op = Idle | Step | TimedStep | Join | Leave | End | Signal

_encoder = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(list[Op]).decode
_STEP, _TIMED_STEP = 1, 2


class Tape:
    """Ops in the making. A step costs one encoding: what a player sent may be kept and changed by
    the game, so that it cannot wait until the chunk is closed."""

    __slots__ = ("_buffer", "_count", "_idle", "_timed", "steps")

    def __init__(self, *, timed: bool) -> None:
        self._timed = timed
        self._buffer = bytearray()
        self._count = 0
        self._idle = 0
        self.steps = 0
        """How many of the ops are steps."""

    def __len__(self) -> int:
        """Bytes so far."""
        return len(self._buffer)

    def __bool__(self) -> bool:
        """Whether there is anything on it."""
        return bool(self._count or self._idle)

    def step(self, inputs: Sequence[PlayerInput[Any]], time_ms: int) -> None:
        """``time_ms`` counts only where the game has no tick rate."""
        self.steps += 1
        if self._timed:
            given = [(one.seat, one.seq, one.data) for one in inputs]
            _encoder.encode_into((_TIMED_STEP, given, time_ms), self._buffer, -1)
            self._count += 1
        elif inputs:
            if self._idle:
                self._rest()
            given = [(one.seat, one.seq, one.data) for one in inputs]
            _encoder.encode_into((_STEP, given), self._buffer, -1)
            self._count += 1
        else:
            self._idle += 1

    def add(self, op: Join | Leave | End | Signal) -> None:
        self._rest()
        _encoder.encode_into(op, self._buffer, -1)
        self._count += 1

    def _rest(self) -> None:
        if self._idle:
            idle, self._idle = self._idle, 0
            _encoder.encode_into(Idle(idle), self._buffer, -1)
            self._count += 1

    def take(self) -> list[bytes]:
        """All ops as pieces of a body, at least one; the tape is empty again."""
        self._rest()
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY)
        packed = packer.compress(_ARRAY_32 + self._count.to_bytes(4, "big") + self._buffer)
        packed += packer.flush()
        self._buffer.clear()
        self._count = self.steps = 0
        return [
            packed[start : start + PIECE_BYTES_MAX]
            for start in range(0, len(packed), PIECE_BYTES_MAX)
        ]


def pack(ops: Sequence[Op]) -> list[bytes]:
    """The pieces of a chunk that holds ``ops``."""
    tape = Tape(timed=False)
    tape._buffer += b"".join(map(_encoder.encode, ops))
    tape._count = len(ops)
    return tape.take()


def unpack(pieces: Sequence[bytes]) -> list[Op]:
    """The ops of a chunk. Raises ``BadRecording``."""
    unpacker = zlib.decompressobj()
    try:
        inflated = unpacker.decompress(b"".join(pieces), CHUNK_BYTES_MAX)
        if unpacker.unconsumed_tail:
            raise BadRecording(f"a chunk holds more than {CHUNK_BYTES_MAX} bytes")
        if not unpacker.eof:
            raise BadRecording("a chunk's body is cut off")
        return _decode(inflated)
    except (zlib.error, msgspec.DecodeError, RecursionError) as error:
        raise BadRecording(f"a chunk's body cannot be read: {error}") from error


def decoder(input_type: type[Any]) -> msgspec.msgpack.Decoder[Any]:
    """For the data of inputs."""
    return msgspec.msgpack.Decoder(input_type)


def state_digest(state: bytes | msgspec.Raw, random: int) -> bytes:
    """16 bytes that name a state: of what a checkpoint keeps of it, and of the generator."""
    made = blake2b(state, digest_size=16)
    made.update(random.to_bytes(8, "big"))
    return made.digest()
