"""Profiles in DynamoDB.

    player_id (S, partition key)  display_name (B)  email (B, may lack)  avatar (S)  settings (S)
    version (N)  created_ms (N)  updated_ms (N)

A change is a put of the whole item under the condition that the version before is there. Conditions
hold within a region: as a global table, two regions that change a profile in the same moment both
succeed, and the later write wins as a whole (docs/profiles.md).
"""

from __future__ import annotations

from gameserver.adapters.dynamodb import DynamoDb, Item
from gameserver.ids import PlayerId
from gameserver.players.port import StoredProfile


class DynamoProfiles:
    """Implements ``players.port.ProfileStore``."""

    def __init__(self, db: DynamoDb, *, table: str) -> None:
        self._db = db
        self._table = table

    async def get(self, player_id: PlayerId) -> StoredProfile | None:
        """See ``ProfileStore``."""
        item = await self._db.get(self._table, {"player_id": {"S": player_id}})
        return None if item is None else profile_of(item)

    async def create(self, profile: StoredProfile) -> bool:
        """See ``ProfileStore``."""
        return await self._db.put(
            self._table, _item(profile), condition="attribute_not_exists(player_id)"
        )

    async def replace(self, profile: StoredProfile) -> bool:
        """See ``ProfileStore``."""
        return await self._db.put(
            self._table,
            _item(profile),
            condition="version = :before",
            values={":before": {"N": str(profile.version - 1)}},
        )


def profile_of(item: Item) -> StoredProfile:
    """From the service's form."""
    return StoredProfile(
        player_id=PlayerId(item["player_id"]["S"]),
        display_name=bytes(item["display_name"]["B"]),
        email=bytes(item["email"]["B"]) if "email" in item else None,
        avatar=item["avatar"]["S"],
        settings=item["settings"]["S"],
        version=int(item["version"]["N"]),
        created_ms=int(item["created_ms"]["N"]),
        updated_ms=int(item["updated_ms"]["N"]),
    )


def _item(profile: StoredProfile) -> Item:
    item: Item = {
        "player_id": {"S": profile.player_id},
        "display_name": {"B": profile.display_name},
        "avatar": {"S": profile.avatar},
        "settings": {"S": profile.settings},
        "version": {"N": str(profile.version)},
        "created_ms": {"N": str(profile.created_ms)},
        "updated_ms": {"N": str(profile.updated_ms)},
    }
    if profile.email is not None:
        item["email"] = {"B": profile.email}
    return item
