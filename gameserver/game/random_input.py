"""Random inputs of a game, made from the type alone: anything that a client could get through.

Bounds are met exactly, and often: the smallest and the largest value, the empty and the longest
string, infinities and NaN where a float has no bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

from gameserver.game.random import SeededRandom

_DEPTH_MAX = 6
_LENGTH_MAX = 64  # of strings and lists without a bound
_LETTERS = "abcXYZ019 _-/\\\"'<&\n\t\x00é§Ω漢🎲"
_ANYTHING: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**64 - 1,
    0.5,
    "",
    "text",
    [],
    [1, [2]],
    {},
    {"key": {"x": None}},
)


class CannotGenerate(Exception):
    """The type says too little, or more than can be guessed (a pattern)."""


def input_maker(kind: type[msgspec.Struct]) -> Callable[[SeededRandom], Any]:
    """A function that makes instances of ``kind`` as if decoded from the wire.

    It raises ``CannotGenerate`` for what it cannot make: give ``check`` a ``make_input`` then.
    """
    info = inspect.type_info(kind)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(kind).decode

    def make(random: SeededRandom) -> Any:
        value = _value(info, random, 0)
        try:
            return decode(encode(value))
        except msgspec.ValidationError as error:
            raise CannotGenerate(
                f"a random {kind.__name__} did not pass its own validation ({error})"
            ) from None

    return make


def _value(kind: inspect.Type, random: SeededRandom, depth: int) -> Any:
    match kind:
        case inspect.Metadata(type=inner):
            return _value(inner, random, depth)
        case inspect.NoneType():
            return None
        case inspect.BoolType():
            return bool(random.below(2))
        case inspect.IntType():
            return _int(kind, random)
        case inspect.FloatType():
            return _float(kind, random)
        case inspect.StrType(min_length=least, max_length=most):
            return "".join(random.choice(_LETTERS) for _ in range(_length(least, most, random)))
        case inspect.BytesType(min_length=least, max_length=most):
            return bytes(random.below(256) for _ in range(_length(least, most, random)))
        case inspect.LiteralType(values=values):
            return random.choice(values)
        case inspect.EnumType(cls=members):
            return random.choice(list(members))
        case inspect.UnionType(types=types):
            # Deep down, nothing ends a type that holds itself.
            nothing = [part for part in types if isinstance(part, inspect.NoneType)]
            return _value(random.choice((depth > 3 and nothing) or types), random, depth)
        case inspect.AnyType():
            return random.choice(_ANYTHING)
        case inspect.RawType():
            return msgspec.Raw(msgspec.msgpack.encode(random.choice(_ANYTHING)))
        case _:
            return _container(kind, random, depth + 1)


def _container(kind: inspect.Type, random: SeededRandom, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise CannotGenerate("the Input type holds itself without an optional in between")
    match kind:
        case inspect.TupleType(item_types=types):
            return tuple(_value(part, random, depth) for part in types)
        case inspect.CollectionType(item_type=item, min_length=least, max_length=most):
            length = _length(least, min(most or 8, 256), random)
            return [_value(item, random, depth) for _ in range(length)]
        case inspect.DictType(key_type=key, value_type=value, min_length=least, max_length=most):
            length = _length(least, min(most or 8, 256), random)
            return {_value(key, random, depth): _value(value, random, depth) for _ in range(length)}
        case (
            inspect.StructType(fields=fields, cls=cls)
            | inspect.DataclassType(fields=fields, cls=cls)
        ):
            return cls(**_fields(fields, random, depth))
        case inspect.TypedDictType(fields=fields):
            return _fields(fields, random, depth)
        case inspect.NamedTupleType(fields=fields, cls=cls):
            return cls(**_fields(fields, random, depth))
        case _:
            raise CannotGenerate(f"no random values are known for {type(kind).__name__}")


def _fields(fields: tuple[inspect.Field, ...], random: SeededRandom, depth: int) -> dict[str, Any]:
    return {
        field.name: _value(field.type, random, depth)
        for field in fields
        if field.required or random.below(4)
    }


def _int(kind: inspect.IntType, random: SeededRandom) -> int:
    low = -(2**63) if kind.ge is None else int(kind.ge)
    high = 2**64 - 1 if kind.le is None else int(kind.le)
    low = low if kind.gt is None else int(kind.gt) + 1
    high = high if kind.lt is None else int(kind.lt) - 1
    near = [edge for edge in (low, high, -1, 0, 1) if low <= edge <= high]
    if random.below(3) == 0:
        value: int = random.choice(near)
    else:
        value = low + random.below(min(high - low + 1, 2**64))
    if kind.multiple_of:
        value -= value % int(kind.multiple_of)
    return value


def _float(kind: inspect.FloatType, random: SeededRandom) -> float:
    low = kind.ge if kind.ge is not None else kind.gt
    high = kind.le if kind.le is not None else kind.lt
    if low is None and high is None:
        odd = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, 5e-324)
        return random.choice(odd) if random.below(4) == 0 else (random.unit() - 0.5) * 1e6
    low = low if low is not None else min(-1e9, high or 0.0)
    high = high if high is not None else max(1e9, low)
    if random.below(4) == 0:
        edges = [edge for edge in (kind.ge, kind.le) if edge is not None]
        if edges:
            return float(random.choice(edges))
    return low + (high - low) * (random.unit() or 0.5)


def _length(least: int | None, most: int | None, random: SeededRandom) -> int:
    low = least or 0
    high = max(low, _LENGTH_MAX) if most is None else most
    if random.below(4) == 0:
        return random.choice((low, high))  # type: ignore[no-any-return]
    return random.between(low, min(high, low + 12))
