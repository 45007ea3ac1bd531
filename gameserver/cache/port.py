"""What a cache is to those who use it, and what a shared store is to the cache.

caller ──Cache──► shared.SharedCache ──CacheStore──► redis_cache   (values, leases)
                      ▲ near.NearCache     │
                      └────CacheListener───┘         redis_tracking (what has changed)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

Loader = Callable[[], Awaitable[bytes | None]]
"""Fetches the truth. ``None``: there is nothing, which may be remembered too."""


class Cache(Protocol):
    """Values by key, shared by all nodes. Keys are texts of 1 to ``KEY_CHARS_MAX`` characters; for
    others ``ValueError`` is raised. While the store is away nothing is found, and loads go
    through."""

    async def get(self, key: str) -> bytes | None:
        """The value, if it is cached here or in the store."""

    async def get_or_load(
        self, key: str, loader: Loader, *, ttl_ms: int, absent_ttl_ms: int = 0
    ) -> bytes | None:
        """The cached value, else what ``loader`` fetches, kept for ``ttl_ms``; that there is
        nothing is kept for ``absent_ttl_ms`` (0: not at all).

        Callers at the same time share one load, and nodes take turns. A load that an ``invalidate``
        overtakes is not kept, and done again. Raises what ``loader`` raises, and ``Unavailable``
        where it takes too long or too many others are loading."""

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> bool:
        """Put a value there. Of two writers the later call wins, so where the truth lies elsewhere
        ``invalidate`` after writing it is the safe way. False: see ``invalidate``."""

    async def invalidate(self, key: str) -> bool:
        """Forget the value on all nodes. Who asks this node after the return does not get an older
        one. False: the store did not answer; it is tried again in the background, this node does
        not use the key until then, and others may for as long as the value lives."""

    async def expire(self, key: str, *, ttl_ms: int) -> bool:
        """Let a value that is there live for ``ttl_ms`` from now; false where there is none, or the
        store did not answer."""


KEY_CHARS_MAX = 256


# ── the store ────────────────────────────────────────────────────────────────────────────────────


class Found(msgspec.Struct, frozen=True):
    """There is a value, or (``None``) word that there is none, for another ``ttl_ms``."""

    value: bytes | None
    ttl_ms: int


class Missing(msgspec.Struct, frozen=True):
    """There is nothing."""


class Loading(msgspec.Struct, frozen=True):
    """Somebody holds the lease and is loading."""


class Leased(msgspec.Struct, frozen=True):
    """There was nothing; the lease is the caller's now."""


class CacheListener(Protocol):
    """Hears what changes in the store. Every method returns at once."""

    def changed(self, keys: Sequence[str] | None) -> None:
        """These keys were written, deleted or have expired; ``None``: all may have."""


class CacheStore(Protocol):
    """Values and loading leases in one place for all nodes. A key holds a value, word that there is
    none, or a lease, so that whatever changes it ends the lease with it. Every ``async`` method may
    raise ``StoreUnavailable``, after which it may or may not have happened."""

    def listen(self, listener: CacheListener) -> None:
        """Who hears of changes; called once, before anything else."""

    def current_until(self) -> float:
        """The loop's time until which a copy may be used: all changes up to a known moment shortly
        before have been told to the listener. It lies in the past while changes are not heard."""

    async def read(self, key: str) -> Found | Loading | Missing:
        """What is there."""

    async def lease(self, key: str, token: str, *, lease_ms: int) -> Found | Loading | Leased:
        """What is there; if that is nothing, a lease, which ends by itself."""

    async def fill(self, key: str, token: str, value: bytes | None, *, ttl_ms: int) -> bool:
        """Put the loaded value there if the lease still stands; false (nothing done) if not."""

    async def give_up(self, key: str, token: str) -> None:
        """End the lease, if it still stands."""

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Put a value there, whatever was."""

    async def delete(self, key: str) -> None:
        """Remove what is there, a lease as well."""

    async def expire(self, key: str, *, ttl_ms: int) -> bool:
        """Change the time to live of a value; false if there is none."""
