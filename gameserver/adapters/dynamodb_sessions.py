"""Records of sessions in DynamoDB.

    player_id (S, partition key)  session_id (S, sort key)  node (S)  connected_ms (N)
    expires_at (N, wall seconds: the table's TTL attribute)

DynamoDB deletes what has expired within days, not at once, so readers look at ``expires_at``.
"""

from __future__ import annotations

from gameserver.adapters.dynamodb import DynamoDb, Item
from gameserver.ids import PlayerId, SessionId
from gameserver.players.port import SESSIONS_LISTED_MAX, SessionRecord
from gameserver.ports import Clock

READ_MAX = 1_000
"""Items looked at for one player, expired ones included."""
_NOT_NEWER = (
    "attribute_not_exists(session_id) OR connected_ms < :connected_ms"
    " OR (connected_ms = :connected_ms AND expires_at <= :expires_at)"
)
_OWN = "attribute_not_exists(session_id) OR (node = :node AND connected_ms = :connected_ms)"


class DynamoSessions:
    """Implements ``players.port.SessionStore``."""

    def __init__(self, db: DynamoDb, *, table: str, clock: Clock) -> None:
        self._db = db
        self._table = table
        self._clock = clock

    async def put(self, record: SessionRecord) -> bool:
        """See ``SessionStore``. What came late must not shorten what a refresh has prolonged."""
        item = _item(record)
        values = {f":{name}": item[name] for name in ("connected_ms", "expires_at")}
        return await self._db.put(self._table, item, condition=_NOT_NEWER, values=values)

    async def remove(self, record: SessionRecord) -> bool:
        """See ``SessionStore``."""
        item = _item(record)
        key = {name: item[name] for name in ("player_id", "session_id")}
        values = {f":{name}": item[name] for name in ("node", "connected_ms")}
        return await self._db.delete(self._table, key, condition=_OWN, values=values)

    async def of_player(self, player_id: PlayerId) -> list[SessionRecord]:
        """See ``SessionStore``."""
        items = await self._db.query(self._table, "player_id", player_id, items_max=READ_MAX)
        now_s = self._clock.wall_ms() / 1000
        counting = [record for record in map(record_of, items) if record.expires_at > now_s]
        counting.sort(key=lambda record: record.connected_ms, reverse=True)
        return counting[:SESSIONS_LISTED_MAX]


def record_of(item: Item) -> SessionRecord:
    """From the service's form."""
    return SessionRecord(
        player_id=PlayerId(item["player_id"]["S"]),
        session_id=SessionId(item["session_id"]["S"]),
        node=item["node"]["S"],
        connected_ms=int(item["connected_ms"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
    )


def _item(record: SessionRecord) -> Item:
    return {
        "player_id": {"S": record.player_id},
        "session_id": {"S": record.session_id},
        "node": {"S": record.node},
        "connected_ms": {"N": str(record.connected_ms)},
        "expires_at": {"N": str(record.expires_at)},
    }
