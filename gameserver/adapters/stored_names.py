"""Names of players as PostgreSQL holds them, made readable. Nothing else in the server opens them.

name sealed for the event that said it ──► its data key: in memory, or
                                           data_keys (wrapped) ──► KMS
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gameserver.adapters.data_keys import DataKeys
from gameserver.records.leaderboard import Source
from gameserver.records.port import StoredName
from gameserver.records.statements import statements_of
from gameserver.wire import envelope, sealed_record
from gameserver.wire.envelope import BadEnvelope

_STATEMENTS = statements_of("gameserver.records", "history.sql")


class PlainNames:
    """Implements ``records.port.Names`` without KMS. A name that was sealed earlier is not told."""

    async def opened(self, names: Sequence[StoredName]) -> list[str | None]:
        """See ``Names``."""
        return [
            None if envelope.field_key(stored.name) is not None else stored.name for stored in names
        ]


class SealedNames:
    """Implements ``records.port.Names``. Names from before sealing was turned on are given as they
    are; one whose key is unknown, or that was sealed for another place, is not told."""

    def __init__(self, source: Source, keys: DataKeys) -> None:
        self._source = source
        self._keys = keys

    async def opened(self, names: Sequence[StoredName]) -> list[str | None]:
        """See ``Names``. Raises ``KeysUnavailable``, or what ``source`` raises."""
        wanted = {envelope.field_key(stored.name) for stored in names} - {None}
        ciphers = await self._ciphers({key for key in wanted if key is not None})
        return [_opened(stored, ciphers) for stored in names]

    async def _ciphers(self, wanted: set[bytes]) -> Mapping[bytes, AESGCM]:
        found = {key: cipher for key in wanted if (cipher := self._keys.held(key)) is not None}
        missing = {envelope.key_name(key): key for key in wanted - found.keys()}
        if not missing:
            return found
        rows = await self._source.fetch(_STATEMENTS["wrapped_keys"], sorted(missing))
        stored = {missing[row["key_id"]]: bytes(row["wrapped"]) for row in rows}
        asked = [self._keys.cipher(key, wrapped) for key, wrapped in stored.items()]
        return found | dict(zip(stored, await asyncio.gather(*asked), strict=True))


def _opened(stored: StoredName, ciphers: Mapping[bytes, AESGCM]) -> str | None:
    key = envelope.field_key(stored.name)
    if stored.name is None or key is None:
        return stored.name
    if key not in ciphers or stored.said_by is None:
        return None
    try:
        place = sealed_record.place(stored.said_by, "name")
        return str(envelope.open_field(ciphers[key], stored.name, place))
    except BadEnvelope:
        return None
