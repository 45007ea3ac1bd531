"""From an SQS body to events that can be stored: pure, and one bad record spoils no other.

body ──decode_bundle──► raw records ──decode_record──► EventRecord ──typed data──► Event
  └── Bad(bad_body)         ├───────── Bad(bad_record) ┘    └── Bad(bad_data)
                            └─decode_chunk─► Piece

Where it was compiled, ``_usual`` takes a shorter way that ends at the same: most records need not
be decoded to be stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gameserver.wire import event_record as wire
from persistence_worker.retry import ErrorKind

if TYPE_CHECKING:
    _Make = Callable[[str, int, bytes, bytes, bytes], "Event"]
    _read_usual: Callable[[str, _Make, Callable[[bytes], Item]], list[Item] | None] | None
else:
    try:
        from persistence_worker._usual import read as _read_usual
    except ImportError:
        _read_usual = None

BIGINT_MAX = 2**63 - 1
INTEGER_MAX = 2**31 - 1
AT_MS_MAX = 253_402_300_799_999
"""The end of the year 9999: PostgreSQL stores later times, but most clients cannot read them."""

Fact = wire.MatchStarted | wire.PlayerJoined | wire.PlayerLeft | wire.MatchEnded
"""What the server itself states, typed; a game's own events have none."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """A record that PostgreSQL can take. ``raw``: its bytes; ``row``: as COPY takes it, where it is
    known already; ``stated`` and ``text``: the record and its data as JSON, where they had to be
    made or are others than ``raw`` says."""

    id: str
    at_ms: int
    raw: bytes
    digest: bytes
    row: bytes | None = None
    fact: Fact | None = None
    stated: wire.EventRecord | None = None
    text: bytes | None = None

    @property
    def record(self) -> wire.EventRecord:
        """The record; it is decoded each time if nothing has been told from it."""
        return wire.decode_record(self.raw) if self.stated is None else self.stated

    @property
    def data(self) -> bytes:
        """The record's data as JSON."""
        return _data_of(self.raw) if self.text is None else self.text

    @property
    def sealed_key(self) -> str | None:
        """``EventRecord.key``. A record with one is always decoded."""
        return None if self.stated is None else self.stated.key

    @property
    def key(self) -> tuple[str, int]:
        """The event's id, as the primary key has it."""
        match, _, seq = self.id.rpartition("/")
        return match, int(seq)


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a recording, stored as it is. ``raw``: its bytes as received."""

    record: wire.Chunk
    raw: bytes
    digest: bytes

    @property
    def key(self) -> tuple[str, int]:
        """Events of a match count up from 1, so its pieces count down from -1: one order for
        both, in which concurrent batches wait for each other."""
        return self.record.match, -self.record.number

    @property
    def id(self) -> str:
        """As people are told it."""
        return self.record.chunk

    @property
    def at_ms(self) -> int:
        """Wall time at which it was cut, in ms."""
        return self.record.at_ms


Item = Event | Piece


class Bad(msgspec.Struct, frozen=True, kw_only=True):
    """What cannot be stored, and why. ``raw`` is ``None`` where the whole body is bad."""

    kind: ErrorKind
    detail: str
    raw: bytes | None


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """A message's content."""

    events: list[Item]
    bad: list[Bad]


class BadData(ValueError):
    """A record is well formed, but holds what its kind or PostgreSQL does not allow."""


def read(body: str) -> Intake:
    """Sort a body into events and bad parts; never raises for what the body holds."""
    try:
        items = _read_usual(body, Event, prepare_any) if _read_usual else None
        if items is not None:
            return Intake(events=items, bad=[])
        # All at once, which is the cheap way; mostly nothing is wrong.
        return Intake(events=[_prepare(record) for record in wire.decode_records(body)], bad=[])
    except (wire.BadBody, BadData, RecursionError):
        return _read_one_by_one(body)


def _read_one_by_one(body: str) -> Intake:
    try:
        raws = wire.decode_bundle(body)
    except wire.BadBody as error:
        salvaged = _salvage(body)
        if salvaged is None:
            bad = Bad(kind=ErrorKind.BAD_BODY, detail=str(error), raw=None)
            return Intake(events=[], bad=[bad])
        raws = salvaged
    intake = Intake(events=[], bad=[])
    for raw in raws:
        try:
            intake.events.append(prepare_any(raw))
        except BadData as error:
            intake.bad.append(Bad(kind=ErrorKind.BAD_DATA, detail=str(error), raw=raw))
        except wire.BadBody as error:
            intake.bad.append(Bad(kind=ErrorKind.BAD_RECORD, detail=str(error), raw=raw))
    return intake


_BUNDLE = re.compile(rb'\s*\{\s*"v"\s*:\s*1\s*,\s*"records"\s*:\s*\[(.*)\]\s*\}\s*', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def _salvage(body: str) -> list[bytes] | None:
    """The records of a bundle in which the decoder stumbled over one of them: a lone surrogate,
    or a nesting that is too deep. ``None`` where no records can be told apart."""
    try:
        bundle = _BUNDLE.fullmatch(body.encode())
    except UnicodeEncodeError:
        return None
    if bundle is None:
        return None
    inside = bundle[1]
    parts, depth, start = [], 0, 0
    for token in _TOKEN.finditer(inside):
        sign = token[0]
        if sign in b"[{":
            depth += 1
        elif sign in b"]}":
            depth -= 1
        elif sign == b"," and depth == 0:
            parts.append(inside[start : token.start()].strip())
            start = token.end()
        if depth < 0:
            return None
    parts.append(inside[start:].strip())
    return parts if depth == 0 and all(parts) else None


def prepare_any(raw: bytes) -> Item:
    """What one encoded record is; raises ``BadBody`` or ``BadData`` with what is wrong."""
    if not wire.is_chunk(raw):
        return prepare(raw)
    _check_size(raw)
    record = wire.decode_chunk(raw)
    if record.at_ms > AT_MS_MAX:
        raise BadData(f"at_ms: {record.at_ms} is after the year 9999")
    if b"\\u0000" in raw:
        raise BadData("chunk: a string holds the character U+0000, which PostgreSQL cannot store")
    return Piece(record=record, raw=raw, digest=wire.digest(record))


def _check_size(raw: bytes) -> None:
    if len(raw) > wire.RECORD_BYTES_MAX:
        raise wire.BadBody(f"record: {len(raw)} bytes; the limit is {wire.RECORD_BYTES_MAX}")


def prepare(raw: bytes) -> Event:
    """The event of one encoded record; raises ``BadBody`` or ``BadData`` with what is wrong."""
    _check_size(raw)
    try:
        return _prepare(wire.decode_record(raw))
    except RecursionError as error:
        raise wire.BadBody("record: data is nested too deeply") from error


def _prepare(record: wire.EventRecord) -> Event:
    raw = wire.canonical(record)
    if len(raw) > wire.RECORD_BYTES_MAX:
        raise wire.BadBody(f"record: {len(raw)} bytes; the limit is {wire.RECORD_BYTES_MAX}")
    # The escape is rare, so that the walk through all strings is, too. PostgreSQL's text and
    # jsonb cannot hold U+0000 (PostgreSQL documentation, 8.14 "JSON Types").
    if b"\\u0000" in raw and _holds_nul(msgspec.structs.asdict(record)):
        raise BadData("data: a string holds the character U+0000, which PostgreSQL cannot store")
    if record.at_ms > AT_MS_MAX:
        raise BadData(f"at_ms: {record.at_ms} is after the year 9999")
    read_fact = _FACTS.get(record.kind)
    return Event(
        id=record.id,
        at_ms=record.at_ms,
        raw=raw,
        digest=wire.digest_of(raw) if record.key is None else wire.digest(record),
        fact=read_fact(record) if read_fact else None,
        stated=record,
        text=_data_of(raw),
    )


def _data_of(canonical: bytes) -> bytes:
    # It comes last. Within a string its name would not stand between such quotation marks.
    return canonical[canonical.index(_DATA) + len(_DATA) : -1]


_DATA = b',"data":'


def _holds_nul(value: Any) -> bool:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if "\0" in part:
                return True
        elif isinstance(part, dict):
            waiting.extend(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return False


def _bounded(name: str, value: int, high: int) -> None:
    if not 0 <= value <= high:
        raise BadData(f"data.{name}: {value} is not between 0 and {high}")


def _convert(record: wire.EventRecord, to: type[Any]) -> Any:
    try:
        return msgspec.convert(record.data, to)
    except msgspec.ValidationError as error:
        raise BadData(f"data of {record.kind}: {error}") from error


def _needs_player(record: wire.EventRecord) -> None:
    if record.player is None:
        raise BadData(f"{record.kind} names no player")


def _match_started(record: wire.EventRecord) -> wire.MatchStarted:
    fact: wire.MatchStarted = _convert(record, wire.MatchStarted)
    _bounded("players_max", fact.players_max, INTEGER_MAX)
    return fact


def _player_joined(record: wire.EventRecord) -> wire.PlayerJoined:
    _needs_player(record)
    fact: wire.PlayerJoined = _convert(record, wire.PlayerJoined)
    _bounded("seat", fact.seat, INTEGER_MAX)
    return fact


def _player_left(record: wire.EventRecord) -> wire.PlayerLeft:
    _needs_player(record)
    fact: wire.PlayerLeft = _convert(record, wire.PlayerLeft)
    _bounded("seat", fact.seat, INTEGER_MAX)
    return fact


def _match_ended(record: wire.EventRecord) -> wire.MatchEnded:
    fact: wire.MatchEnded = _convert(record, wire.MatchEnded)
    _bounded("ticks", fact.ticks, BIGINT_MAX)
    _bounded("duration_ms", fact.duration_ms, BIGINT_MAX)
    _check_standings(fact.standings)
    return fact


def _check_standings(standings: Sequence[wire.Place]) -> None:
    seen: set[str] = set()
    for standing in standings:
        _bounded("standings.place", standing.place, INTEGER_MAX)
        if not 1 <= len(standing.player) <= 128:
            raise BadData("data.standings: a player's id has 1 to 128 characters")
        if standing.player in seen:
            raise BadData(f"data.standings: {standing.player!r} has two places")
        seen.add(standing.player)


_FACTS: dict[str, Callable[[wire.EventRecord], Fact]] = {
    wire.MATCH_STARTED: _match_started,
    wire.PLAYER_JOINED: _player_joined,
    wire.PLAYER_LEFT: _player_left,
    wire.MATCH_ENDED: _match_ended,
}
