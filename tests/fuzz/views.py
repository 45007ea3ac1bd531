"""Pairs of encoded views, one after the other in the bytes of one case."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from tests.fuzz import mutate

TABLES = ("one", "two")
_encode = msgspec.msgpack.Encoder().encode
ENCODED_TABLES = frozenset(map(_encode, TABLES))


def joined(old: bytes, new: bytes) -> bytes:
    """One case of two views."""
    return len(old).to_bytes(4, "big") + old + new


def parted(case: bytes) -> tuple[bytes, bytes]:
    """The two views of a case, whatever its bytes are."""
    middle = 4 + int.from_bytes(case[:4], "big")
    return case[4:middle], case[middle:]


def pair(chance: random.Random) -> bytes:
    """A view and a later one; mostly good, else damaged, because it came from another node."""
    old = _view(chance)
    new = _later(chance, old)
    encoded, later = _encode(old), _encode(new)
    if chance.random() < 0.4:
        later = mutate.mutated(chance, later, (encoded,))
    if chance.random() < 0.2:
        encoded = mutate.mutated(chance, encoded, (later,))
    return joined(encoded, later)


def _view(chance: random.Random) -> dict[str, Any]:
    made = {"clock": chance.randrange(4), "note": mutate.value(chance), "pad": "x" * 20}
    for name in TABLES:
        count = chance.choice((0, 1, 3, 15, 16, 17, 70))
        made[name] = {_key(chance, name): _entity(chance) for _ in range(count)}
    if chance.random() < 0.1:
        made.pop(chance.choice([*made]))
    return made


def _key(chance: random.Random, table: str) -> int | str:
    if table == "one":
        return chance.choice((chance.randrange(100), chance.randrange(-(2**33), 2**33)))
    return "k" * chance.choice((0, 1, 31, 32, 40)) + str(chance.randrange(100))


def _entity(chance: random.Random) -> Any:
    return [chance.randrange(300), mutate.value(chance, 2) if chance.random() < 0.1 else None]


def _later(chance: random.Random, view: dict[str, Any]) -> dict[str, Any]:
    made = dict(view)
    for name in TABLES:
        if name not in made:
            continue
        rows = [row for row in made[name].items() if chance.random() < 0.8]
        if chance.random() < 0.3:
            chance.shuffle(rows)
        table = dict(rows)
        for _ in range(chance.choice((0, 0, 1, 20))):
            table[_key(chance, name)] = _entity(chance)
        made[name] = table
    if chance.random() < 0.3:
        made["note"] = mutate.value(chance)
    return made
