"""Packs records into messages of the queue: pure."""

from __future__ import annotations

from typing import NamedTuple

from gameserver.match.outbox import Outbox, Unrelayed
from gameserver.wire import event_record

BODIES_MAX = 10
BODY_BYTES_MAX = 200_000
"""Of one message: well below SQS' limit, because a message is the worker's unit of retry."""
BATCH_BYTES_MAX = 1_000_000
"""Of one call; SQS' limit is 1 MiB (AWS, "Amazon SQS message quotas")."""

_BODY_OVERHEAD = 32
# SQS refuses these two characters (AWS, "SendMessage", MessageBody). In JSON they can only stand
# in strings, where an escape means the same.
_REFUSED = ((b"\xef\xbf\xbe", b"\\ufffe"), (b"\xef\xbf\xbf", b"\\uffff"))


class Bundle(NamedTuple):
    """One message, and what it holds of whom."""

    body: str
    parts: dict[Outbox, list[Unrelayed]]


class Packer:
    """One call's worth of messages: ``add`` until it says no, then ``finish``."""

    __slots__ = ("_bundles", "_parts", "_records", "_size", "_total")

    def __init__(self) -> None:
        self._bundles: list[Bundle] = []
        self._records: list[bytes] = []
        self._parts: dict[Outbox, list[Unrelayed]] = {}
        self._size = _BODY_OVERHEAD
        self._total = 0

    def add(self, outbox: Outbox, one: Unrelayed) -> bool:
        """False where the call is full; then ``one`` is not in it."""
        record = one.entry.record
        for refused, escaped in _REFUSED:
            if refused in record:
                record = record.replace(refused, escaped)
        length = len(record) + 1
        if self._records and self._size + length > BODY_BYTES_MAX:
            self._close()
        full = self._total + self._size + length > BATCH_BYTES_MAX
        if full or len(self._bundles) == BODIES_MAX:
            return False
        self._records.append(record)
        self._parts.setdefault(outbox, []).append(one)
        self._size += length
        return True

    def finish(self) -> list[Bundle]:
        if self._records:
            self._close()
        return self._bundles

    def _close(self) -> None:
        self._bundles.append(Bundle(event_record.encode_bundle(self._records), self._parts))
        self._total += self._size
        self._records, self._parts, self._size = [], {}, _BODY_OVERHEAD
