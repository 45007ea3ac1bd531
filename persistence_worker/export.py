"""All that PostgreSQL and the dead letters hold of a player, opened: for the player to read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from persistence_worker import dlq
from persistence_worker.letters import records
from persistence_worker.messages import MessageQueue
from persistence_worker.opener import Opener
from persistence_worker.postgres import Database

EVENTS_AT_ONCE = 1_000
Rows = list[dict[str, Any]]


async def export_database(
    database: Database, opener: Opener | None, *, player: str
) -> dict[str, Rows]:
    """Rows by table. Without an ``opener`` sealed fields stay sealed. Raises
    ``DatabaseUnavailable`` and ``KeysUnavailable``."""
    found: dict[str, Rows] = {}
    for table, query in (
        ("players", "export_player"),
        ("participants", "export_participants"),
        ("results", "export_results"),
        ("ratings", "export_ratings"),
        ("rating_changes", "export_rating_changes"),
        ("boards", "export_scores"),
        ("recordings", "export_recordings"),
    ):
        async with database.chore() as (connection, _):
            rows = await connection.fetch(database.statements[query], player)
        found[table] = [_plain(row) for row in rows]
    found["events"] = await _events(database, player)
    async with database.chore() as (connection, _):
        quoted = msgspec.json.encode(player).decode()
        parked = await connection.fetch(database.statements["export_parked"], quoted)
    found["parked_events"] = [
        {"id": row["id"], "reason": row["reason"], "records": _own(row["body"], player)}
        for row in parked
    ]
    if opener is not None:
        await _open(found, opener)
    return found


async def export_letters(dead_letters: MessageQueue, opener: Opener | None, *, player: str) -> Rows:
    """The player's records in the dead-letter queue. Raises ``QueueUnavailable``."""
    letters = await dlq.peek(dead_letters, limit=dlq.SCAN_MAX)
    found = [
        {"id": each.letter.id, "reason": each.letter.reason, "records": own}
        for each in letters
        if (own := _own(each.message.body, player))
    ]
    if opener is not None:
        await _open_records(found, opener)
    return found


async def _events(database: Database, player: str) -> Rows:
    found: Rows = []
    last: tuple[str, int] = ("", 0)
    while True:
        async with database.chore() as (connection, _):
            query = database.statements["export_events"]
            rows = await connection.fetch(query, player, *last, EVENTS_AT_ONCE)
        found += [_plain(row) | {"data": msgspec.json.decode(row["data"])} for row in rows]
        if len(rows) < EVENTS_AT_ONCE:
            return found
        last = (rows[-1]["match_id"], rows[-1]["seq"])


async def _open(found: dict[str, Rows], opener: Opener) -> None:
    for row in found["players"]:
        row["name"] = await opener.name(row["name"], row["named_by"])
    for row in found["participants"]:
        row["name"] = await opener.name(row["name"], f"{row['match_id']}/{row['joined_seq']}")
    for row in found["events"]:
        row["data"] = await opener.data(row["data"], f"{row['match_id']}/{row['seq']}")
    await _open_records(found["parked_events"], opener)


async def _open_records(letters: Rows, opener: Opener) -> None:
    for letter in letters:
        for record in letter["records"]:
            key = record.pop("key", None)
            record["data"] = await opener.data(record["data"], record["id"], key)


def _own(body: str, player: str) -> Rows:
    return [record for record in records(body) if record.get("player") == player]


def _plain(row: Any) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in dict(row).items()
    }
