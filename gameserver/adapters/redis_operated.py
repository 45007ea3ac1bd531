"""What Redis holds of what operators did to one player: the ban, and calls that were about them.

erased     a ban's reason and the operator's name in it; of calls whom they were about, the
           reason, and what was given
kept       whom a ban keeps out, since when and until when; which operator made which call
"""

from __future__ import annotations

from typing import Any

import msgspec

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_audit import RedisAudit
from gameserver.adapters.redis_bans import RedisBans
from gameserver.adapters.redis_client import Client
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics


class Operated:
    """``keys``: needed to export what is sealed. Every method raises ``StoreUnavailable``."""

    def __init__(
        self, client: Client, *, prefix: str, metrics: Metrics, keys: DataKeys | None = None
    ) -> None:
        self._bans = RedisBans(client, prefix=prefix, metrics=metrics, keys=keys)
        self._audit = RedisAudit(client, prefix=prefix, entries_max=1, metrics=metrics, keys=keys)

    async def look(self, player: PlayerId) -> dict[str, int]:
        """How many there are. A ban that says nothing any more is none."""
        ban = await self._bans.find(player)
        says = ban is not None and bool(ban.by or ban.reason or ban.sealed)
        return {"bans": int(says), "calls": await self._audit.count(player)}

    async def erase(self, player: PlayerId, *, now_ms: int) -> dict[str, int]:
        """Erase; how many there were. May be repeated."""
        stripped = await self._bans.strip(player, now_ms=now_ms)
        return {"bans": int(stripped), "calls": await self._audit.strip(player)}

    async def export(self, player: PlayerId) -> dict[str, list[dict[str, Any]]]:
        """Both, opened, without operators' names. Raises ``KeysUnavailable``."""
        ban = await self._bans.find(player)
        bans = []
        if ban is not None:
            shown = msgspec.structs.asdict(await self._bans.opened(ban))
            bans.append({name: shown[name] for name in ("at_ms", "until_ms", "reason")})
        calls = [msgspec.structs.asdict(one) for one in await self._audit.about(player)]
        kept = ("at_ms", "call", "subject", "reason", "given", "outcome")
        return {
            "bans": bans,
            "calls": [{name: call[name] for name in kept} for call in calls],
        }
