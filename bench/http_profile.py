"""Profiles for ``bench.http``: as a node has them whose near cache holds the one that is asked for.

Its fields are sealed there as everywhere, so each call opens two of them. KMS is in memory: a node
asks it once an hour.
"""

from __future__ import annotations

import os

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.sealing import ProfileSealer
from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.cache.port import Loader
from gameserver.config import Config
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.players.port import StoredProfile, sealed_for
from gameserver.players.profiles import Profiles
from gameserver.wire.envelope import KEY_BYTES, KEY_ID_BYTES, DataKey

TTL_MS = 60_000


class OneKey:
    """KMS that has made one data key."""

    def __init__(self) -> None:
        self._key = DataKey(os.urandom(KEY_ID_BYTES), os.urandom(KEY_BYTES), os.urandom(184))

    async def generate(self) -> DataKey:
        return self._key

    async def unwrap(self, key_id: bytes, wrapped: bytes) -> DataKey:
        return self._key


class NearCopies:
    """A cache that has everything at hand once it was loaded."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self._held.get(key)

    async def get_or_load(
        self, key: str, loader: Loader, *, ttl_ms: int, absent_ttl_ms: int = 0
    ) -> bytes | None:
        if key not in self._held:
            loaded = await loader()
            if loaded is None:
                return None
            self._held[key] = loaded
        return self._held[key]

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> bool:
        self._held[key] = value
        return True

    async def invalidate(self, key: str) -> bool:
        return self._held.pop(key, None) is not None

    async def expire(self, key: str, *, ttl_ms: int) -> bool:
        return key in self._held


class OneProfile:
    """A table with one profile."""

    def __init__(self, profile: StoredProfile) -> None:
        self._profile = profile

    async def get(self, player_id: PlayerId) -> StoredProfile | None:
        return self._profile

    async def create(self, profile: StoredProfile) -> bool:
        return False

    async def replace(self, profile: StoredProfile) -> bool:
        return False


async def profiles(player: PlayerId) -> Profiles:
    """What the API asks, with a profile of ``player``."""
    keys = DataKeys.of(OneKey(), Config(), entropy=SystemEntropy(), metrics=Metrics())
    await keys.start()
    sealer, place = ProfileSealer(keys), sealed_for(player)
    stored = StoredProfile(
        player_id=player,
        display_name=await sealer.seal("display_name", "Ada Lovelace", place),
        email=await sealer.seal("email", "ada@mail.example", place),
        avatar="https://cdn.example/avatars/fox.png",
        settings='{"sound":0.5,"music":0.25,"colours":"warm","invert_y":true}',
        version=7,
        created_ms=1_790_000_000_000,
        updated_ms=1_790_000_360_000,
    )
    return Profiles(OneProfile(stored), NearCopies(), sealer, clock=WallClock(), ttl_ms=TTL_MS)
