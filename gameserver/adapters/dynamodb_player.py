"""All that DynamoDB holds of one player, for operators' processes: exported, or erased.

Needs neither a server nor its cache. Who is connected is written again: end their sessions first.
Expired sessions that DynamoDB has not deleted yet count too.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gameserver.adapters.dynamodb import DynamoDb, Item
from gameserver.adapters.dynamodb_friends import key_of, tie_of
from gameserver.adapters.dynamodb_profiles import profile_of
from gameserver.adapters.dynamodb_sessions import record_of
from gameserver.config import Config
from gameserver.friendship import Side, Tie, shown
from gameserver.ids import PlayerId
from gameserver.players.port import FieldSealer, StoredProfile, sealed_for

DELETES_AT_ONCE = 16

Found = dict[str, list[dict[str, Any]]]


async def export_player(
    db: DynamoDb, config: Config, player_id: PlayerId, *, sealer: FieldSealer
) -> Found:
    """Everything, opened and ready for JSON, by kind: ``profiles``, ``sessions`` and ``friends``. A
    table that the settings do not name is empty. Raises ``Unavailable``, or ``ValueError`` where a
    field cannot be opened."""
    found: Found = {"profiles": [], "sessions": [], "friends": []}
    if config.profiles_table:
        items = await db.query(config.profiles_table, "player_id", player_id)
        found["profiles"] = [await _opened(profile_of(item), sealer) for item in items]
    if config.sessions_table:
        items = await db.query(config.sessions_table, "player_id", player_id)
        found["sessions"] = [msgspec.to_builtins(record_of(item)) for item in items]
    if config.friends_table:
        items = await db.query(config.friends_table, "player_id", player_id)
        found["friends"] = [
            _shown_tie(tie) for tie in map(tie_of, items) if shown(tie.side) is not Side.NONE
        ]
    return found


async def count_player(db: DynamoDb, config: Config, player_id: PlayerId) -> dict[str, int]:
    """How many items there are, by kind. Raises ``TableUnavailable``."""
    tables = {
        "profiles": config.profiles_table,
        "sessions": config.sessions_table,
        "friends": config.friends_table,
    }
    return {
        kind: len(await db.query(table, "player_id", player_id)) if table else 0
        for kind, table in tables.items()
    }


async def erase_player(db: DynamoDb, config: Config, player_id: PlayerId) -> dict[str, int]:
    """Delete everything; how many items there were, by kind. May be repeated. Raises
    ``TableUnavailable``."""
    kinds = {
        "profiles": (config.profiles_table, ("player_id",)),
        "sessions": (config.sessions_table, ("player_id", "session_id")),
    }
    erased = {}
    for kind, (table, names) in kinds.items():
        items = await db.query(table, "player_id", player_id) if table else []
        keys: list[Item] = [{name: item[name] for name in names} for item in items]
        for start in range(0, len(keys), DELETES_AT_ONCE):
            some = keys[start : start + DELETES_AT_ONCE]
            await asyncio.gather(*(db.delete(table, key) for key in some))
        erased[kind] = len(keys)
    erased["friends"] = await _erase_friends(db, config, player_id)
    return erased


async def _erase_friends(db: DynamoDb, config: Config, player_id: PlayerId) -> int:
    """Both sides of every pair: the other's first, since what is left is found by the own one."""
    table = config.friends_table
    items = await db.query(table, "player_id", player_id) if table else []
    others = [item["other_id"]["S"] for item in items]
    for start in range(0, len(others), DELETES_AT_ONCE):
        some = others[start : start + DELETES_AT_ONCE]
        await asyncio.gather(*(db.delete(table, key_of(other, player_id)) for other in some))
        await asyncio.gather(*(db.delete(table, key_of(player_id, other)) for other in some))
    return len(items)


def _shown_tie(tie: Tie) -> dict[str, Any]:
    """As the player may see it: who has blocked them is the other's secret."""
    return {
        "player_id": tie.player_id,
        "other_id": tie.other_id,
        "side": str(shown(tie.side)),
        "since_ms": tie.since_ms,
    }


async def _opened(profile: StoredProfile, sealer: FieldSealer) -> dict[str, Any]:
    context = sealed_for(profile.player_id)
    shown: dict[str, Any] = msgspec.to_builtins(profile)
    shown["display_name"] = await sealer.open("display_name", profile.display_name, context)
    if profile.email is not None:
        shown["email"] = await sealer.open("email", profile.email, context)
    shown["settings"] = msgspec.json.decode(profile.settings)
    return shown
