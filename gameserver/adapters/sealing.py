"""Seals what leaves the node: key events' sensitive fields, whole checkpoints, and recordings.

A checkpoint is sealed as a whole, because a game's state may hold names and chat anywhere. So a
node that takes a match over needs its former owner's data key: one call to KMS per lost node, then
it is in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

import msgspec

from gameserver.adapters.data_keys import DataKeys
from gameserver.errors import KeysUnavailable
from gameserver.ids import MatchId
from gameserver.ports import (
    Acquired,
    Commit,
    Lease,
    MatchStore,
    OutboxEntry,
    Outcome,
    Recordings,
)
from gameserver.wire import envelope, event_record, sealed_record
from gameserver.wire.envelope import BadEnvelope, Place
from gameserver.wire.event_record import Chunk, EventRecord
from gameserver.wire.recording import BadRecording

logger = logging.getLogger(__name__)

OPENED_AT_ONCE = 32
"""Pieces of a recording, 1.4 MB at most: the loop stands still meanwhile."""


class KmsSealer:
    """Implements ``ports.Sealer``."""

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    async def ready(self) -> None:
        """See ``ports.Sealer``."""
        await self._keys.ready()

    def seal(self, record: EventRecord, fields: Sequence[str]) -> EventRecord:
        """See ``ports.Sealer``. Each field is a message of its own to the data key."""
        key = self._keys.take(len(msgspec.json.encode(record.data)), messages=len(fields))
        return sealed_record.seal(record, fields, key, random=self._keys.random)

    def seal_chunk(self, chunk: Chunk) -> Chunk:
        """See ``ports.Sealer``."""
        key = self._keys.take(len(chunk.body))
        return sealed_record.seal_chunk(chunk, key, random=self._keys.random)


class SealedRecordings:
    """``ports.Recordings`` over another one that gives sealed pieces. Those that were stored before
    sealing was turned on are given as they are."""

    def __init__(self, inner: Recordings, keys: DataKeys) -> None:
        self._inner = inner
        self._keys = keys

    async def pieces(self, match_id: str) -> list[Chunk]:
        """See ``ports.Recordings``. Raises ``KeysUnavailable`` as well."""
        opened = []
        for place, chunk in enumerate(await self._inner.pieces(match_id)):
            opened.append(await opened_piece(chunk, self._keys))
            if place % OPENED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return opened


async def opened_piece(chunk: Chunk, keys: DataKeys) -> Chunk:
    """A piece with its body open. Raises ``KeysUnavailable``, or ``BadRecording``."""
    try:
        body = await keys.open_blob(chunk.body, sealed_record.chunk_place(chunk))
    except BadEnvelope as error:
        raise BadRecording(f"chunk {chunk.number} cannot be opened: {error}") from error
    return msgspec.structs.replace(chunk, body=body)


class SealedMatchStore:
    """A ``ports.MatchStore`` over another one that sees only sealed checkpoints."""

    def __init__(self, inner: MatchStore, keys: DataKeys) -> None:
        self._inner = inner
        self._keys = keys
        self.holder = inner.holder
        self.renew = inner.renew
        self.release = inner.release
        self.trim = inner.trim
        self.forget = inner.forget
        self.take_turn = inner.take_turn
        self.orphans = inner.orphans
        self.end_turn = inner.end_turn

    async def commit(self, commits: Sequence[Commit], *, lease_ttl_ms: int) -> list[Outcome]:
        """See ``ports.MatchStore``. A repeated commit is sealed anew; the store compares fence and
        version, not bytes."""
        sealed = [
            msgspec.structs.replace(
                commit,
                checkpoint=self._keys.seal_blob(commit.checkpoint, _place(commit.match_id)),
            )
            for commit in commits
        ]
        return await self._inner.commit(sealed, lease_ttl_ms=lease_ttl_ms)

    async def acquire(
        self, match_id: MatchId, *, owner: str, lease_ttl_ms: int, instead_of: int = 0
    ) -> Acquired | None:
        """See ``ports.MatchStore``. A match whose key KMS does not give is given back at once, for
        another node or a later try: ``KeysUnavailable``."""
        acquired = await self._inner.acquire(
            match_id, owner=owner, lease_ttl_ms=lease_ttl_ms, instead_of=instead_of
        )
        # Who takes the own match anew has it in memory.
        if acquired is None or acquired.checkpoint is None or instead_of:
            return acquired
        try:
            return msgspec.structs.replace(
                acquired,
                checkpoint=await self._keys.open_blob(acquired.checkpoint, _place(match_id)),
                outbox=[await self._shown(entry) for entry in acquired.outbox],
            )
        except BadEnvelope as error:
            # As it is it cannot be decoded either, and then the match is left alone.
            logger.error("not opened", extra={"match": match_id, "error": str(error)})
            return acquired
        except KeysUnavailable:
            await self._inner.release(Lease(match_id, acquired.fence))
            raise

    async def _shown(self, entry: OutboxEntry) -> OutboxEntry:
        if b'"key":"' not in entry.record or event_record.is_chunk(entry.record):
            return entry
        record = event_record.decode_record(entry.record)
        if record.key is None:
            return entry
        key_id, wrapped = envelope.read_reference(record.key)
        ciphers = {key_id: await self._keys.cipher(key_id, wrapped)}
        data = sealed_record.opened(record.data, record.id, ciphers)
        shown = msgspec.structs.replace(record, data=data, key=None)
        return OutboxEntry(entry.seq, entry.record, event_record.encode_record(shown))


def _place(match_id: MatchId) -> Place:
    return "checkpoint", match_id


class ProfileSealer:
    """Implements ``players.port.FieldSealer``: each field with its wrapped key, for there is no
    table of keys beside it. ``context`` names the item."""

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    async def seal(self, field: str, plaintext: str, context: Mapping[str, str]) -> bytes:
        """What may be stored. Raises ``KeysUnavailable``."""
        return self._keys.seal_blob(plaintext.encode(), profile_place(field, context))

    async def open(self, field: str, sealed: bytes, context: Mapping[str, str]) -> str:
        """What was sealed for this place. Raises ``KeysUnavailable``, or ``BadEnvelope`` (a
        ``ValueError``)."""
        return (await self._keys.open_blob(sealed, profile_place(field, context))).decode()


def profile_place(field: str, context: Mapping[str, str]) -> Place:
    """Where a sealed field of an item belongs."""
    return ("item", field, *(f"{name}={context[name]}" for name in sorted(context)))
