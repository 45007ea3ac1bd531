"""What operators did, in Redis.

    <prefix>:{audit}:calls    stream   field r = AuditRecord as msgpack, without what is below;
                                       the newest ``entries_max``
    <prefix>:{audit}:words    hash     entry of the stream ──► what it says of a player

Words are apart, so that they can be taken away while the call stays: who made it, when, and what
came of it. Whoever may write here may also delete; each call is in the node's log as well, without
its words, which is the place for keeping them for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_script import Script
from gameserver.adapters.redis_together import Argument
from gameserver.metrics import Metrics
from gameserver.operating import AuditRecord
from gameserver.wire.envelope import BadEnvelope, Place

_SCAN_AT_ONCE = 500


class _Said(msgspec.Struct, frozen=True, array_like=True):
    """What may hold something of a person."""

    reason: str
    given: str


class _Words(msgspec.Struct, frozen=True, array_like=True):
    """``about``, ``subject``: of the record, ids alone; ``said``: ``_Said``, sealed."""

    about: str
    subject: str
    said: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AuditRecord).decode
_decode_words = msgspec.msgpack.Decoder(_Words).decode
_decode_said = msgspec.msgpack.Decoder(_Said).decode


class RedisAudit:
    """Implements ``operating.AuditLog``; without ``keys`` nothing is sealed."""

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        entries_max: int,
        metrics: Metrics,
        keys: DataKeys | None = None,
    ) -> None:
        self._client = cast(Any, client)
        self._calls = f"{prefix}:{{audit}}:calls"
        self._words = f"{prefix}:{{audit}}:words"
        self._entries_max = entries_max
        self._call = RedisCalls(metrics, "the audit log does not answer")
        self._keys = keys
        self._add = Script("audit")

    async def add(self, record: AuditRecord) -> None:
        """See ``AuditLog``. Raises ``KeysUnavailable`` as well."""
        bare = replace(record, about="", subject="", reason="", given="")
        said = _encode(_Said(record.reason, record.given))
        if self._keys is not None:
            said = self._keys.seal_blob(said, _place(record))
        words = _encode(_Words(record.about, record.subject, said))
        with self._call():
            arguments: list[Argument] = [_encode(bare), words, self._entries_max]
            await self._add.call(self._client, [self._calls, self._words], arguments)

    async def page(self, before: str, limit: int) -> list[tuple[str, AuditRecord]]:
        """See ``AuditLog``. A record of another version is left out. Raises ``KeysUnavailable`` as
        well."""
        with self._call():
            newest = f"({before}" if before else "+"
            entries = await self._client.xrevrange(self._calls, newest, "-", count=limit)
            names = [entry_id for entry_id, _ in entries]
            stored = await self._client.hmget(self._words, names) if names else []
        found = await asyncio.gather(
            *(
                self._whole(fields, words)
                for (_, fields), words in zip(entries, stored, strict=True)
            )
        )
        return [
            (name.decode(), record)
            for name, record in zip(names, found, strict=True)
            if record is not None
        ]

    async def _whole(self, fields: dict[bytes, bytes], words: bytes | None) -> AuditRecord | None:
        try:
            record = _decode(fields[b"r"])
            if words is None:  # They were taken away.
                return record
            told = _decode_words(words)
            record = replace(record, about=told.about, subject=told.subject)
            said = told.said
            if self._keys is not None:
                said = await self._keys.open_blob(said, _place(record))
            return replace(record, **msgspec.structs.asdict(_decode_said(said)))
        except (msgspec.DecodeError, BadEnvelope, KeyError):
            return None

    # ── of one player ────────────────────────────────────────────────────────────────────────

    async def about(self, player: str) -> list[AuditRecord]:
        """The calls that were about the player, oldest first."""
        found = []
        for entry_id, words in sorted([one async for one in self._of(player)]):
            with self._call():
                entries = await self._client.xrange(self._calls, entry_id, entry_id)
            for _, fields in entries:
                record = await self._whole(fields, words)
                if record is not None:
                    found.append(record)
        return found

    async def count(self, player: str) -> int:
        """How many there are."""
        return len([one async for one in self._of(player)])

    async def strip(self, player: str) -> int:
        """Take away whom the calls were about, and all that was said; how many there were."""
        names: Sequence[bytes] = [name async for name, _ in self._of(player)]
        for start in range(0, len(names), _SCAN_AT_ONCE):
            with self._call():
                await self._client.hdel(self._words, *names[start : start + _SCAN_AT_ONCE])
        return len(names)

    async def _of(self, player: str) -> AsyncIterator[tuple[bytes, bytes]]:
        seen = set()
        cursor = 0
        while True:
            with self._call():
                cursor, some = await self._client.hscan(self._words, cursor, count=_SCAN_AT_ONCE)
            for name, words in some.items():
                if name not in seen and _about(words) == player:
                    seen.add(name)
                    yield name, words
            if not cursor:
                return


def _about(words: bytes) -> str | None:
    try:
        return _decode_words(words).about
    except msgspec.DecodeError:
        return None


def _place(record: AuditRecord) -> Place:
    return "audit", record.request_id, record.at_ms, record.outcome
