"""Events as PostgreSQL's binary COPY takes them: pure.

    PGCOPY\\n\\377\\r\\n\\0  flags  0 │ 11 (int16)  length (int32) + bytes, for each column │ … │ -1

(PostgreSQL documentation, "COPY", binary format.) Numbers are big-endian; jsonb is its version, 1,
and the text; a time is microseconds since 2000.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from persistence_worker.intake import Event

COLUMNS = (
    "match_id", "seq", "kind", "player", "game", "mode", "epoch", "tick", "at", "data", "digest"
)  # fmt: skip

PART = 1_000
"""Events encoded at once: a ms, after which others have their turn."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_ROW = struct.pack("!h", len(COLUMNS))
_NULL = struct.pack("!i", -1)
_DIGEST = struct.pack("!i", 16)
_YEAR_2000_US = 946_684_800_000_000

_length = struct.Struct("!i").pack
_number = struct.Struct("!iq").pack
_three_numbers = struct.Struct("!iqiqiq").pack


class _Texts(dict[str | None, bytes]):
    """Text columns, encoded once in a batch: most of them come again and again."""

    def __missing__(self, text: str | None) -> bytes:
        if text is None:
            return _NULL
        encoded = text.encode()
        column = self[text] = _length(len(encoded)) + encoded
        return column


def rows(events: Sequence[Event]) -> Iterator[bytes]:
    """The whole COPY of ``events``, in their order and in parts."""
    texts = _Texts()
    yield _HEADER
    for start in range(0, len(events), PART):
        yield _part(events[start : start + PART], texts)
    yield _END


def _part(events: Iterable[Event], texts: _Texts) -> bytes:
    parts: list[bytes] = []
    for event in events:
        if event.row is not None:
            parts.append(event.row)
            continue
        record, data = event.record, event.data
        parts += (
            _ROW,
            texts[record.match],
            _number(8, record.seq),
            texts[record.kind],
            texts[record.player],
            texts[record.game],
            texts[record.mode],
            _three_numbers(8, record.epoch, 8, record.tick, 8, record.at_ms * 1000 - _YEAR_2000_US),
            _length(len(data) + 1),
            b"\x01",
            data,
            _DIGEST,
            event.digest,
        )
    return b"".join(parts)
