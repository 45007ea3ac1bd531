"""What the clients were told, to be held against what PostgreSQL keeps.

An event that was announced to any client was committed, so it must be stored, once and with the
same content. The ledger of a process keeps each (match, seq) once, however many bots saw it. As a
file it is JSON lines:

    {"type":"match","match":"…","game":"arena","mode":"ffa","ended":true}
    {"type":"event","match":"…","seq":7,"kind":"kill","player":"…","digest":"…","clients":8}
    {"type":"end","match":"…","seq":9,"reason":"finished","standings":[…]}

``ended``: some client saw the match's end. Digests are those of ``content_digest``, which leaves
out names: PostgreSQL keeps them sealed, and nobody here has the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gameserver.wire import event_record
from gameserver.wire.sensitive import sensitive_fields

EVENTS_MAX = 2_000_000
"""Per process; over it events are counted but no longer kept (error ``ledger:full``)."""


class MatchLine(msgspec.Struct, frozen=True, kw_only=True, tag="match"):
    """A match that at least one client has joined."""

    match: str
    game: str
    mode: str
    ended: bool


class EventLine(msgspec.Struct, frozen=True, kw_only=True, tag="event"):
    """An event that at least one client was told; ``clients`` is how many were."""

    match: str
    seq: int
    kind: str
    player: str | None
    digest: str
    clients: Annotated[int, Meta(ge=1)]


class EndLine(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The end of a match as it was told."""

    match: str
    seq: int
    reason: str
    standings: list[Any]


Line = MatchLine | EventLine | EndLine


class LedgerError(ValueError):
    """A ledger file is not what this module writes."""


_SEALED = {
    event_record.PLAYER_JOINED: frozenset(sensitive_fields(event_record.PlayerJoined)),
}
"""Fields of the server's own events that are stored sealed, by kind."""


def content_digest(data: Any, kind: str = "") -> str:
    """A digest of an event's data that does not depend on how it travelled, nor on what is sealed.

    MessagePack, JSON and PostgreSQL's jsonb write the same number in different ways (``1`` and
    ``1.0``, ``-0.0``), and jsonb orders keys by itself; so numbers and keys are put in one form.
    """
    plain = _one_form(msgspec.to_builtins(data, str_keys=True))
    if kind in _SEALED:
        plain = {name: value for name, value in plain.items() if name not in _SEALED[kind]}
    encoded = msgspec.json.encode(plain, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:32]


_EXACT_MAX = 2**53
"""From here on a double is no longer exact, and jsonb writes out its zeros."""


def _one_form(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() if abs(value) > _EXACT_MAX:
            return float(value)
        case float() if value.is_integer() and abs(value) <= _EXACT_MAX:
            return int(value)
        case dict():
            return {key: _one_form(item) for key, item in value.items()}
        case list() | tuple():
            return [_one_form(item) for item in value]
        case _:
            return value


class Ledger:
    """Matches joined and events announced, of one process or of all."""

    def __init__(self, *, record_events: bool) -> None:
        self._record_events = record_events
        self._matches: dict[str, MatchLine] = {}
        self._events: dict[tuple[str, int], EventLine] = {}
        self._ends: dict[str, EndLine] = {}

    def joined(self, match: str, *, game: str, mode: str) -> None:
        """A client took a seat in ``match``."""
        if match not in self._matches:
            self._matches[match] = MatchLine(match=match, game=game, mode=mode, ended=False)

    def announced(
        self, match: str, *, seq: int, kind: str, player: str | None, data: Any
    ) -> str | None:
        """A client was told an event; returns an error's kind if it contradicts what another client
        was told, or could not be kept."""
        if not self._record_events:
            return None
        key = (match, seq)
        known = self._events.get(key)
        if known is None and len(self._events) >= EVENTS_MAX:
            return "ledger:full"
        line = EventLine(
            match=match,
            seq=seq,
            kind=kind,
            player=player,
            digest=content_digest(data, kind),
            clients=1,
        )
        return self._add_event(line, known)

    def ended(self, match: str, *, seq: int, reason: str, standings: list[Any]) -> None:
        """A client was told that ``match`` is over."""
        known = self._matches.get(match)
        if known is not None and not known.ended:
            self._matches[match] = msgspec.structs.replace(known, ended=True)
        if match not in self._ends:
            self._ends[match] = EndLine(match=match, seq=seq, reason=reason, standings=standings)

    @property
    def matches_joined(self) -> int:
        return len(self._matches)

    @property
    def matches_ended(self) -> int:
        return len(self._ends)

    def lines(self) -> Iterator[Line]:
        """Everything kept, matches first."""
        yield from self._matches.values()
        yield from self._events.values()
        yield from self._ends.values()

    def merge(self, lines: Iterable[Line]) -> list[str]:
        """Add the lines of another ledger; returns the kinds of the contradictions found."""
        problems = []
        for line in lines:
            match line:
                case MatchLine():
                    known = self._matches.get(line.match)
                    if known is None or not known.ended:
                        self._matches[line.match] = line
                case EventLine():
                    problem = self._add_event(line, self._events.get((line.match, line.seq)))
                    if problem is not None:
                        problems.append(problem)
                case EndLine():
                    self._ends.setdefault(line.match, line)
        return problems

    def _add_event(self, line: EventLine, known: EventLine | None) -> str | None:
        key = (line.match, line.seq)
        if known is None:
            self._events[key] = line
            return None
        if (known.kind, known.player, known.digest) != (line.kind, line.player, line.digest):
            return "protocol:event_fork"
        self._events[key] = msgspec.structs.replace(known, clients=known.clients + line.clients)
        return None


_decode_line = msgspec.json.Decoder(Line).decode


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write a ledger file, replacing one that is there."""
    with path.open("wb") as file:
        for line in lines:
            file.write(msgspec.json.encode(line) + b"\n")


def read(path: Path) -> Ledger:
    """Read a ledger file. Raises ``LedgerError`` that names the line, or ``OSError``."""
    ledger = Ledger(record_events=True)
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = _decode_line(raw)
            except msgspec.DecodeError as error:
                raise LedgerError(f"{path}, line {number}: {error}") from error
            if ledger.merge([line]):
                raise LedgerError(
                    f"{path}, line {number}: contradicts an earlier line of the same event"
                )
    return ledger
