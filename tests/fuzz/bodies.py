"""Bodies of SQS messages: bundles of records, damaged where it may matter to who cuts them."""

from __future__ import annotations

import json
import random

from tests.fuzz import corpus, mutate

NUMBERS = (
    b"0",
    b"-0",
    b"01",
    b"1.0",
    b"1e3",
    b"9" * 18,
    b"9" * 19,
    b"9007199254740991",
    b"9007199254740992",
    b"253402300799999",
    b"253402300800000",
    b"-1",
    b"+1",
    b"",
    b"null",
)
FIELDS = (b'"seq":', b'"epoch":', b'"tick":', b'"at_ms":', b'"player":', b'"v":', b'"number":')
BEGINS = (
    b'{"v":1,"records":[',
    b'{"v":1,"records":[',
    b'{"v":1, "records":[',
    b'{"records":[',
    b'{"v":2,"records":[',
    b"",
)
ENDS = (b"]}", b"]}", b"]}", b"]", b"", b"]}]}", b"],}", b"]} ", b",]}", b']},"x":1}')


def body(chance: random.Random) -> bytes:
    """One body; it need not be UTF-8 (``as_text`` says what becomes of it then)."""
    match chance.randrange(6):
        case 0:
            return mutate.mutated(chance, chance.choice(corpus.bodies()), corpus.bodies())
        case 1:
            whole = chance.choice(corpus.bodies())
            return whole[: chance.randrange(len(whole) + 1)]
    parts = [record(chance) for _ in range(chance.choice((0, 1, 1, 2, 4)))]
    return chance.choice(BEGINS) + b",".join(parts) + chance.choice(ENDS)


def record(chance: random.Random) -> bytes:
    """One record, more often right than not."""
    known = chance.choice(corpus.records())
    match chance.randrange(8):
        case 0 | 1:
            return known
        case 2:
            return mutate.mutated(chance, known, corpus.records())
        case 3:
            return known[: chance.randrange(len(known) + 1)]
        case 4:
            return _other_number(chance, known)
        case 5:
            return _other_data(chance, known)
        case 6:
            fields = list(json.loads(known).items())
            chance.shuffle(fields)
            return mutate.written(chance, dict(fields))
    return mutate.written(chance, mutate.changed_value(chance, json.loads(known)))


def _other_number(chance: random.Random, known: bytes) -> bytes:
    field = chance.choice(FIELDS)
    before, found, after = known.partition(field)
    if not found:
        return known
    end = min(at for at in (after.find(b","), after.find(b"}"), len(after)) if at >= 0)
    return before + field + chance.choice(NUMBERS) + after[end:]


def _other_data(chance: random.Random, known: bytes) -> bytes:
    """Data of a form that the compiled way may or may not take: order, escapes, depth, size."""
    before, found, _ = known.partition(b'"data":')
    if not found:
        return known
    keys = [
        chance.choice((b"a", b"aa", b"b", b"z", b"\xc3\xa9", b"\\u0061", b"\x7f", b""))
        for _ in range(chance.choice((0, 1, 2, 3)))
    ]
    if chance.random() < 0.6:
        keys = sorted(set(keys))
    inside = b",".join(b'"%s":%s' % (key, _json(chance)) for key in keys)
    return before + found + b"{" + inside + b"}}"


def _json(chance: random.Random) -> bytes:
    match chance.randrange(8):
        case 0:
            return chance.choice(NUMBERS)
        case 1:
            return chance.choice((b"true", b"false", b"null", b"tru", b"nul", b"NaN"))
        case 2:
            depth = chance.choice((1, 2, 30, 31, 32, 33, 34, 200))
            return b"[" * depth + b"]" * depth
        case 3:
            depth = chance.choice((1, 31, 32, 33))
            return b'{"a":' * depth + b"1" + b"}" * depth
        case 4:
            return b'"%s"' % (b"x" * chance.choice((0, 1, 100, 65_000, 65_536)))
        case 5:
            return b'"%s"' % chance.choice(mutate.ODD_WORDS)
        case 6:
            return b"[1,%s]" % chance.choice(NUMBERS)
    return b'"\xc3\xa9"'


def as_text(data: bytes) -> str:
    """As a body reaches the worker: bytes that are no UTF-8 become lone surrogates."""
    return data.decode(errors="surrogateescape")
