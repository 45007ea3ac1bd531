"""One view, encoded and comparable: what differs from an earlier one.

    view ──msgpack──► {plain field: value, table: {key: entity}, …}

``Cut.whole`` is that map. ``changes`` walks two of them side by side: plain fields are compared as
wholes, tables entity by entity, all by their bytes, so that nothing is decoded.

This class states the meaning and is complete. ``_cut`` does the same in C, on the bytes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import inspect

_encode = msgspec.msgpack.Encoder().encode
_Key = int | str
_decode_whole = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_table = msgspec.msgpack.Decoder(dict[_Key, msgspec.Raw]).decode

DELTA_EXTRA_BYTES = 16
"""More than a delta has on top of its parts: the number of its base, and three maps' headers."""


class PlainCut:
    """The msgpack map ``whole`` of a view, whose fields named in ``tables`` are tables."""

    __slots__ = ("_plain", "_tables", "tables", "whole")

    def __init__(self, whole: bytes, tables: frozenset[bytes]) -> None:
        self.whole = whole
        self.tables = tables
        """The names as they stand in ``whole``: encoded."""
        self._plain: dict[str, msgspec.Raw] | None = None
        self._tables: dict[str, dict[_Key, msgspec.Raw]] = {}

    def changes(self, base: PlainCut) -> bytes | None:
        """The three msgpack maps ``fields``, ``entities`` and ``removed`` of a ``Delta`` against
        ``base``, one after the other. ``None`` where a delta would not be the shorter message, or
        ``base`` has other fields. Raises ``ValueError`` for bytes that are not of a view.
        """
        plain, tables = self._parts()
        old_plain, old_tables = base._parts()
        if [*plain] != [*old_plain] or [*tables] != [*old_tables]:
            return None
        fields = {name: part for name, part in plain.items() if part != old_plain[name]}
        entities: dict[str, dict[_Key, msgspec.Raw]] = {}
        removed: dict[str, list[_Key]] = {}
        for name, table in tables.items():
            old = old_tables[name]
            if changed := {key: part for key, part in table.items() if part != old.get(key)}:
                entities[name] = changed
            if gone := [key for key in old if key not in table]:
                removed[name] = gone
        made = _encode(fields) + _encode(entities) + _encode(removed)
        return made if len(made) + DELTA_EXTRA_BYTES < len(self.whole) else None

    def _parts(self) -> tuple[Mapping[str, msgspec.Raw], Mapping[str, Mapping[_Key, msgspec.Raw]]]:
        if self._plain is None:
            plain = _decode_whole(self.whole)
            for name in [name for name in plain if _encode(name) in self.tables]:
                self._tables[name] = _decode_table(plain.pop(name))
            self._plain = plain
        return self._plain, self._tables


@lru_cache(maxsize=256)
def tables_of(view_type: type[msgspec.Struct]) -> frozenset[bytes]:
    """Which fields of a View are tables (``dict[str | int, Struct]``): their encoded names."""
    info = inspect.type_info(view_type)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"a view must be a msgspec Struct, not {view_type!r}")
    return frozenset(_encode(field.encode_name) for field in info.fields if _is_table(field.type))


def _is_table(kind: inspect.Type) -> bool:
    return (
        isinstance(kind, inspect.DictType)
        and all(isinstance(key, inspect.StrType | inspect.IntType) for key in _each(kind.key_type))
        and all(isinstance(value, inspect.StructType) for value in _each(kind.value_type))
    )


def _each(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


if TYPE_CHECKING:
    Cut = PlainCut
else:
    try:
        from gameserver.wire._cut import Cut
    except ImportError:
        Cut = PlainCut
