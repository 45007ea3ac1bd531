"""Which parts of a view are tables of entities, told from the types alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import inspect


def tables(view: type[msgspec.Struct]) -> frozenset[str]:
    """The names of the fields of ``view`` that are annotated ``dict[str | int, Struct]``
    (or with a union of tagged Structs).

    Clients are sent the changed entities of a table one by one; other fields whole. Names as in
    Python, also where the Struct renames its fields.
    """
    return _tables(view)


@cache
def _tables(view: Any) -> frozenset[str]:
    info = inspect.type_info(view)
    assert isinstance(info, inspect.StructType)
    return frozenset(field.name for field in info.fields if _is_table(field.type))


def _is_table(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    return (
        isinstance(kind, inspect.DictType)
        and all(isinstance(key, inspect.StrType | inspect.IntType) for key in _each(kind.key_type))
        and all(isinstance(value, inspect.StructType) for value in _each(kind.value_type))
    )


def _each(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)
