"""Profiles and session records in memory, with faults on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gameserver.errors import TableUnavailable
from gameserver.ids import PlayerId, SessionId
from gameserver.players.port import SESSIONS_LISTED_MAX, SessionRecord, StoredProfile


class Faults:
    """``down``: every call fails; ``gate``: calls wait for it; ``calls`` counts them."""

    def __init__(self) -> None:
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls = 0

    async def call(self) -> None:
        self.calls += 1
        await self.gate.wait()
        if self.down:
            raise TableUnavailable("the table is down")


class MemoryProfiles(Faults):
    """Implements ``players.port.ProfileStore``."""

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[PlayerId, StoredProfile] = {}

    async def get(self, player_id: PlayerId) -> StoredProfile | None:
        await self.call()
        return self.profiles.get(player_id)

    async def create(self, profile: StoredProfile) -> bool:
        await self.call()
        return self.profiles.setdefault(profile.player_id, profile) == profile

    async def replace(self, profile: StoredProfile) -> bool:
        await self.call()
        stored = self.profiles.get(profile.player_id)
        if stored is not None and stored.version == profile.version - 1:
            self.profiles[profile.player_id] = profile
        return self.profiles.get(profile.player_id) == profile


class MemorySessions(Faults):
    """Implements ``players.port.SessionStore``."""

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        super().__init__()
        self._wall_ms = wall_ms
        self.records: dict[tuple[PlayerId, SessionId], SessionRecord] = {}

    async def put(self, record: SessionRecord) -> bool:
        await self.call()
        key = record.player_id, record.session_id
        stored = self.records.get(key)
        if stored is not None and (stored.connected_ms, stored.expires_at) > (
            record.connected_ms,
            record.expires_at,
        ):
            return False
        self.records[key] = record
        return True

    async def remove(self, record: SessionRecord) -> bool:
        await self.call()
        key = record.player_id, record.session_id
        stored = self.records.get(key)
        own = (record.node, record.connected_ms)
        if stored is not None and (stored.node, stored.connected_ms) != own:
            return False
        self.records.pop(key, None)
        return True

    async def of_player(self, player_id: PlayerId) -> list[SessionRecord]:
        await self.call()
        now_s = self._wall_ms() / 1000
        counting = [
            record
            for (player, _), record in self.records.items()
            if player == player_id and record.expires_at > now_s
        ]
        counting.sort(key=lambda record: record.connected_ms, reverse=True)
        return counting[:SESSIONS_LISTED_MAX]
