"""Records and bundles for tests: a whole match told in a few lines."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

from gameserver.wire import event_record as wire
from gameserver.wire import sealed_record
from gameserver.wire.envelope import DataKey
from persistence_worker.intake import Event, prepare

BEGAN_MS = 1_760_000_000_000


def match_id() -> str:
    return uuid.uuid4().hex[:26]


def record(
    match: str = "m1",
    seq: int = 1,
    kind: str = "scored",
    player: str | None = None,
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> wire.EventRecord:
    fields: dict[str, Any] = {
        "id": f"{match}/{seq}",
        "match": match,
        "seq": seq,
        "epoch": 7,
        "tick": seq * 10,
        "game": "arena",
        "mode": "duel",
        "kind": kind,
        "player": player,
        "at_ms": BEGAN_MS + seq * 1000,
        "data": data if data is not None else {"points": seq},
    }
    return wire.EventRecord(**(fields | changes))


def raw(*args: Any, **kwargs: Any) -> bytes:
    return wire.encode_record(record(*args, **kwargs))


def event(*args: Any, **kwargs: Any) -> Event:
    return prepare(raw(*args, **kwargs))


def started(match: str, seq: int = 1, **changes: Any) -> bytes:
    data = {"players_max": 2, "seed": 2**70, "node": "n1"}
    return raw(match, seq, wire.MATCH_STARTED, data=data, **changes)


def joined(match: str, seq: int, player: str, seat: int = 0, name: str = "Ann") -> bytes:
    return raw(match, seq, wire.PLAYER_JOINED, player, {"name": name, "seat": seat})


def left(match: str, seq: int, player: str, seat: int = 0, reason: str = "left") -> bytes:
    return raw(match, seq, wire.PLAYER_LEFT, player, {"reason": reason, "seat": seat})


def ended(
    match: str, seq: int, places: Sequence[tuple[str, int, float]] = (), **data: Any
) -> bytes:
    fields: dict[str, Any] = {
        "reason": "finished",
        "ticks": 900,
        "duration_ms": 45_000,
        "standings": [{"player": p, "place": n, "score": s} for p, n, s in places],
        "result": {"winner": "red"},
    }
    return raw(match, seq, wire.MATCH_ENDED, data=fields | data)


def story(match: str, scores: int = 3) -> list[bytes]:
    """A match of two: one leaves and comes back, the other leaves, it ends."""
    told = [
        started(match, 1),
        joined(match, 2, "p1", 0, "Ann"),
        joined(match, 3, "p2", 1, "Bob"),
        left(match, 4, "p1", 0, "disconnected"),
        joined(match, 5, "p1", 2, "Anna"),
        left(match, 6, "p2", 1, "left"),
    ]
    told += [raw(match, 7 + n, "scored", "p1", {"points": n}) for n in range(scores)]
    told.append(ended(match, 7 + scores, [("p1", 1, 10.5), ("p2", 2, 3)]))
    return told


def chunk(match: str = "m1", number: int = 1, **changes: Any) -> wire.Chunk:
    """A piece of a recording; its body is never looked into here."""
    setup = wire.ChunkSetup(seed=str(2**64 - 1), players_max=2, options={"kills": 3, "map": "box"})
    fields: dict[str, Any] = {
        "chunk": f"{match}/r{number}",
        "match": match,
        "number": number,
        "epoch": 7,
        "game": "arena",
        "mode": "duel",
        "version": 1,
        "first_tick": number * 20 - 20,
        "end_tick": number * 20,
        "event_seq": number,
        "at_ms": BEGAN_MS + number * 1000,
        "revived": False,
        "more": False,
        "digest": bytes(range(16)),
        "ended": None,
        "setup": setup if number == 1 else None,
        "body": bytes([number % 256]) * 40,
    }
    return wire.Chunk(**(fields | changes))


def bundle(*records: bytes) -> str:
    return wire.encode_bundle(records)


KEY = DataKey(b"k" * 16, b"s" * 32, b"wrapped " * 23)


def sealed(record: wire.EventRecord, *fields: str, key: DataKey = KEY) -> bytes:
    """As a server with KMS states it; nonces follow from the id, so that bytes are repeatable."""
    salt = hashlib.sha256(record.id.encode()).digest()
    made = sealed_record.seal(record, fields, key, random=lambda size: salt[:size])
    return wire.encode_record(made)


def sealed_chunk(match: str = "m1", number: int = 1, *, key: DataKey = KEY) -> wire.Chunk:
    """A piece of a recording as a server with KMS commits it."""
    salt = hashlib.sha256(f"{match}/r{number}".encode()).digest()
    return sealed_record.seal_chunk(chunk(match, number), key, random=lambda size: salt[:size])


def joined_sealed(match: str, seq: int, player: str, seat: int = 0, name: str = "Ann") -> bytes:
    data = {"name": name, "seat": seat}
    return sealed(record(match, seq, wire.PLAYER_JOINED, player, data), "name")
