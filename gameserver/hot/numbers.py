"""Which games' inputs are rows of numbers, which ``hot`` reads without making objects of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

NUMBERS_MAX = 8
"""A row with more is decoded like any other message."""
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_INFINITE = float("inf")


class Number(NamedTuple):
    """A field of a row: of type ``kind``, from ``low`` to ``high``, both included."""

    kind: type[bool] | type[int] | type[float]
    low: int | float
    high: int | float


@lru_cache(maxsize=256)
def numbers_of(input_type: type[Any]) -> tuple[Number, ...] | None:
    """The fields of ``input_type`` in the order of its row; ``None`` where it is no row of whole
    numbers within 64 bits, floats and truth values alone, with no rules but bounds."""
    info = inspect.type_info(input_type)
    if (
        not isinstance(info, inspect.StructType)
        or not info.array_like
        or info.tag is not None
        or not 0 < len(info.fields) <= NUMBERS_MAX
        or hasattr(input_type, "__post_init__")
        or not issubclass(input_type, msgspec.Struct)
    ):
        return None
    numbers = []
    for field in info.fields:
        number = _number(field.type)
        if number is None:
            return None
        numbers.append(number)
    try:
        input_type(*[number.kind(number.low) for number in numbers])
    except TypeError:  # a field that is given by name alone
        return None
    return tuple(numbers)


def _number(kind: inspect.Type) -> Number | None:
    match kind:
        case inspect.BoolType():
            return Number(bool, 0, 1)
        case inspect.IntType(multiple_of=None):
            low = _INT_MIN if kind.ge is None else kind.ge
            high = _INT_MAX if kind.le is None else kind.le
            low = low if kind.gt is None else max(low, kind.gt + 1)
            high = high if kind.lt is None else min(high, kind.lt - 1)
            return Number(int, max(low, _INT_MIN), min(high, _INT_MAX))
        case inspect.FloatType(multiple_of=None, gt=None, lt=None):
            low_real = -_INFINITE if kind.ge is None else kind.ge
            high_real = _INFINITE if kind.le is None else kind.le
            return Number(float, low_real, high_real)
    return None
