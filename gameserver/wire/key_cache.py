"""Unwrapped data keys, a bounded number for a bounded time."""

from __future__ import annotations

from collections import OrderedDict

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class KeyCache:
    """The least recently used key goes first. Times in s of any clock that does not go back."""

    __slots__ = ("_held", "_keys_max", "_ttl_s")

    def __init__(self, *, keys_max: int, ttl_s: float) -> None:
        self._keys_max = keys_max
        self._ttl_s = ttl_s
        self._held: OrderedDict[bytes, tuple[AESGCM, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key_id: bytes, now_s: float) -> AESGCM | None:
        """The key, unless it was never there, has gone or is too old."""
        found = self._held.get(key_id)
        if found is None:
            return None
        if found[1] <= now_s:
            del self._held[key_id]
            return None
        self._held.move_to_end(key_id)
        return found[0]

    def put(self, key_id: bytes, cipher: AESGCM, now_s: float) -> None:
        """Hold a key for the time to live from now."""
        self._held[key_id] = (cipher, now_s + self._ttl_s)
        self._held.move_to_end(key_id)
        while len(self._held) > self._keys_max:
            self._held.popitem(last=False)
