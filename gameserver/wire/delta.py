"""The receiving side of snapshots and deltas: the reference for clients in other languages.

Snapshot ──► the whole view
Delta    ──► the view of tick ``base`` with ``fields`` replaced, then, per table, the keys of
             ``removed`` taken out and the ``entities`` put in or replaced
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gameserver.wire.codec import Format
from gameserver.wire.to_client import Delta, Snapshot


class DeltaGap(ValueError):
    """A delta is against a tick other than the one at hand.

    The server sends deltas only against the last frame it sent on the same connection, so this is
    a defect, or messages of two connections were mixed up. Connect and join again.
    """


class ViewTracker:
    """The newest view of one match on one connection.

    With ``view_type``, the game's ``View``, ``view`` is an instance of it; else a dict of fields,
    in which the keys of JSON tables stay strings. Earlier views are never changed.
    """

    def __init__(
        self, view_type: type[msgspec.Struct] | None = None, *, format: Format = Format.MSGPACK
    ) -> None:
        self.view: Any = None
        self.epoch = 0
        self.tick = -1
        self.acks: list[int] = []
        self._view_type = view_type
        self._known = () if view_type is None else msgspec.structs.fields(view_type)
        self._fields: dict[str, Any] = {}
        self._is_json = format is Format.JSON
        self._decode: Callable[[msgspec.Raw], Any] = (
            msgspec.json.Decoder() if self._is_json else msgspec.msgpack.Decoder()
        ).decode

    def apply(self, message: Snapshot | Delta) -> Any:
        """The view after ``message``. Raises ``DeltaGap``, ``msgspec.DecodeError`` for bytes that
        are not of the format, ``msgspec.ValidationError`` for a view that is not a ``view_type``.
        """
        if isinstance(message, Snapshot):
            fields = self._decode(message.view)
        elif (message.epoch, message.base) == (self.epoch, self.tick):
            fields = self._merged(message)
        else:
            raise DeltaGap(
                f"delta against tick {message.base} of epoch {message.epoch}, "
                f"but tick {self.tick} of epoch {self.epoch} is at hand"
            )
        self.view = self._typed(fields)
        self._fields = fields
        self.epoch, self.tick, self.acks = message.epoch, message.tick, message.acks
        return self.view

    def _merged(self, delta: Delta) -> dict[str, Any]:
        decode = self._decode
        fields = {**self._fields, **{name: decode(raw) for name, raw in delta.fields.items()}}
        for name in {**delta.removed, **delta.entities}:
            gone = set(delta.removed.get(name, ()))
            if self._is_json:
                # An object's keys are strings, while a list holds whole numbers as they are.
                gone = {str(key) for key in gone}
            table = {key: value for key, value in fields[name].items() if key not in gone}
            table.update((key, decode(raw)) for key, raw in delta.entities.get(name, {}).items())
            fields[name] = table
        return fields

    def _typed(self, fields: dict[str, Any]) -> Any:
        if self._view_type is None:
            return fields
        return self._view_type(
            **{
                field.name: msgspec.convert(
                    fields[field.encode_name], field.type, str_keys=self._is_json
                )
                for field in self._known
                if field.encode_name in fields
            }
        )
