"""What a game's clients send and see, as JSON Schema (2020-12), told from its types.

Struct docstrings become descriptions. A Struct that is ``array_like`` is an array in JSON too: its
items have their fields' names as titles, so that tools can name them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from gameserver.game.contract import AnyGame
from gameserver.game.validate import event_kinds, find_types

Json = dict[str, Any]
_REF = "#/$defs/{name}"


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    """Schemas by part; they refer into ``defs``. ``events`` by kind: what is in their ``data``."""

    input: Json
    view: Json
    events: dict[str, Json]
    result: Json | None
    defs: dict[str, Json]


def messages(game: type[AnyGame]) -> Messages:
    """The schemas of a valid game. A type that JSON Schema cannot state allows anything."""
    kinds = {kind: event for event, kind in event_kinds(game).items()}
    parts = [game.Input, game.View, *kinds.values()]
    if game.Result is not None:
        parts.append(game.Result)
    structs = {struct: None for part in parts for struct in _structs(part)}
    try:
        shown, defs = msgspec.json.schema_components(list(structs), ref_template=_REF)
    except TypeError:
        shown, defs = tuple({} for _ in structs), {}
    refs = dict(zip(structs, shown, strict=True))
    for struct, ref in refs.items():
        if struct.__struct_config__.array_like and ref:
            _name_items(defs[_name(ref)], struct)
    for event in kinds.values():
        if refs[event]:
            _drop_tag(defs[_name(refs[event])], event)
    return Messages(
        input=refs[game.Input],
        view=refs[game.View],
        events={kind: refs[event] for kind, event in kinds.items()},
        result=None if game.Result is None else refs[game.Result],
        defs=defs,
    )


def _structs(part: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """``part`` and every Struct within it."""
    found: dict[type[msgspec.Struct], None] = {}

    def note(kind: inspect.Type) -> bool:
        if isinstance(kind, inspect.StructType):
            found.setdefault(kind.cls)
        return False

    for _ in find_types(inspect.type_info(part), "", note):
        pass
    return list(found)


def _name(ref: Json) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def _name_items(schema: Json, struct: type[msgspec.Struct]) -> None:
    items = schema.get("prefixItems", [])
    names = [field.name for field in msgspec.structs.fields(struct)]
    for item, name in zip(items[len(items) - len(names) :], names, strict=True):
        item.setdefault("title", name)  # A tag, if there is one, stands before them.


def _drop_tag(schema: Json, event: type[msgspec.Struct]) -> None:
    """Clients are told the tag as the event's ``kind``, not in its ``data``."""
    tag = event.__struct_config__.tag_field or "type"
    schema.get("properties", {}).pop(tag, None)
    schema["required"] = [name for name in schema.get("required", []) if name != tag]
