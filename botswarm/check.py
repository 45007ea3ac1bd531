"""Holds a ledger against PostgreSQL: what was announced must be stored, once and unchanged.

Reads ``events(match_id, seq, kind, player, data)`` and ``matches(match_id, ended_at)``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from botswarm import ledger as ledgers
from botswarm.ledger import EndLine, EventLine, Ledger, MatchLine, content_digest
from gameserver.errors import ConfigError
from gameserver.wire.envelope import field_key
from gameserver.wire.event_record import MATCH_ENDED, SERVER_KINDS

POLL_S = 0.5
MATCHES_PER_QUERY = 500
EXAMPLES_MAX = 5

_EVENTS = """
SELECT match_id::text, seq, kind, player::text, data::text
FROM events WHERE match_id = ANY($1::text[])
"""
_MATCHES = """
SELECT match_id::text, ended_at IS NOT NULL AS ended
FROM matches WHERE match_id = ANY($1::text[])
"""


class StoredEvent(msgspec.Struct, frozen=True):
    """A row of ``events``; see ``stored_digest``."""

    match: str
    seq: int
    kind: str
    player: str | None
    digest: str | None


class Stored(msgspec.Struct, frozen=True):
    """What PostgreSQL keeps of the ledger's matches."""

    events: list[StoredEvent]
    ended: dict[str, bool]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Both counts and the differences, as lines to be shown. ``unseen``: events that are stored
    though no client of the ledger was told: it came later or had left."""

    matches: int
    ended_told: int
    ended_stored: int
    ended_unseen: int
    events_told: int
    events_stored: int
    events_unseen: int
    differences: list[str]

    @property
    def equal(self) -> bool:
        return not self.differences


def compare(ledger: Ledger, stored: Stored) -> Comparison:
    """Pure: every event that was told is stored exactly once with the same content; every match
    that was told to have ended is stored as ended, and has one ``match_ended``."""
    told: dict[tuple[str, int], EventLine] = {}
    ends: set[str] = set()
    matches: set[str] = set()
    for line in ledger.lines():
        match line:
            case MatchLine():
                matches.add(line.match)
            case EventLine():
                told[line.match, line.seq] = line
            case EndLine():
                ends.add(line.match)
    kept = {(event.match, event.seq): event for event in stored.events}
    differences = _event_differences(told, kept, stored.events)
    ended_stored = {match for match, ended in stored.ended.items() if ended}
    differences += [
        f"match {match}: told to have ended, not stored so" for match in sorted(ends - ended_stored)
    ]
    per_match = Counter(event.match for event in stored.events if event.kind == MATCH_ENDED)
    differences += [
        f"match {match}: {count} rows {MATCH_ENDED}, expected 1"
        for match, count in sorted(per_match.items())
        if count != 1
    ]
    return Comparison(
        matches=len(matches),
        ended_told=len(ends),
        ended_stored=len(ends & ended_stored),
        ended_unseen=len(ended_stored - ends),
        events_told=len(told),
        events_stored=len(told.keys() & kept.keys()),
        events_unseen=len(kept.keys() - told.keys()),
        differences=differences,
    )


def _event_differences(
    told: dict[tuple[str, int], EventLine],
    kept: dict[tuple[str, int], StoredEvent],
    rows: list[StoredEvent],
) -> list[str]:
    counts = Counter((event.match, event.seq) for event in rows)
    differences = [
        f"event {match}/{seq}: stored {count} times"
        for (match, seq), count in sorted(counts.items())
        if count > 1
    ]
    for (match, seq), line in sorted(told.items()):
        event = kept.get((match, seq))
        if event is None:
            differences.append(f"event {match}/{seq} ({line.kind}): told but not stored")
        elif (event.kind, event.player) != (line.kind, line.player):
            differences.append(
                f"event {match}/{seq}: told as {line.kind} of {line.player}, "
                f"stored as {event.kind} of {event.player}"
            )
        elif event.digest not in (None, line.digest):
            differences.append(f"event {match}/{seq} ({line.kind}): stored with other data")
    return differences


async def check(path: Path, *, dsn: str, wait_s: float) -> Comparison:
    """Compare until equal, or ``wait_s`` have passed. Raises ``ConfigError`` for a ledger that
    cannot be read or a database that cannot be asked."""
    try:
        ledger = ledgers.read(path)
    except (OSError, ledgers.LedgerError) as error:
        raise ConfigError(f"--ledger {path}: {error}") from error
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigError(f"--postgres: cannot connect ({error})") from error
    try:
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            comparison = compare(ledger, await _load(connection, ledger))
            if comparison.equal or asyncio.get_running_loop().time() >= deadline:
                return comparison
            await asyncio.sleep(POLL_S)
    except asyncpg.PostgresError as error:
        raise ConfigError(f"--postgres: {error}; has the database been migrated?") from error
    finally:
        await connection.close()


async def _load(connection: Any, ledger: Ledger) -> Stored:
    names = sorted({line.match for line in ledger.lines()})
    events: list[StoredEvent] = []
    ended: dict[str, bool] = {}
    for start in range(0, len(names), MATCHES_PER_QUERY):
        some = names[start : start + MATCHES_PER_QUERY]
        for match, seq, kind, player, data in await connection.fetch(_EVENTS, some):
            digest = stored_digest(kind, msgspec.json.decode(data))
            events.append(StoredEvent(match, seq, kind, player, digest))
        rows = await connection.fetch(_MATCHES, some)
        ended.update((match, over) for match, over in rows)
    return Stored(events, ended)


def stored_digest(kind: str, data: dict[str, Any]) -> str | None:
    """``None`` where a game's own fields are sealed: then there is nothing to compare with."""
    if kind not in SERVER_KINDS and any(field_key(value) is not None for value in data.values()):
        return None
    return content_digest(data, kind)


def describe(comparison: Comparison) -> str:
    """The comparison for people."""
    lines = [
        f"matches joined by clients   {comparison.matches}",
        f"ended: told to clients      {comparison.ended_told}",
        f"ended: of these stored      {comparison.ended_stored}",
        f"ended: stored, none told    {comparison.ended_unseen}",
        f"events: told to clients     {comparison.events_told}",
        f"events: of these stored     {comparison.events_stored}",
        f"events: stored, none told   {comparison.events_unseen}",
    ]
    shown = comparison.differences[:EXAMPLES_MAX]
    lines += [f"difference: {difference}" for difference in shown]
    if len(comparison.differences) > len(shown):
        lines.append(f"and {len(comparison.differences) - len(shown)} more")
    lines.append("equal" if comparison.equal else "NOT equal")
    return "\n".join(lines)
