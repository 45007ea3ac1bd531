"""Profiles through the cache: read often, written seldom, invalidated on all nodes.

Sealed fields stay sealed in the store and in the cache; they are opened here, for one reader.
"""

from __future__ import annotations

import msgspec

from gameserver.cache.port import Cache
from gameserver.cache.typed import Cached
from gameserver.errors import TableUnavailable
from gameserver.ids import PlayerId
from gameserver.players.port import (
    CACHE_KIND,
    SETTINGS_BYTES_MAX,
    SETTINGS_MAX,
    BadChange,
    Conflict,
    FieldSealer,
    Profile,
    ProfileChange,
    ProfileStore,
    PublicProfile,
    Setting,
    StoredProfile,
    first_name,
    sealed_for,
)
from gameserver.ports import Clock, Identity

ABSENT_TTL_MS = 10_000

_decode_settings = msgspec.json.Decoder(dict[str, Setting]).decode


class Profiles:
    """Implements ``port.ProfileDesk``."""

    def __init__(
        self, store: ProfileStore, cache: Cache, sealer: FieldSealer, *, clock: Clock, ttl_ms: int
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._cached = Cached(
            cache, CACHE_KIND, StoredProfile, ttl_ms=ttl_ms, absent_ttl_ms=ABSENT_TTL_MS
        )

    async def own(self, identity: Identity) -> Profile:
        """See ``port.ProfileDesk``."""
        stored = await self._read(identity.player_id)
        return await self._opened(stored or await self._create(identity))

    async def ensure(self, identity: Identity) -> None:
        """Make the profile of a player who has none. Raises ``Unavailable``."""
        if await self._read(identity.player_id) is None:
            await self._create(identity)

    async def public(self, player_id: PlayerId) -> PublicProfile | None:
        """See ``port.ProfileDesk``."""
        stored = await self._read(player_id)
        if stored is None:
            return None
        return PublicProfile(
            player_id=player_id,
            display_name=await self._open("display_name", stored.display_name, player_id),
            avatar=stored.avatar,
        )

    async def change(
        self, identity: Identity, change: ProfileChange, *, version: int
    ) -> Profile | Conflict:
        """See ``port.ProfileDesk``. Reads the store, for a copy may be a moment old."""
        change.check()
        player_id = identity.player_id
        stored = await self._store.get(player_id) or await self._create(identity)
        if stored.version != version:
            return Conflict(stored.version)
        changed = await self._changed(stored, change)
        try:
            replaced = await self._store.replace(changed)
        except TableUnavailable:
            await self._cached.invalidate(player_id)  # It may have happened.
            raise
        if not replaced:
            newer = await self._store.get(player_id)
            return Conflict(newer.version if newer is not None else 0)
        await self._cached.invalidate(player_id)
        return await self._opened(changed)

    async def _read(self, player_id: PlayerId) -> StoredProfile | None:
        return await self._cached.get_or_load(player_id, lambda: self._store.get(player_id))

    async def _create(self, identity: Identity) -> StoredProfile:
        player_id, now_ms = identity.player_id, self._clock.wall_ms()
        created = StoredProfile(
            player_id=player_id,
            display_name=await self._seal("display_name", first_name(identity.name), player_id),
            email=None,
            avatar="",
            settings="{}",
            version=1,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        try:
            was_created = await self._store.create(created)
        finally:
            await self._cached.invalidate(player_id)
        if was_created:
            return created
        # Another node was quicker.
        return await self._store.get(player_id) or created

    async def _changed(self, stored: StoredProfile, change: ProfileChange) -> StoredProfile:
        player_id = stored.player_id
        name, email, avatar = stored.display_name, stored.email, stored.avatar
        if isinstance(change.display_name, str):
            name = await self._seal("display_name", change.display_name, player_id)
        if isinstance(change.email, str):
            email = await self._seal("email", change.email, player_id)
        elif change.email is None:
            email = None
        if isinstance(change.avatar, str):
            avatar = change.avatar
        settings = stored.settings
        if isinstance(change.settings, dict):
            settings = _merged(settings, change.settings)
        return StoredProfile(
            player_id=player_id,
            display_name=name,
            email=email,
            avatar=avatar,
            settings=settings,
            version=stored.version + 1,
            created_ms=stored.created_ms,
            updated_ms=self._clock.wall_ms(),
        )

    async def _opened(self, stored: StoredProfile) -> Profile:
        player_id, email = stored.player_id, stored.email
        return Profile(
            player_id=player_id,
            display_name=await self._open("display_name", stored.display_name, player_id),
            email=None if email is None else await self._open("email", email, player_id),
            avatar=stored.avatar,
            settings=_decode_settings(stored.settings),
            version=stored.version,
            created_ms=stored.created_ms,
            updated_ms=stored.updated_ms,
        )

    async def _seal(self, field: str, plaintext: str, player_id: PlayerId) -> bytes:
        return await self._sealer.seal(field, plaintext, sealed_for(player_id))

    async def _open(self, field: str, sealed: bytes, player_id: PlayerId) -> str:
        return await self._sealer.open(field, sealed, sealed_for(player_id))


def _merged(stored: str, change: dict[str, Setting]) -> str:
    """Raises ``BadChange``."""
    merged = {**_decode_settings(stored), **change}
    kept = {name: value for name, value in merged.items() if value is not None}
    encoded = msgspec.json.encode(kept)
    if len(kept) > SETTINGS_MAX or len(encoded) > SETTINGS_BYTES_MAX:
        raise BadChange(f"settings hold {SETTINGS_MAX} values and {SETTINGS_BYTES_MAX} bytes")
    return encoded.decode()
