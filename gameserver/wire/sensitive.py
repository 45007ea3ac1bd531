"""Marks fields that tell of a person: they are encrypted before they leave the process::

    class Said(msgspec.Struct, tag="said"):
        text: Annotated[str, Sensitive]

Names of players are, ids of players are not.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import Meta, inspect

_MARK = "sensitive"
_TYPES_MAX = 1_024

Sensitive = Meta(extra={_MARK: True})
"""Goes with other bounds too: ``Annotated[str, Meta(max_length=200), Sensitive]``."""


@lru_cache(maxsize=_TYPES_MAX)
def sensitive_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of ``kind``, by their encoded names, that are marked or hold a marked part."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple(field.encode_name for field in info.fields if _marked(field.type))


def _marked(info: inspect.Type) -> bool:
    waiting, entered = [info], set()
    while waiting:
        match waiting.pop():
            case inspect.Metadata(type=inner, extra=extra):
                if extra and extra.get(_MARK):
                    return True
                waiting.append(inner)
            case inspect.StructType(cls=cls, fields=fields) if cls not in entered:
                entered.add(cls)
                waiting += [field.type for field in fields]
            case inspect.DictType(key_type=key, value_type=value):
                waiting += [key, value]
            case inspect.CollectionType(item_type=item):
                waiting.append(item)
            case inspect.TupleType(item_types=items):
                waiting += items
            case inspect.UnionType(types=types):
                waiting += types
            case _:
                pass
    return False
