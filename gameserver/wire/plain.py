"""What msgspec's types alone do not refuse in a client's values.

A float may be NaN or infinite in msgpack, an ``int`` may have thousands of digits in JSON, and a
value of type ``Any`` may be nested hundreds deep. Each of them would break a game's arithmetic or
the encoding of its state long after the message was accepted, so they are refused at the door.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec
from msgspec import inspect

DEPTH_MAX = 32
INT_MIN, INT_MAX = -(2**63), 2**64 - 1
"""What msgpack can hold."""


class Unfit(ValueError):
    """A value that decodes but must not reach a game."""


def check(value: Any, depth: int = 0) -> None:
    """Raise ``Unfit`` for a number out of bounds or nesting beyond ``DEPTH_MAX``."""
    if isinstance(value, float):
        if not isfinite(value):
            raise Unfit("a number is NaN or infinite")
    elif isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise Unfit("a whole number takes more than 64 bits")
    elif depth == DEPTH_MAX:
        raise Unfit(f"nested deeper than {DEPTH_MAX}")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            check(getattr(value, name), depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            check(key, depth + 1)
            check(item, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            check(item, depth + 1)


_PLAIN = (
    inspect.NoneType,
    inspect.BoolType,
    inspect.StrType,
    inspect.BytesType,
    inspect.EnumType,
    inspect.LiteralType,
)


def needs_check(data_type: Any, *, json: bool) -> bool:
    """False where the types of a flat Struct say enough, so that the commonest inputs pay nothing.

    msgspec's bounds refuse NaN too; an ``int`` in msgpack has 64 bits at most.
    """
    kind = inspect.type_info(data_type)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return not all(
        isinstance(each, inspect.StructType)
        and all(_is_safe(field.type, json=json) for field in each.fields)
        for each in kinds
    )


def _is_safe(kind: inspect.Type, *, json: bool) -> bool:
    match kind:
        case inspect.IntType() if not json:
            return True
        case inspect.IntType() | inspect.FloatType():
            lowest = kind.ge if kind.ge is not None else kind.gt
            highest = kind.le if kind.le is not None else kind.lt
            return lowest is not None and highest is not None
        case inspect.UnionType():
            return all(_is_safe(each, json=json) for each in kind.types)
        case _:
            return isinstance(kind, _PLAIN)
