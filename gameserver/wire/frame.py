"""What the server sends to many: encoded once, the same bytes to all.

A ``Frame`` is one tick's view. It is encoded when it is made, because a game changes its state in
place afterwards. A snapshot is all of it, a delta what differs from the base's (``cut``). Views are
msgpack; JSON, which is for people and tools, is made from the msgpack of the same message.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from gameserver.wire import to_client
from gameserver.wire.codec import Format, decode_server, encode, encode_value
from gameserver.wire.cut import Cut, tables_of
from gameserver.wire.ws_frame import server_frame

BASES_MAX = 8
"""Deltas kept per frame and format. Players who keep up share one base; those further behind than
this many bases get theirs computed each time."""

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
_NOBODY: Any = object()
_encode = msgspec.msgpack.Encoder().encode
_decode_packed = msgspec.msgpack.Decoder(tuple[int, int, int, list[int], msgspec.Raw]).decode


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

_SNAPSHOT = cast(int, to_client.Snapshot.__struct_config__.tag)
_DELTA = cast(int, to_client.Delta.__struct_config__.tag)
# A message is put together from an array's header, its first values, and what a `Cut` has encoded.
_ARRAY_OF_6, _ARRAY_OF_9 = b"\x96", b"\x99"
_JSON_FIELDS = {
    _SNAPSHOT: ("type", *to_client.Snapshot.__struct_fields__),
    _DELTA: ("type", *to_client.Delta.__struct_fields__),
}


class Frame:
    """One tick's view, for all who see the same.

    The constructor raises what msgspec raises for a view that cannot be encoded: a defect of the
    game (``OverflowError`` over 64 bits, ``TypeError`` for a type that no format knows).
    """

    __slots__ = (
        "_acks",
        "_cut",
        "_deltas",
        "_json",
        "_snapshot",
        "epoch",
        "server_ms",
        "tick",
        "usual",
        "usual_base",
    )

    def __init__(
        self, *, epoch: int, tick: int, server_ms: int, acks: list[int], view: msgspec.Struct
    ) -> None:
        self.epoch = epoch
        self.tick = tick
        self.server_ms = server_ms
        self._acks = acks.copy()
        self._cut = Cut(_encode(view), tables_of(type(view)))
        self._begin()

    @classmethod
    def encoded_view(
        cls,
        epoch: int,
        tick: int,
        server_ms: int,
        acks: list[int],
        whole: bytes,
        view_type: type[msgspec.Struct],
    ) -> Frame:
        """Of a view that is msgpack already."""
        made = cls.__new__(cls)
        made.epoch, made.tick, made.server_ms, made._acks = epoch, tick, server_ms, acks.copy()
        made._cut = Cut(whole, tables_of(view_type))
        made._begin()
        return made

    @classmethod
    def unpacked(cls, data: bytes, view_type: type[msgspec.Struct]) -> Frame:
        """What ``packed`` gave. Raises ``msgspec.DecodeError``."""
        made = cls.__new__(cls)
        made.epoch, made.tick, made.server_ms, made._acks, whole = _decode_packed(data)
        made._cut = Cut(bytes(whole), tables_of(view_type))
        made._begin()
        return made

    @property
    def view_bytes(self) -> int:
        """The size of the view, encoded."""
        return len(self._cut.whole)

    def packed(self) -> bytes:
        """For another node, which makes the deltas for its own receivers."""
        whole = msgspec.Raw(self._cut.whole)
        return _encode((self.epoch, self.tick, self.server_ms, self._acks, whole))

    def _begin(self) -> None:
        self.usual = b""
        self.usual_base: Any = _NOBODY
        self._snapshot = b""
        self._deltas: dict[int, bytes] | None = None
        self._json: dict[int | None, bytes] | None = None

    def expect(self, base: Frame | None) -> None:
        """Have the bytes for receivers of msgpack with ``base`` ready in ``usual``, so that each of
        them costs one comparison. To be undone by ``expect_nothing``: a frame that keeps its base
        would keep all frames before it."""
        self.usual = self.encoded(_MSGPACK, base)
        self.usual_base = base

    def expect_nothing(self) -> None:
        """``usual`` is for nobody any more."""
        self.usual_base = _NOBODY

    def encoded(self, format: Format, base: Frame | None) -> bytes:
        """A complete WebSocket frame for a receiver whose last frame was ``base``.

        A ``Delta`` against it; a ``Snapshot`` where there is none, or it is of another epoch or
        type of view, or the delta would be larger.
        """
        if base is not None and (
            base.epoch != self.epoch or base._cut.tables is not self._cut.tables
        ):
            base = None
        if format is not _MSGPACK:
            return self._encoded_json(base)
        if base is None:
            if not self._snapshot:
                self._snapshot = server_frame(self._snapshot_payload(), text=False)
            return self._snapshot
        return (self._deltas and self._deltas.get(base.tick)) or self._encoded_delta(base)

    def _encoded_delta(self, base: Frame) -> bytes:
        encoded = self._cut.delta(
            base._cut, _DELTA, self.epoch, self.tick, self.server_ms, self._acks, base.tick
        )
        if encoded is None:
            return self.encoded(_MSGPACK, None)
        if self._deltas is None:
            self._deltas = {}
        if len(self._deltas) < BASES_MAX:
            self._deltas[base.tick] = encoded
        return encoded

    def _encoded_json(self, base: Frame | None) -> bytes:
        if self._json is None:
            self._json = {}
        key = None if base is None else base.tick
        encoded = self._json.get(key)
        if encoded is None:
            payload = None if base is None else self._delta_payload(base)
            encoded = server_frame(_json_of(payload or self._snapshot_payload()), text=True)
            if len(self._json) < BASES_MAX:
                self._json[key] = encoded
        return encoded

    def _snapshot_payload(self) -> bytes:
        head = _encode((_SNAPSHOT, self.epoch, self.tick, self.server_ms, self._acks))
        return _ARRAY_OF_6 + head[1:] + self._cut.whole

    def _delta_payload(self, base: Frame) -> bytes | None:
        changes = self._cut.changes(base._cut)
        if changes is None:
            return None
        head = _encode((_DELTA, self.epoch, self.tick, self.server_ms, self._acks, base.tick))
        return _ARRAY_OF_9 + head[1:] + changes


def _json_of(payload: bytes) -> bytes:
    """The same Snapshot or Delta in JSON."""
    tag, *values = msgspec.msgpack.decode(payload, type=list[Any])
    kind = "snapshot" if tag == _SNAPSHOT else "delta"
    return msgspec.json.encode(dict(zip(_JSON_FIELDS[tag], (kind, *values), strict=True)))
