"""KMS in memory: wraps by a table, is down on demand, counts its calls."""

from __future__ import annotations

import hashlib
from typing import Any

from gameserver.adapters.data_keys import DataKeys
from gameserver.errors import KeysUnavailable
from gameserver.metrics import Metrics
from gameserver.wire.envelope import KEY_BYTES, KEY_ID_BYTES, DataKey
from tests.fakes.clock import SeededEntropy


class MemoryKms:
    """Implements ``data_keys.Keys``; shared by the nodes of a test."""

    def __init__(self) -> None:
        self.down = False
        self.generated = 0
        self.unwrapped = 0

    async def generate(self) -> DataKey:
        self._check()
        self.generated += 1
        key_id = hashlib.sha256(b"id %d" % self.generated).digest()[:KEY_ID_BYTES]
        return self._key(key_id)

    async def unwrap(self, key_id: bytes, wrapped: bytes) -> DataKey:
        self._check()
        self.unwrapped += 1
        key = self._key(key_id)
        if key.wrapped != wrapped:
            raise KeysUnavailable("InvalidCiphertextException")
        return key

    def _key(self, key_id: bytes) -> DataKey:
        plain = hashlib.sha256(b"plain" + key_id).digest()[:KEY_BYTES]
        return DataKey(key_id, plain, b"wrapped:" + key_id)

    def _check(self) -> None:
        if self.down:
            raise KeysUnavailable("down")


async def data_keys(kms: MemoryKms | None = None, **bounds: Any) -> DataKeys:
    """Data keys that have started; their bounds are the settings' unless given."""
    keys = DataKeys(
        kms or MemoryKms(),
        **{"age_ms": 3_600_000, "messages_max": 2**24, "bytes_max": 2**36} | bounds,
        entropy=SeededEntropy(1, 1),
        metrics=Metrics(),
    )
    await keys.start()
    return keys
