"""Opens what is sealed: for exports, for dead letters that an operator looks at, and for boards
with names. Needs a role that may use the KMS key; the worker's role need not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gameserver.records.leaderboard import Entry
from gameserver.wire import envelope, sealed_record
from gameserver.wire.envelope import BadEnvelope, DataKey
from gameserver.wire.event_record import Chunk
from gameserver.wire.key_cache import KeyCache
from persistence_worker.postgres import Database

KEYS_MAX = 1_000
KEY_TTL_S = 300.0
KEYS_AT_ONCE = 500


class Unwrapping(Protocol):
    """KMS, as far as it is needed here."""

    async def unwrap(self, key_id: bytes, wrapped: bytes) -> DataKey: ...


class Opener:
    """Keys come from ``data_keys``, or from the record itself where it carries its own. Every
    method raises ``KeysUnavailable`` and ``DatabaseUnavailable``."""

    def __init__(self, kms: Unwrapping, database: Database | None) -> None:
        self._kms = kms
        self._database = database
        self._cache = KeyCache(keys_max=KEYS_MAX, ttl_s=KEY_TTL_S)

    async def data(self, data: dict[str, Any], event_id: str, key: str | None = None) -> Any:
        """An event's data with its sealed fields opened; ``key`` is the record's. A field that
        cannot be opened (its key is unknown, or it is damaged) is given as it is."""
        ciphers = await self._ciphers(sealed_record.keys(data), key)
        found = dict(data)
        for field in data:
            try:
                found |= sealed_record.opened({field: data[field]}, event_id, ciphers)
            except BadEnvelope:
                continue
        return found

    async def chunk(self, chunk: Chunk) -> Chunk:
        """A piece of a recording with its body opened. One that cannot be opened (it is damaged, or
        of another place) is given as it is."""
        key = envelope.blob_key(chunk.body)
        if key is None:
            return chunk
        key_id, wrapped = key
        now_s = time.monotonic()
        cipher = self._cache.get(key_id, now_s)
        if cipher is None:
            cipher = (await self._kms.unwrap(key_id, wrapped)).cipher
            self._cache.put(key_id, cipher, now_s)
        try:
            return sealed_record.opened_chunk(chunk, cipher)
        except BadEnvelope:
            return chunk

    async def name(self, name: str | None, event_id: str | None) -> str | None:
        """A name that the event ``event_id`` said: ``players.name`` with ``named_by``."""
        if name is None or event_id is None:
            return name
        opened = await self.data({"name": name}, event_id)
        return str(opened["name"])

    async def entries(self, entries: Sequence[Entry]) -> list[Entry]:
        """Places of a board with their names."""
        keys = [envelope.field_key(entry.name) for entry in entries]
        await self._ciphers((key for key in keys if key is not None), None)
        return [
            msgspec.structs.replace(entry, name=await self.name(entry.name, entry.named_by))
            for entry in entries
        ]

    async def _ciphers(self, wanted: Iterable[bytes], key: str | None) -> dict[bytes, AESGCM]:
        now_s = time.monotonic()
        found: dict[bytes, AESGCM] = {}
        missing = []
        for key_id in sorted(set(wanted)):
            cipher = self._cache.get(key_id, now_s)
            if cipher is None:
                missing.append(key_id)
            else:
                found[key_id] = cipher
        for key_id, wrapped in (await self._wrapped(missing, key)).items():
            cipher = (await self._kms.unwrap(key_id, wrapped)).cipher
            self._cache.put(key_id, cipher, now_s)
            found[key_id] = cipher
        return found

    async def _wrapped(self, missing: list[bytes], key: str | None) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        if self._database is not None and missing:
            names = {envelope.key_name(key_id): key_id for key_id in missing}
            async with self._database.chore() as (connection, _):
                query = self._database.statements["data_keys"]
                rows = await connection.fetch(query, list(names))
            found = {names[row["key_id"]]: row["wrapped"] for row in rows}
        if key is not None:
            key_id, wrapped = envelope.read_reference(key)
            if key_id in missing:
                found.setdefault(key_id, wrapped)
        return found
