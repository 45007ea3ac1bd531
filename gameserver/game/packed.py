"""Objects of a class of the game's own in its ``State``, for rules that are compiled.

A ``State`` is made of what msgspec knows, and of classes that say how they are to be stored::

    class Ball:
        def pack(self):
            return self.x, self.dx

        @classmethod
        def unpack(cls, values):
            return cls(*msgspec.structs.astuple(msgspec.convert(values, BallStruct)))

What ``pack`` gives is stored in the object's place. So a class in C that packs the fields of a
Struct with ``array_like=True`` is stored by the same bytes as that Struct, and either form reads
the other's (``docs/compile-rules.md``). ``Input``, ``View``, events and results are Structs
throughout.
"""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar

import msgspec

T = TypeVar("T")


class Packed(Protocol):
    """A class whose objects a ``State`` may hold."""

    def pack(self) -> tuple[Any, ...]:
        """All of it, as values that msgspec knows or that are packed in turn."""

    @classmethod
    def unpack(cls, values: list[Any]) -> Self:
        """What ``pack`` gave. It must not trust ``values``: their number, types and bounds. Raises
        ``ValueError``, ``TypeError``, ``LookupError`` or ``ArithmeticError`` where they are wrong;
        ``msgspec.convert`` into a Struct checks most of it."""


def is_packed(kind: type) -> bool:
    """Whether it is such a class."""
    return callable(getattr(kind, "pack", None)) and callable(getattr(kind, "unpack", None))


def pack(value: Any) -> tuple[Any, ...]:
    """What msgspec asks for a value that it does not know (its ``enc_hook``). Raises
    ``TypeError``."""
    if not is_packed(type(value)):
        raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")
    packed: tuple[Any, ...] = value.pack()
    return packed


def unpack(kind: type, values: Any) -> Any:
    """The way back (its ``dec_hook``). Raises ``ValueError``, which msgspec turns into a
    ``ValidationError`` that says where."""
    if not is_packed(kind):
        raise TypeError(f"Decoding objects of type {kind.__name__} is unsupported")
    if type(values) is not list:
        raise ValueError(f"Expected `array`, got `{type(values).__name__}`")
    try:
        return kind.unpack(values)  # type: ignore[attr-defined]
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


encode = msgspec.msgpack.Encoder(enc_hook=pack).encode
"""A state, or what has one within. Raises what msgspec raises for a value it cannot encode."""

encode_json = msgspec.json.Encoder(enc_hook=pack).encode
"""The same for people."""


def decode(encoded: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Raises ``msgspec.DecodeError`` where the bytes are damaged or do not fit ``kind``, and
    ``UnicodeDecodeError`` for a text that is not UTF-8."""
    return msgspec.msgpack.decode(encoded, type=kind, dec_hook=unpack)
