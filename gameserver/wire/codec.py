"""Encode and decode messages in both formats.

    payload ──decoder_for(game, format).decode──► FromClient      (server)
    ToClient ──encode──► payload                                  (server)
    FromClient ──encode_client──► payload                         (clients: swarm, tests)
    payload ──decode_server──► ToClient                           (clients: swarm, tests)

msgpack messages are arrays, JSON messages objects with ``type``. For JSON each message class has a
twin with the same fields; a twin never leaves this file.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache, reduce
from types import MappingProxyType
from typing import Any, cast

import msgspec

from gameserver.game.contract import AnyGame
from gameserver.wire import from_client, to_client
from gameserver.wire.from_client import FromClient
from gameserver.wire.plain import Unfit, check, needs_check
from gameserver.wire.to_client import ErrorCode, ToClient

ERROR_CHARS_MAX = 200
"""An error's text may quote the message; this bounds it."""


class Format(StrEnum):
    """The two formats; the value is the WebSocket subprotocol."""

    MSGPACK = "gameserver.v1.msgpack"
    JSON = "gameserver.v1.json"


class BadMessage(ValueError):
    """A payload is not a message of the protocol.

    ``ref`` is the message's own ``ref``, or an Input's ``seq``, where it could be read, else 0.
    ``code`` is ``BAD_INPUT`` for an Input whose ``data`` is wrong, else ``BAD_MESSAGE``.
    """

    def __init__(
        self, message: str, *, ref: int = 0, code: ErrorCode = ErrorCode.BAD_MESSAGE
    ) -> None:
        super().__init__(message)
        self.ref = ref
        self.code = code


# ── twins: the same message as a JSON object ─────────────────────────────────────────────────────


def _twin(
    original: type[msgspec.Struct],
    tag: str | None,
    types: Mapping[Any, Any] = MappingProxyType({}),
) -> type[msgspec.Struct]:
    """``original`` as an object instead of an array; ``types`` replaces types of fields."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(original):
        kind = types.get(field.type, field.type)
        fields.append((field.name, kind) if field.required else (field.name, kind, field.default))
    return msgspec.defstruct(
        original.__name__,
        fields,
        tag=tag,
        tag_field=None if tag is None else "type",
        forbid_unknown_fields=original.__struct_config__.forbid_unknown_fields,
        frozen=True,
    )


_RESUME = _twin(from_client.Resume, None)
_SEAT = _twin(to_client.Seat, None)
_NESTED: Mapping[Any, Any] = {
    from_client.Resume | None: _RESUME | None,
    list[to_client.Seat]: list[_SEAT],  # type: ignore[valid-type]
}
_FROM_CLIENT = {
    _twin(original, name, _NESTED): original
    for original, name in from_client.JSON_NAMES.items()
    if original is not from_client.Input
}
_TO_CLIENT = {
    _twin(original, name, _NESTED): original for original, name in to_client.JSON_NAMES.items()
}
_ORIGINALS: Mapping[type[Any], type[Any]] = {
    _RESUME: from_client.Resume,
    _SEAT: to_client.Seat,
    **_FROM_CLIENT,
    **_TO_CLIENT,
}
_NAMES: Mapping[type[Any], str] = {**from_client.JSON_NAMES, **to_client.JSON_NAMES}


def _from_twin(value: Any) -> Any:
    """The message, or part of one, that a twin stands for."""
    original = _ORIGINALS.get(type(value))
    if original is not None:
        return original(*[_from_twin(part) for part in msgspec.structs.astuple(value)])
    if type(value) is list:
        return [_from_twin(part) for part in value]
    return value


def _as_object(value: Any) -> Any:
    """The fields of a message, or of a part of one, by name."""
    if isinstance(value, msgspec.Struct):
        return {name: _as_object(getattr(value, name)) for name in value.__struct_fields__}
    if type(value) is list:
        return [_as_object(part) for part in value]
    return value


# ── encoding ─────────────────────────────────────────────────────────────────────────────────────

_encode_msgpack = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode


def encode_value(value: Any, format: Format) -> msgspec.Raw:
    """A value of the game, to be put into a message. NaN and infinity are ``null`` in JSON."""
    if format is Format.MSGPACK:
        return msgspec.Raw(_encode_msgpack(value))
    return msgspec.Raw(_encode_json(value))


def encode(message: ToClient, format: Format) -> bytes:
    """The payload of a server's message; ``Raw`` fields must be of the same format."""
    return _encode(message, format, _NAMES[type(message)])


def encode_client(message: FromClient, format: Format, data: msgspec.Struct | None = None) -> bytes:
    """The payload of a client's message; ``data``, if given, takes the place of ``Input.data``."""
    name = "input" if isinstance(message, from_client.Input) else _NAMES[type(message)]
    if isinstance(message, from_client.Input) and data is not None:
        message = from_client.Input(message.seq, encode_value(data, format))
    return _encode(message, format, name)


def _encode(message: FromClient | ToClient, format: Format, name: str) -> bytes:
    if format is Format.MSGPACK:
        return _encode_msgpack(message)
    return _encode_json({"type": name, **_as_object(message)})


# ── decoding on the client ───────────────────────────────────────────────────────────────────────

_decode_server_msgpack = msgspec.msgpack.Decoder(ToClient).decode
_decode_server_json = msgspec.json.Decoder(reduce(operator.or_, _TO_CLIENT)).decode


def decode_server(payload: bytes, format: Format) -> ToClient:
    """The server's message of ``payload``; ``Raw`` fields stay encoded. Raises ``BadMessage``."""
    try:
        if format is Format.MSGPACK:
            return cast(ToClient, _decode_server_msgpack(payload))
        return cast(ToClient, _from_twin(_decode_server_json(payload)))
    except (ValueError, RecursionError) as error:
        raise BadMessage(_text(error)) from error


# ── decoding on the server ───────────────────────────────────────────────────────────────────────


class ClientDecoder:
    """Decodes and validates a client's messages in one pass. Get one from ``decoder_for``.

    The ``Input`` it returns is a subclass of ``from_client.Input`` whose ``data`` is the game's
    ``Input``; without a game ``data`` is ``Raw`` and is not looked into.
    """

    __slots__ = ("_checked", "_decode", "_format", "_input", "_loose", "quick")

    def __init__(self, data_type: type[msgspec.Struct] | None, format: Format) -> None:
        self._format = format
        self._input: type[from_client.Input] = from_client.Input
        if data_type is not None:
            self._input = _input_class(data_type)
        self._checked = data_type is not None and needs_check(data_type, json=format is Format.JSON)
        self._decode: Callable[[bytes], Any]
        self._loose: Callable[[bytes], Any]
        if format is Format.MSGPACK:
            others = [each for each in from_client.JSON_NAMES if each is not from_client.Input]
            self._decode = msgspec.msgpack.Decoder(reduce(operator.or_, others, self._input)).decode
            self._loose = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
        else:
            twin = _twin(self._input, "input")
            self._decode = msgspec.json.Decoder(reduce(operator.or_, _FROM_CLIENT, twin)).decode
            self._loose = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

        usual = format is Format.MSGPACK and data_type is not None and not self._checked
        self.quick: tuple[Callable[[bytes], Any], type | None]
        """A decoder that may raise anything, and the type of message that needs no further check
        if it comes out of it; ``None`` where there is none."""
        self.quick = self._decode, self._input if usual else None

    def decode(self, payload: bytes) -> FromClient:
        """The message of ``payload``. Raises ``BadMessage``, and nothing else."""
        try:
            message = self._decode(payload)
            if self._format is not _MSGPACK:
                message = self._untwin(message)
            if message.__class__ is self._input:
                if self._checked:
                    check(message.data)
            elif message.__class__ is from_client.Ping:
                check(message.sent)
        except Exception as error:
            # A game's own `__post_init__` runs in here and may raise anything.
            raise self._explain(payload, error) from error
        return cast(FromClient, message)

    def _untwin(self, twin: Any) -> Any:
        if type(twin) in _ORIGINALS:
            return _from_twin(twin)
        return self._input(twin.seq, twin.data)

    def _explain(self, payload: bytes, error: Exception) -> BadMessage:
        """What is wrong with ``payload``; runs only for messages that are refused."""
        try:
            kind, ref = self._kind_and_ref(payload)
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            return BadMessage(_text(error))
        text = _text(error)
        if self._format is Format.MSGPACK:
            text = _named(text, kind)
        if kind is not from_client.Input:
            return BadMessage(text, ref=ref)
        if self._input is from_client.Input:
            return BadMessage(text)
        try:
            # Its data left out of account, is it an Input?
            _decoder(None, self._format)._decode(payload)
        except (ValueError, RecursionError):
            return BadMessage(text)
        return BadMessage(text, ref=ref, code=ErrorCode.BAD_INPUT)

    def _kind_and_ref(self, payload: bytes) -> tuple[type[msgspec.Struct], int]:
        parts = self._loose(payload)
        if self._format is Format.MSGPACK:
            kind = _BY_NUMBER[msgspec.msgpack.decode(parts[0], type=int)]
            if kind is from_client.Ping or len(parts) < 2:
                return kind, 0
            return kind, msgspec.msgpack.decode(parts[1], type=from_client.Ref)
        kind = _BY_NAME[msgspec.json.decode(parts["type"], type=str)]
        ref = parts.get("seq" if kind is from_client.Input else "ref")
        return kind, 0 if ref is None else msgspec.json.decode(ref, type=from_client.Ref)


_MSGPACK = Format.MSGPACK
_BY_NUMBER = {kind.__struct_config__.tag: kind for kind in from_client.JSON_NAMES}
_BY_NAME = {name: kind for kind, name in from_client.JSON_NAMES.items()}


def decoder_for(game: AnyGame | None, format: Format) -> ClientDecoder:
    """The decoder for players of ``game``, or, without one, for those who have no seat yet."""
    return _decoder(None if game is None else type(game).Input, format)


@lru_cache(maxsize=256)
def _decoder(data_type: type[msgspec.Struct] | None, format: Format) -> ClientDecoder:
    return ClientDecoder(data_type, format)


@lru_cache(maxsize=256)
def _input_class(data_type: type[msgspec.Struct]) -> type[from_client.Input]:
    """``from_client.Input`` with ``data: data_type``: one class for both formats."""
    made = msgspec.defstruct(
        "Input",
        [("data", data_type)],
        bases=(from_client.Input,),
        tag=from_client.Input.__struct_config__.tag,
        array_like=True,
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
    )
    return cast("type[from_client.Input]", made)


def _text(error: Exception) -> str:
    """A short sentence about ``error``."""
    match error:
        case RecursionError():
            return "nested too deeply"
        case UnicodeDecodeError():
            return "a string is not UTF-8"
        case msgspec.MsgspecError() | Unfit():
            text = str(error)
        case _:
            text = f"{type(error).__name__}: {error}"
    return text if len(text) <= ERROR_CHARS_MAX else text[: ERROR_CHARS_MAX - 1] + "…"


def _named(text: str, kind: type[msgspec.Struct]) -> str:
    """``… - at `$[2].x``` → ``… - at `$.data.x```: the field's name instead of its position."""

    def name(position: re.Match[str]) -> str:
        index = int(position[1]) - 1
        known = 0 <= index < len(kind.__struct_fields__)
        return f"`$.{kind.__struct_fields__[index]}" if known else position[0]

    return re.sub(r"`\$\[(\d{1,3})\]", name, text)
