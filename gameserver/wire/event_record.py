"""A key event on its way from a match to PostgreSQL: shared with the worker, and nothing else is.

A record is encoded once, before its commit; from then on its bytes are what is relayed:

    SQS body = {"v":1,"records":[ <record>, <record>, … ]}
    record   = {"id":"<match>/<seq>","match":…,"seq":…,"epoch":…,"tick":…,"game":…,"mode":…,
                "kind":…,"player":…|null,"at_ms":…,"data":{…}}
    chunk    = {"chunk":"<match>/r<number>","match":…,"number":…, …,"body":"<base64>", …}

Where fields of ``data`` tell of a person they are sealed (``envelope``), and the record has one
more key, ``"key"``: the data key that seals them, wrapped.

The id does not hold the epoch: a match that continues on another node goes on with the next
``seq``, so an id names one fact for ever. A chunk is a piece of a match's recording, numbered by
itself, and travels the same way; ``wire.recording`` says what its body holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gameserver.wire.sensitive import Sensitive

VERSION = 1
BODY_BYTES_MAX = 1_048_576
"""SQS' limit of one message (AWS: "Amazon SQS message quotas", 1 MiB since August 2025)."""
RECORD_BYTES_MAX = 65_536

MATCH_STARTED = "match_started"
PLAYER_JOINED = "player_joined"
PLAYER_LEFT = "player_left"
MATCH_CLOSED = "match_closed"
MATCH_ENDED = "match_ended"
BOT_ID = "bot:"
"""Ids of players begin so where the game itself plays them; no person's does."""

SERVER_KINDS = frozenset({MATCH_STARTED, PLAYER_JOINED, PLAYER_LEFT, MATCH_CLOSED, MATCH_ENDED})
"""Kinds the server itself states; a game's event may not take one of these names."""

_MATCH = re.compile(r"[0-9a-z]{1,64}")
_Name = Annotated[str, Meta(min_length=1, max_length=64)]
_Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class EventRecord(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """One key event. ``data`` is the event's own fields; ``at_ms`` is wall time of its step;
    ``key`` names the data key of its sealed fields (``envelope.reference``).

    ``match`` consists of digits and small letters, ``id`` of it and ``seq``: decoding checks both,
    by less than a pattern for each would cost."""

    id: Annotated[str, Meta(min_length=3, max_length=96)]
    match: _Name
    seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    epoch: _Count
    tick: _Count
    game: _Name
    mode: _Name
    kind: _Name
    player: Annotated[str, Meta(min_length=1, max_length=128)] | None
    at_ms: _Count
    key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{1,684}\Z")] | None = None
    data: dict[str, Any]


class MatchStarted(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``match_started``."""

    players_max: int
    seed: int
    node: str


class PlayerJoined(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``player_joined``."""

    name: Annotated[str, Sensitive]
    seat: int


class PlayerLeft(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``player_left``: ``reason`` is a ``LeaveReason``."""

    reason: str
    seat: int


class MatchClosed(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``match_closed``: an operator ends the match, and says players why. What follows
    is its ``match_ended``, as ``abandoned``."""

    reason: Annotated[str, Sensitive]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One player's place in ``MatchEnded``."""

    player: str
    place: int
    score: float


class MatchEnded(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``match_ended``. ``reason``: ``finished``, ``abandoned`` or ``game_error``."""

    reason: str
    ticks: int
    duration_ms: int
    standings: list[Place]
    result: dict[str, Any] | None = None


class ChunkSetup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a recorded match started from. ``seed`` is a whole number of up to 64 bits, as text:
    not every JSON reader can hold it."""

    seed: Annotated[str, Meta(pattern=r"^[0-9]{1,20}\Z")]
    players_max: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    options: dict[str, int | float | str]


class Chunk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a recording: what the steps between two checkpoints consumed.

    ``body`` holds the steps from ``first_tick`` up to, not including, ``end_tick``; ``more``: it
    goes on in the next number, and what follows describes the last piece. ``revived``: its owner
    began with a decoded checkpoint. ``digest`` is that of the state at its end, empty where there
    was none; ``event_seq`` the last key event stated by then. ``version`` is the rules'. ``setup``
    stands in number 1, ``ended`` (the reason) in the last one.
    """

    chunk: Annotated[str, Meta(min_length=4, max_length=96)]
    match: Annotated[str, Meta(pattern=r"^[0-9a-z]{1,64}\Z")]
    number: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    epoch: _Count
    game: _Name
    mode: _Name
    version: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    first_tick: _Count
    end_tick: _Count
    event_seq: _Count
    at_ms: _Count
    revived: bool
    more: bool
    digest: Annotated[bytes, Meta(max_length=64)]
    ended: _Name | None
    setup: ChunkSetup | None
    body: bytes


Record = EventRecord | Chunk


class _Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    records: list[EventRecord]


class BadBody(ValueError):
    """An SQS body, or one record in it, is not what this module writes."""


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_record = msgspec.json.Decoder(EventRecord).decode
_decode_chunk = msgspec.json.Decoder(Chunk).decode
_CHUNK_BEGINS = b'{"chunk":'
_decode_bundle = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_records = msgspec.json.Decoder(_Bundle).decode


def encode_record(record: Record) -> bytes:
    """The record's bytes: JSON with keys in a fixed order, so that equal facts have equal bytes.

    Raises ``ValueError`` over ``RECORD_BYTES_MAX``.
    """
    encoded = _encode(record)
    check_size(record, len(encoded))
    return encoded


def check_size(record: Record, size: int) -> None:
    """Raises ``ValueError`` where ``size`` bytes are over ``RECORD_BYTES_MAX``."""
    if size > RECORD_BYTES_MAX:
        named = (
            f"chunk {record.chunk}"
            if isinstance(record, Chunk)
            else f"event {record.id} ({record.kind})"
        )
        raise ValueError(f"{named} takes {size} bytes; the limit is {RECORD_BYTES_MAX}")


def is_chunk(encoded: bytes) -> bool:
    """Whether a record is a piece of a recording: told by its first key, which no event has."""
    return encoded.startswith(_CHUNK_BEGINS)


def decode_chunk(encoded: bytes) -> Chunk:
    """The chunk of ``encoded``; raises ``BadBody`` with what is wrong."""
    try:
        chunk = _decode_chunk(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(f"chunk: {error}") from error
    if chunk.chunk != f"{chunk.match}/r{chunk.number}":
        raise BadBody(f"chunk: id {chunk.chunk!r} does not name match and number")
    if chunk.end_tick < chunk.first_tick:
        raise BadBody(f"chunk: it ends at tick {chunk.end_tick}, before {chunk.first_tick}")
    return chunk


def decode_record(encoded: bytes | msgspec.Raw) -> EventRecord:
    """The record of ``encoded``; raises ``BadBody`` with what is wrong."""
    try:
        record = _decode_record(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(f"record: {error}") from error
    _check_id(record)
    return record


def _check_id(record: EventRecord) -> None:
    if record.id != f"{record.match}/{record.seq}":
        raise BadBody(f"record: id {record.id!r} does not name match and seq")
    if not _is_match(record.match):
        raise BadBody(f"record: match {record.match!r} is not of digits and small letters")


@lru_cache(maxsize=4096)
def _is_match(match: str) -> bool:
    return _MATCH.fullmatch(match) is not None


def canonical(record: EventRecord) -> bytes:
    """What ``encode_record`` has made of an equal record. ``data`` comes last."""
    return _encode(record)


def digest(record: Record) -> bytes:
    """16 bytes that tell two contents of the same id apart.

    Sealed fields and bodies count as they are sealed: a record is sealed once. An event's key does
    not, for the same key may be wrapped anew."""
    if isinstance(record, EventRecord) and record.key is not None:
        record = msgspec.structs.replace(record, key=None)
    return digest_of(_encode(record))


def digest_of(canonical: bytes) -> bytes:
    """``digest`` of a record without a key whose canonical bytes are known: SHA-256, cut."""
    return sha256(canonical).digest()[:16]


def encode_bundle(records: Sequence[bytes]) -> str:
    """The body of one SQS message that carries ``records`` (encoded ones)."""
    return (b'{"v":1,"records":[' + b",".join(records) + b"]}").decode()


def decode_records(body: str) -> list[EventRecord]:
    """All records of an SQS body at once, which is the cheap way; raises ``BadBody`` if anything
    in it is bad, whatever that is. Then ``decode_bundle`` tells good from bad."""
    try:
        records = _decode_records(body).records
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadBody(f"body: {error}") from error
    for record in records:
        _check_id(record)
    return records


def decode_bundle(body: str) -> list[bytes]:
    """The encoded records of an SQS body; raises ``BadBody``. Each is checked by
    ``decode_record``, so that one bad record does not spoil its neighbours."""
    try:
        parts = _decode_bundle(body)
        if set(parts) != {"v", "records"}:
            raise BadBody(f"body: expected the keys v and records, got {sorted(parts)[:8]}")
        if bytes(parts["v"]).strip() != b"1":
            raise BadBody(f"body: version {bytes(parts['v'])[:16]!r} is not known here")
        return [bytes(raw) for raw in _decode_list(parts["records"])]
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadBody(f"body: {error}") from error
