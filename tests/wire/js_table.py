"""Writes ``web/sdk/messages.js``: the messages and codes of the protocol, for the JavaScript SDK.

``python -m tests.wire.vectors`` calls it; ``test_vectors`` keeps the file true.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import ADVICE

PATH = Path(__file__).parents[2] / "web" / "sdk" / "messages.js"

_HEAD = """\
// Made by `python -m tests.wire.vectors` of gameserver/wire: do not edit.
//
// A message in msgpack is its number and these fields, in this order. `of` names the fields of one
// that is an array itself (or null), `each` those of every item of a list.
"""


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _field(name: str, kind: Any) -> str | dict[str, Any]:
    """A field as the table has it."""
    if get_origin(kind) is list and (inner := _struct(get_args(kind)[0])) is not None:
        return {"name": name, "each": _fields(inner)}
    parts = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    for part in parts:
        if (inner := _struct(part)) is not None:
            return {"name": name, "of": _fields(inner)}
    return name


def _fields(kind: type[msgspec.Struct]) -> list[Any]:
    hints = get_type_hints(kind)
    return [_field(name, hints[name]) for name in kind.__struct_fields__]


def _messages(names: dict[type[Any], str]) -> dict[str, list[Any]]:
    return {name: [kind.__struct_config__.tag, *_fields(kind)] for kind, name in names.items()}


def _defaults() -> dict[str, dict[str, Any]]:
    return {
        name: {
            field.name: field.default
            for field in msgspec.structs.fields(kind)
            if not field.required
        }
        for kind, name in from_client.JSON_NAMES.items()
    }


def _table(name: str, entries: dict[str, Any], *, about: str) -> str:
    rows = "".join(
        f"  {key}: {json.dumps(value, ensure_ascii=False)},\n" for key, value in entries.items()
    )
    return f"\n/** {about} */\nexport const {name} = {{\n{rows}}};\n"


def written() -> str:
    """The text of the file."""
    closes = {
        str(int(code)): {
            "name": code.name.lower(),
            "retry": advice.retry,
            "resume": advice.resume,
            "meaning": advice.meaning,
        }
        for code, advice in ADVICE.items()
    }
    codes = json.dumps([code.value for code in to_client.ErrorCode])
    return (
        _HEAD
        + _table(
            "FROM_CLIENT",
            _messages(from_client.JSON_NAMES),
            about="What a client may send.",
        )
        + _table("DEFAULTS", _defaults(), about="What a field is that a client leaves out.")
        + _table("TO_CLIENT", _messages(to_client.JSON_NAMES), about="What the server may send.")
        + _table("CLOSE_CODES", closes, about="Why a connection was closed, and what to do.")
        + f"\n/** What `error.code` may be. */\nexport const ERROR_CODES = {codes};\n"
    )
