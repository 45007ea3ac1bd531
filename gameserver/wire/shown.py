"""One tick's view with the moment it belongs to: what is sent of it in msgpack.

    Snapshot  [tag, epoch, tick, server_ms, acks, view]
    Delta     [tag, epoch, tick, server_ms, acks, base's tick, fields, entities, removed]

This class states the meaning and is complete. ``_shown`` does the same in C.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gameserver.wire import to_client
from gameserver.wire.cut import PlainCut
from gameserver.wire.ws_frame import server_frame

BASES_MAX = 8
"""Deltas kept per frame. Players who keep up share one base; those further behind than this many
bases get theirs computed each time."""

SNAPSHOT = cast(int, to_client.Snapshot.__struct_config__.tag)
DELTA = cast(int, to_client.Delta.__struct_config__.tag)
# A message is put together from an array's header, its first values, and what a `Cut` has encoded.
_ARRAY_OF_6, _ARRAY_OF_9 = b"\x96", b"\x99"
_NOBODY: Any = object()
_encode = msgspec.msgpack.Encoder().encode


class PlainShown(PlainCut):
    """``whole`` and ``tables`` as of a ``Cut``. ``acks`` is copied. ``json`` is a place for what
    others make of it."""

    __slots__ = (
        "_deltas",
        "_snapshot",
        "acks",
        "epoch",
        "json",
        "server_ms",
        "tick",
        "usual",
        "usual_base",
    )

    def __init__(
        self,
        epoch: int,
        tick: int,
        server_ms: int,
        acks: Iterable[int],
        whole: bytes,
        tables: frozenset[bytes],
    ) -> None:
        super().__init__(whole, tables)
        self.epoch = epoch
        self.tick = tick
        self.server_ms = server_ms
        self.acks = [*acks]
        self.json: Any = None
        self.usual = b""
        self.usual_base: Any = _NOBODY
        self._snapshot = b""
        self._deltas: dict[int, bytes] = {}

    def expect(self, base: PlainShown | None) -> None:
        """Have the bytes for receivers with ``base`` ready in ``usual``, so that each of them costs
        one comparison. To be undone by ``expect_nothing``: a frame that keeps its base would keep
        all frames before it."""
        self.usual = self.packed_for(base)
        self.usual_base = base

    def expect_nothing(self) -> None:
        """``usual`` is for nobody any more."""
        self.usual_base = _NOBODY

    def packed_for(self, base: PlainShown | None) -> bytes:
        """A complete WebSocket frame for a receiver whose last one was ``base``.

        A ``Delta`` against it; a ``Snapshot`` where there is none, or it is of another epoch or
        type of view, or the delta would be larger.
        """
        if base is not None and (base.epoch != self.epoch or base.tables is not self.tables):
            base = None
        if base is None:
            self._snapshot = self._snapshot or server_frame(self._payload(None), text=False)
            return self._snapshot
        encoded = self._deltas.get(base.tick)
        if encoded is None:
            encoded = server_frame(self._payload(base), text=False)
            if len(self._deltas) < BASES_MAX:
                self._deltas[base.tick] = encoded
        return encoded

    def _payload(self, base: PlainShown | None) -> bytes:
        changes = None if base is None else self.changes(base)
        if base is None or changes is None:
            head = _encode((SNAPSHOT, self.epoch, self.tick, self.server_ms, self.acks))
            return _ARRAY_OF_6 + head[1:] + self.whole
        head = _encode((DELTA, self.epoch, self.tick, self.server_ms, self.acks, base.tick))
        return _ARRAY_OF_9 + head[1:] + changes


if TYPE_CHECKING:
    Shown = PlainShown
else:
    try:
        from gameserver.wire._shown import Shown
    except ImportError:
        Shown = PlainShown
