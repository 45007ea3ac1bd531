"""What operators did, in Redis.

    <prefix>:audit    stream   field r = AuditRecord as msgpack; the newest ``entries_max``

Whoever may write to the stream may also shorten it; each record is in the node's log as well,
which is the place for keeping them for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from gameserver.adapters.redis_client import FAILURES, Client
from gameserver.errors import StoreUnavailable
from gameserver.metrics import Metrics
from gameserver.operating import AuditRecord

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AuditRecord).decode


class RedisAudit:
    """Implements ``operating.AuditLog``."""

    def __init__(self, client: Client, *, prefix: str, entries_max: int, metrics: Metrics) -> None:
        self._client = cast(Any, client)
        self._key = f"{prefix}:audit"
        self._entries_max = entries_max
        self._metrics = metrics

    async def add(self, record: AuditRecord) -> None:
        """See ``AuditLog``."""
        with self._call():
            await self._client.xadd(
                self._key, {"r": _encode(record)}, maxlen=self._entries_max, approximate=True
            )

    async def page(self, before: str, limit: int) -> list[tuple[str, AuditRecord]]:
        """See ``AuditLog``. A record of another version is left out."""
        with self._call():
            newest = f"({before}" if before else "+"
            entries = await self._client.xrevrange(self._key, newest, "-", count=limit)
        found = []
        for entry_id, fields in entries:
            try:
                found.append((entry_id.decode(), _decode(fields[b"r"])))
            except (msgspec.DecodeError, KeyError):
                continue
        return found

    @contextmanager
    def _call(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            self._metrics.store_errors += 1
            raise StoreUnavailable(f"the audit log does not answer: {error}") from error
