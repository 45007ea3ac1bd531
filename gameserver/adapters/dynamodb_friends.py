"""Friends, requests and blocks in DynamoDB: an item for each side of a pair.

    player_id (S, partition key)  other_id (S, sort key)  side (S)  since_ms (N)

Both items of a pair are written in one transaction, each on condition of what it was: so neither a
crash nor another player who acts at the same time leaves one side without the other.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gameserver.adapters.dynamodb import DynamoDb, Item
from gameserver.friendship import Pair, Side, Tie
from gameserver.ids import PlayerId

_ABSENT = "attribute_not_exists(player_id)"
_AS_BEFORE = "side = :before"


class DynamoFriends:
    """Implements ``friendship.FriendStore``."""

    def __init__(self, db: DynamoDb, *, table: str) -> None:
        self._db = db
        self._table = table

    async def pair(self, player_id: PlayerId, other_id: PlayerId) -> Pair:
        """See ``FriendStore``. A pair that changes between the two reads may be none that there
        is; then no change of it succeeds."""
        own, theirs = await asyncio.gather(
            self._db.get(self._table, key_of(player_id, other_id)),
            self._db.get(self._table, key_of(other_id, player_id)),
        )
        return (_side(own), _side(theirs))

    async def change(
        self, player_id: PlayerId, other_id: PlayerId, before: Pair, after: Pair, *, at_ms: int
    ) -> bool:
        """See ``FriendStore``."""
        done = await self._db.transact(
            self._write(player_id, other_id, before[0], after[0], at_ms),
            self._write(other_id, player_id, before[1], after[1], at_ms),
        )
        return done or await self.pair(player_id, other_id) == after

    async def ties(self, player_id: PlayerId) -> list[Tie]:
        """See ``FriendStore``."""
        return [tie_of(item) for item in await self._db.query(self._table, "player_id", player_id)]

    def _write(
        self, player_id: PlayerId, other_id: PlayerId, before: Side, after: Side, at_ms: int
    ) -> dict[str, Any]:
        key = key_of(player_id, other_id)
        write: dict[str, Any] = {"TableName": self._table, "ConditionExpression": _ABSENT}
        if before is not Side.NONE:
            write["ConditionExpression"] = _AS_BEFORE
            write["ExpressionAttributeValues"] = {":before": {"S": before}}
        if after is before:
            return {"ConditionCheck": write | {"Key": key}}
        if after is Side.NONE:
            return {"Delete": write | {"Key": key}}
        item = key | {"side": {"S": after}, "since_ms": {"N": str(at_ms)}}
        return {"Put": write | {"Item": item}}


def key_of(player_id: str, other_id: str) -> Item:
    """The key of one side."""
    return {"player_id": {"S": player_id}, "other_id": {"S": other_id}}


def tie_of(item: Item) -> Tie:
    """From the service's form."""
    return Tie(
        player_id=PlayerId(item["player_id"]["S"]),
        other_id=PlayerId(item["other_id"]["S"]),
        side=Side(item["side"]["S"]),
        since_ms=int(item["since_ms"]["N"]),
    )


def _side(item: Item | None) -> Side:
    return Side.NONE if item is None else Side(item["side"]["S"])
