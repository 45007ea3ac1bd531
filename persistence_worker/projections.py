"""What is told from the events: matches, participants, results.

A projection is a pure fold of newly stored events into rows, and one statement that merges such
rows into its table. Both follow one rule, so that any order of the events, and any cut of them
into batches, gives the same tables:

- ``matches``: start and end each fill their own columns; what is there stays.
- ``participants``: the join or leave with the highest ``seq`` says seat and whether the player
  has left; the join with the highest ``seq`` says the name; ``joined_at`` is the earliest join.
- ``results``: what is there stays.

Another projection of this kind is one more entry of ``PROJECTIONS``. What is counted once a match
has ended (ratings, leaderboards) needs to know what was before: see ``tally``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gameserver.wire import event_record as wire
from persistence_worker.intake import Event

Columns = list[list[Any]]
"""One list a column, all of one length: the arguments of a statement that unnests them."""


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """``statement`` is a name in ``queries.sql``; ``fold`` returns its arguments, sorted by the
    table's primary key so that concurrent transactions lock rows in one order."""

    statement: str
    fold: Callable[[Sequence[Event]], Columns]


class Participation(msgspec.Struct, kw_only=True):
    """A row of ``participants`` in the making."""

    seat: int
    last_seq: int
    name: str | None = None
    joined_seq: int | None = None
    joined_at_ms: int | None = None
    left_at_ms: int | None = None
    leave_reason: str | None = None


class MatchRow(msgspec.Struct, kw_only=True):
    """A row of ``matches`` in the making."""

    game: str
    mode: str
    started_at_ms: int | None = None
    players_max: int | None = None
    ended_at_ms: int | None = None
    reason: str | None = None
    ticks: int | None = None
    duration_ms: int | None = None
    result: str | None = None


def matches(events: Sequence[Event]) -> dict[str, MatchRow]:
    """One row for each match that starts or ends in ``events``."""
    rows: dict[str, MatchRow] = {}
    for event in events:
        record, fact = event.record, event.fact
        if not isinstance(fact, wire.MatchStarted | wire.MatchEnded):
            continue
        row = rows.get(record.match)
        if row is None:
            row = rows[record.match] = MatchRow(game=record.game, mode=record.mode)
        if isinstance(fact, wire.MatchStarted):
            if row.started_at_ms is None:
                row.started_at_ms = record.at_ms
                row.players_max = fact.players_max
        elif row.ended_at_ms is None:
            row.ended_at_ms = record.at_ms
            row.reason = fact.reason
            row.ticks = fact.ticks
            row.duration_ms = fact.duration_ms
            if fact.result is not None:
                row.result = msgspec.json.encode(fact.result).decode()
    return rows


def participants(events: Sequence[Event]) -> dict[tuple[str, str], Participation]:
    """One row for each player who joins or leaves a match in ``events``."""
    rows: dict[tuple[str, str], Participation] = {}
    for event in events:
        record, fact = event.record, event.fact
        if record.player is None or not isinstance(fact, wire.PlayerJoined | wire.PlayerLeft):
            continue
        key = (record.match, record.player)
        row = rows.get(key)
        if row is None:
            row = rows[key] = Participation(seat=fact.seat, last_seq=0)
        latest = record.seq > row.last_seq
        if latest:
            row.last_seq, row.seat = record.seq, fact.seat
            row.left_at_ms = row.leave_reason = None
        if isinstance(fact, wire.PlayerLeft):
            if latest:
                row.left_at_ms, row.leave_reason = record.at_ms, fact.reason
            continue
        if row.joined_seq is None or record.seq > row.joined_seq:
            row.joined_seq, row.name = record.seq, fact.name or None
        if row.joined_at_ms is None or record.at_ms < row.joined_at_ms:
            row.joined_at_ms = record.at_ms
    return rows


def results(events: Sequence[Event]) -> dict[tuple[str, str], tuple[int, float]]:
    """Place and score of each player of each match that ends in ``events``."""
    rows: dict[tuple[str, str], tuple[int, float]] = {}
    for event in events:
        if isinstance(event.fact, wire.MatchEnded):
            for standing in event.fact.standings:
                key = (event.record.match, standing.player)
                rows.setdefault(key, (standing.place, standing.score))
    return rows


def _match_columns(events: Sequence[Event]) -> Columns:
    return _columns(
        (match_id, *msgspec.structs.astuple(row)) for match_id, row in _sorted(matches(events))
    )


def _participant_columns(events: Sequence[Event]) -> Columns:
    return _columns(
        (*key, *msgspec.structs.astuple(row)) for key, row in _sorted(participants(events))
    )


def _result_columns(events: Sequence[Event]) -> Columns:
    return _columns((*key, *row) for key, row in _sorted(results(events)))


def _sorted(rows: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return sorted(rows.items(), key=lambda item: item[0])


def _columns(rows: Any) -> Columns:
    return [list(column) for column in zip(*rows, strict=True)]


PROJECTIONS = (
    Projection(statement="merge_matches", fold=_match_columns),
    Projection(statement="merge_participants", fold=_participant_columns),
    Projection(statement="merge_results", fold=_result_columns),
)
