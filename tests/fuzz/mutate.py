"""Bytes from bytes: damage, joins, and values that nobody expects. Pure: all comes from ``chance``.

Own and small, because of what is fuzzed: a coverage-guided fuzzer of Python (Atheris) sees neither
into msgspec nor into a server in another process, and needs clang to see into what cython compiles;
what these inputs need is to be nearly right, which the generators see to. Coverage of the compiled
modules guides it where ``sanitized`` has built them.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

ODD_BYTES = b'\x00\x01\x7f\x80\x81\x82\xc0\xc1\xcc\xd9\xdd\xdf\xfe\xff"\\{}[],:0-. \r\n\t%/'
ODD_WORDS = (
    b"\r\n\r\n",
    b"\r\n",
    b"\x00",
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"9" * 20,
    b"-0",
    b"1e999",
    b"NaN",
    b"\\u0000",
    b"\\ud800",
    b"\xed\xa0\x80",
    "é🎲\u2028".encode(),
    b"[" * 40,
    b'{"a":' * 20,
    b"%00",
    b"../",
    b'","',
    b'"}]}',
)
ODD_NUMBERS = (0, 1, -1, 2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**53, 2**63, 2**64 - 1, -(2**63))


def mutated(chance: random.Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """``data`` with one to a few changes; ``others``: what else of its kind it may take from."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        _change(chance, made, others)
    return bytes(made)


def _change(chance: random.Random, made: bytearray, others: Sequence[bytes]) -> None:
    size = len(made)
    at = chance.randrange(size + 1)
    end = min(size, at + chance.choice((1, 1, 2, 4, 8, 32, size)))
    match chance.randrange(10):
        case 0 if at < size:
            made[at] ^= 1 << chance.randrange(8)
        case 1 if at < size:
            made[at] = chance.choice(ODD_BYTES)
        case 2:
            made[at:at] = chance.choice(ODD_WORDS)
        case 3:
            del made[at:end]
        case 4:
            made[at:at] = made[at:end] * chance.choice((1, 1, 2, 20))
        case 5:
            del made[at:]
        case 6 if others:
            other = chance.choice(others)
            cut = chance.randrange(len(other) + 1)
            made[at:] = other[cut:]
        case 7 if others:
            other = chance.choice(others)
            cut = chance.randrange(len(other) + 1)
            made[at:at] = other[cut : cut + chance.randrange(1, 40)]
        case 8:
            width = chance.choice((1, 2, 4, 8))
            number = chance.choice(ODD_NUMBERS) % 2 ** (8 * width)
            made[at : at + width] = number.to_bytes(width, chance.choice(("big", "little")))
        case _:
            made[at:at] = chance.randbytes(chance.choice((1, 1, 3, 20)))


def cut(chance: random.Random, data: bytes) -> list[bytes]:
    """``data`` in the pieces in which a network might deliver it."""
    match chance.randrange(4):
        case 0:
            return [data]
        case 1 if len(data) <= 300:
            return [data[at : at + 1] for at in range(len(data))]
        case 2:
            at = chance.randrange(len(data) + 1)
            return [part for part in (data[:at], data[at:]) if part]
    parts = []
    while data:
        size = chance.choice((1, 2, 7, 60, 400, 1500))
        parts.append(data[:size])
        data = data[size:]
    return parts


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def value(chance: random.Random, depth: int = 0) -> Any:
    """Any value that msgpack and JSON can say; some of them large, most of them wrong."""
    if depth < 3 and chance.random() < 0.25:
        count = chance.choice((0, 1, 2, 5, 40))
        if chance.random() < 0.5:
            return [value(chance, depth + 1) for _ in range(count)]
        return {f"k{n}": value(chance, depth + 1) for n in range(count)}
    match chance.randrange(8):
        case 0:
            return None
        case 1:
            return chance.random() < 0.5
        case 2 | 3:
            return chance.choice(ODD_NUMBERS)
        case 4:
            return chance.choice((0.5, -0.0, float("nan"), float("inf"), 1e308, 5e-324))
        case 5:
            return "x" * chance.choice((0, 1, 16, 64, 65, 128, 1000, 5000))
        case 6:
            return chance.choice(("", "\x00", "é🎲", "\u202e", "a/b", "../..", "arena", "1"))
        case _:
            return chance.randrange(-(2**40), 2**40)


def changed_value(chance: random.Random, given: Any) -> Any:
    """A decoded message with one of its parts replaced, dropped, doubled or wrapped."""
    if isinstance(given, dict) and given:
        made = dict(given)
        key = chance.choice([*made])
        match chance.randrange(4):
            case 0:
                del made[key]
            case 1:
                made[chance.choice(("type", "extra", "", key + " ", "K" * 200))] = value(chance)
            case 2:
                made[key] = changed_value(chance, made[key])
            case _:
                made[key] = value(chance)
        return made
    if isinstance(given, list) and given:
        parts = list(given)
        at = chance.randrange(len(parts))
        match chance.randrange(5):
            case 0:
                del parts[at]
            case 1:
                parts.insert(at, value(chance))
            case 2:
                parts[at] = changed_value(chance, parts[at])
            case 3:
                parts += parts * chance.choice((1, 3))
            case _:
                parts[at] = value(chance)
        return parts
    return value(chance)


def packed(chance: random.Random, given: Any) -> bytes:
    """msgpack, now and then with lengths in a longer form than need be, or nested for ever."""
    match chance.randrange(12):
        case 0:
            return b"\x91" * chance.choice((10, 600, 12_000)) + b"\xc0"
        case 1:
            return struct.pack("!BI", 0xDD, chance.choice((2**32 - 1, 2**24, 5))) + b"\x01\x01"
        case 2:
            return struct.pack("!BI", 0xDB, chance.choice((2**32 - 1, 2**20, 3))) + b"abc"
        case 3:
            return b"\xc7\x04\x05abcd"
    return msgspec.msgpack.encode(given)


def written(chance: random.Random, given: Any) -> bytes:
    """JSON as anybody may write it: escapes, NaN, keys twice, nested for ever."""
    text = json.dumps(given, ensure_ascii=chance.random() < 0.5).encode()
    match chance.randrange(12):
        case 0:
            return text.replace(b"{", b'{"type":"ping",', 1)
        case 1:
            return b'{"type":' * chance.choice((10, 600, 12_000)) + b"1"
        case 2:
            return text.replace(b":", b": \t\n")
        case 3:
            return text.replace(b"a", b"\\u0061")
        case 4:
            return b"\xef\xbb\xbf" + text
        case 5:
            digits = chance.choice((20, 400, 5000))
            return text.replace(b"1", b"1" * digits, 1)
    return text
