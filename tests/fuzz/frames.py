"""What follows a handshake: frames by RFC 6455 and against it, with messages good and bad inside.

A stream of bytes is all there is to a case, so that it can be cut anywhere and made smaller."""

from __future__ import annotations

import random
import struct

import msgspec

from gameserver.wire.codec import Format
from gameserver.wire.ws_frame import apply_mask
from tests.fuzz import corpus, mutate

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
CLOSE_CODES = (0, 999, 1000, 1001, 1004, 1005, 1006, 1007, 1012, 1014, 1015, 2999, 3000, 4999, 5000)
LENGTHS = (0, 1, 2, 5, 124, 125, 126, 127, 128, 400, 401, 4095, 65_535, 65_536)


def frame(
    chance: random.Random,
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    width: int | None = None,
    claim: int | None = None,
) -> bytes:
    """``width``: bytes of the extended length, 0, 2 or 8; ``claim``: another length than it has."""
    length = len(payload) if claim is None else claim
    if width is None:
        width = 0 if length < 126 else 2 if length < 65_536 else 8
    short = {0: length & 0x7F, 2: 126, 8: 127}[width]
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if masked else 0) | short))
    if width:
        head += (length % 2 ** (8 * width)).to_bytes(width, "big")
    if not masked:
        return head + payload
    mask = chance.randbytes(4)
    return head + mask + apply_mask(payload, mask)


def message(chance: random.Random, format: Format) -> bytes:
    """A payload: often a message of the protocol with something wrong in it."""
    known = chance.choice(corpus.messages(format))
    match chance.randrange(6):
        case 0:
            return known
        case 1:
            return mutate.mutated(chance, known, corpus.messages(format))
        case 2:
            given = mutate.value(chance)
        case _:
            decode = msgspec.json.decode if format is Format.JSON else msgspec.msgpack.decode
            try:
                given = mutate.changed_value(chance, decode(known))
            except (msgspec.DecodeError, UnicodeDecodeError):
                given = mutate.value(chance)
    try:
        if format is Format.JSON:
            return mutate.written(chance, given)
        return mutate.packed(chance, given)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return known


def stream(chance: random.Random, format: Format, *, payload_max: int) -> bytes:
    """A few frames, most of them in order."""
    parts = [_some(chance, format, payload_max) for _ in range(chance.choice((1, 1, 2, 3, 6)))]
    made = b"".join(parts)
    if chance.random() < 0.15:
        made = mutate.mutated(chance, made, (made,))
    return made


def messages(chance: random.Random, format: Format) -> bytes:
    """Whole frames, each with a message that may be bad: what a session sees."""
    opcode = TEXT if format is Format.JSON else BINARY
    count = chance.choice((1, 2, 4, 8))
    return b"".join(frame(chance, opcode, message(chance, format)) for _ in range(count))


def _some(chance: random.Random, format: Format, payload_max: int) -> bytes:
    own = TEXT if format is Format.JSON else BINARY
    payload = message(chance, format)
    match chance.randrange(16):
        case 0 | 1 | 2 | 3:
            return frame(chance, own, payload)
        case 4:
            return frame(chance, chance.randrange(16), payload, rsv=chance.randrange(8))
        case 5:
            return frame(chance, own, payload, masked=False)
        case 6:
            return frame(chance, own, payload, width=chance.choice((2, 8)))
        case 7:
            lie = chance.choice((*LENGTHS, payload_max, payload_max + 1, 2**31, 2**62, 2**63))
            return frame(chance, own, payload, width=chance.choice((0, 2, 8)), claim=lie)
        case 8 | 9:
            return _fragments(chance, own, payload)
        case 10:
            return frame(
                chance,
                chance.choice((PING, PONG)),
                chance.randbytes(chance.choice((0, 5, 125, 126, 300))),
            )
        case 11:
            return frame(chance, chance.choice((CLOSE, PING, PONG)), payload[:125], fin=False)
        case 12:
            code = chance.choice(CLOSE_CODES)
            reason = chance.choice((b"", b"bye", b"\xff\xfe", b"x" * 123, b"x" * 124))
            return frame(chance, CLOSE, struct.pack("!H", code) + reason)
        case 13:
            return frame(chance, CLOSE, chance.choice((b"", b"x")))
        case 14:
            broken = chance.choice((b"\xff", b"\xed\xa0\x80", b"\xc3", b'"\xf5\x80\x80\x80"'))
            return frame(chance, TEXT, broken)
        case _:
            size = chance.choice((*LENGTHS[:11], payload_max - 1, payload_max, payload_max + 1))
            return frame(chance, own, bytes(size))


def _fragments(chance: random.Random, opcode: int, payload: bytes) -> bytes:
    """One message in several frames, perhaps with something in between, perhaps without an end."""
    count = chance.choice((2, 2, 3, 5, 70))
    step = max(1, len(payload) // count)
    made = frame(chance, opcode, payload[:step], fin=False)
    for number in range(1, count):
        if chance.random() < 0.2:
            made += frame(chance, chance.choice((PING, PONG, opcode)), b"between")
        last = number == count - 1
        part = payload[step * number :] if last else payload[step * number : step * (number + 1)]
        made += frame(chance, CONT, part, fin=last and chance.random() < 0.9)
    return made
