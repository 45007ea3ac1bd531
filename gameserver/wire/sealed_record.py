"""Records of events whose sensitive fields are sealed: made by the server, opened where a name is
needed. Each field's place is ``("event", <match>/<seq>, <field>)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gameserver.wire import envelope
from gameserver.wire.envelope import Ciphers, DataKey, RandomBytes
from gameserver.wire.event_record import Chunk, EventRecord


def place(event_id: str, field: str) -> envelope.Place:
    """Where a field of an event belongs, and so does a copy of it in another table."""
    return "event", event_id, field


def seal(
    record: EventRecord, fields: Sequence[str], key: DataKey, *, random: RandomBytes
) -> EventRecord:
    """The record with these fields of its data sealed. A null tells nothing and stays."""
    data = dict(record.data)
    for field in fields:
        if data.get(field) is not None:
            where = place(record.id, field)
            data[field] = envelope.seal_field(key, data[field], where, random=random)
    return msgspec.structs.replace(record, data=data, key=envelope.reference(key))


def keys(data: dict[str, Any]) -> set[bytes]:
    """Ids of the data keys that ``opened`` needs for an event's data."""
    return {key for value in data.values() if (key := envelope.field_key(value)) is not None}


def opened(data: dict[str, Any], event_id: str, ciphers: Ciphers) -> dict[str, Any]:
    """An event's data as it was before ``seal``; what has no key in ``ciphers`` stays as it is.
    Raises ``BadEnvelope``."""
    found = dict(data)
    for field, value in data.items():
        key = envelope.field_key(value)
        if key is not None and key in ciphers:
            found[field] = envelope.open_field(ciphers[key], value, place(event_id, field))
    return found


# ── pieces of recordings ─────────────────────────────────────────────────────────────────────────


def chunk_place(chunk: Chunk) -> envelope.Place:
    """Where the body of a piece belongs: to its number in its match."""
    return "recording", chunk.match, chunk.number


def seal_chunk(chunk: Chunk, key: DataKey, *, random: RandomBytes) -> Chunk:
    """The piece with its body sealed as a whole; the body carries its wrapped key."""
    body = envelope.seal_blob(key, chunk.body, chunk_place(chunk), random=random)
    return msgspec.structs.replace(chunk, body=body)


def opened_chunk(chunk: Chunk, cipher: AESGCM) -> Chunk:
    """The piece as it was before ``seal_chunk``. Raises ``BadEnvelope``."""
    body = envelope.open_blob(cipher, chunk.body, chunk_place(chunk))
    return msgspec.structs.replace(chunk, body=body)
