"""What the server sends to many: encoded once, the same bytes to all.

A ``Frame`` is one tick's view. It is encoded when it is made, because a game changes its state in
place afterwards. A snapshot is all of it, a delta what differs from the base's (``cut``). Views are
msgpack; JSON, which is for people and tools, is made from the msgpack of the same message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast

import msgspec

from gameserver.wire import to_client
from gameserver.wire.codec import Format, decode_server, encode, encode_value
from gameserver.wire.cut import tables_of
from gameserver.wire.shown import BASES_MAX, DELTA, SNAPSHOT, Shown
from gameserver.wire.ws_frame import server_frame, server_payload

PlainToClient = (
    to_client.Welcome
    | to_client.Joined
    | to_client.Error
    | to_client.Pong
    | to_client.Left
    | to_client.Paused
    | to_client.Resumed
    | to_client.Reconnect
    | to_client.Refreshed
    | to_client.Matchmaking
    | to_client.Notification
    | to_client.Said
    | to_client.Muted
    | to_client.Voting
    | to_client.Rematch
)
"""Messages without values of the game, which read the same in both formats."""

_MSGPACK = Format.MSGPACK
_encode = msgspec.msgpack.Encoder().encode
_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_decode_packed = msgspec.msgpack.Decoder(
    tuple[_Whole, _Whole, _Whole, list[_Whole], msgspec.Raw]
).decode


class Broadcast:
    """A message for one or many receivers, encoded at most once per format."""

    __slots__ = ("_data", "_encoded", "_message", "seq")

    def __init__(self, message: PlainToClient) -> None:
        self.seq = 0
        """The reliable number of an ``Event``, 0 for any other message."""
        self._message: PlainToClient | to_client.Event = message
        self._data: Any = None
        self._encoded: dict[Format, bytes] = {}

    @classmethod
    def event(
        cls,
        seq: int,
        tick: int,
        kind: str,
        player: str | None,
        data: dict[str, Any] | msgspec.Struct,
    ) -> Broadcast:
        """An ``Event``. ``data`` is encoded when first asked for: it must not change any more."""
        made = cls.__new__(cls)
        made.seq = seq
        made._message = to_client.Event(seq, tick, kind, player, msgspec.Raw())
        made._data = data
        made._encoded = {}
        return made

    @property
    def message(self) -> PlainToClient | to_client.Event:
        """What is told; an event's ``data`` is apart."""
        return self._message

    @property
    def data(self) -> Any:
        """An event's, not encoded yet; ``None`` for any other message."""
        return self._data

    @property
    def pauses(self) -> bool | None:
        """Whether it says that the match stands still, or, if false, that it goes on again."""
        kind = type(self._message)
        return True if kind is to_client.Paused else False if kind is to_client.Resumed else None

    @classmethod
    def unpacked(cls, payload: bytes) -> Broadcast:
        """What ``packed`` gave. Raises ``BadMessage``."""
        message = decode_server(payload, _MSGPACK)
        if isinstance(message, to_client.Event):
            data = msgspec.msgpack.decode(message.data, strict=False)
            return cls.event(message.seq, message.tick, message.kind, message.player, data)
        return cls(cast(PlainToClient, message))

    def packed(self) -> bytes:
        """For another node, which has receivers of its own."""
        return encode(self._in(_MSGPACK), _MSGPACK)

    def encoded(self, format: Format) -> bytes:
        """A complete WebSocket frame."""
        encoded = self._encoded.get(format)
        if encoded is None:
            payload = encode(self._in(format), format)
            encoded = server_frame(payload, text=format is not _MSGPACK)
            self._encoded[format] = encoded
        return encoded

    def _in(self, format: Format) -> PlainToClient | to_client.Event:
        message = self._message
        if isinstance(message, to_client.Event):
            return msgspec.structs.replace(message, data=encode_value(self._data, format))
        return message


# ── frames ───────────────────────────────────────────────────────────────────────────────────────

_JSON_FIELDS = {
    SNAPSHOT: ("type", *to_client.Snapshot.__struct_fields__),
    DELTA: ("type", *to_client.Delta.__struct_fields__),
}


class Frame(Shown):
    """One tick's view, for all who see the same; made of its msgpack, or by ``of``."""

    __slots__ = ()

    @classmethod
    def of(
        cls, *, epoch: int, tick: int, server_ms: int, acks: Iterable[int], view: msgspec.Struct
    ) -> Frame:
        """Raises what msgspec raises for a view that cannot be encoded: a defect of the game
        (``OverflowError`` over 64 bits, ``TypeError`` for a type that no format knows)."""
        return cls(epoch, tick, server_ms, acks, _encode(view), tables_of(type(view)))

    @classmethod
    def unpacked(cls, data: bytes, view_type: type[msgspec.Struct]) -> Frame:
        """What ``packed`` gave. Raises ``msgspec.DecodeError``."""
        epoch, tick, server_ms, acks, whole = _decode_packed(data)
        return cls(epoch, tick, server_ms, acks, bytes(whole), tables_of(view_type))

    @property
    def view_bytes(self) -> int:
        """The size of the view, encoded."""
        return len(self.whole)

    def packed(self) -> bytes:
        """For another node, which makes the deltas for its own receivers."""
        return _encode((self.epoch, self.tick, self.server_ms, self.acks, msgspec.Raw(self.whole)))

    def encoded(self, format: Format, base: Frame | None) -> bytes:
        """A complete WebSocket frame for a receiver whose last frame was ``base``: see
        ``packed_for``."""
        if format is _MSGPACK:
            return self.packed_for(base)
        if base is not None and (base.epoch != self.epoch or base.tables is not self.tables):
            base = None
        key = None if base is None else base.tick
        if self.json is None:
            self.json = {}
        encoded: bytes | None = self.json.get(key)
        if encoded is None:
            encoded = server_frame(_json_of(server_payload(self.packed_for(base))), text=True)
            if len(self.json) < BASES_MAX:
                self.json[key] = encoded
        return encoded


def _json_of(payload: bytes) -> bytes:
    """The same Snapshot or Delta in JSON."""
    tag, *values = msgspec.msgpack.decode(payload, type=list[Any])
    kind = "snapshot" if tag == SNAPSHOT else "delta"
    return msgspec.json.encode(dict(zip(_JSON_FIELDS[tag], (kind, *values), strict=True)))
