"""The data key that this node seals with, and the unwrapped keys of others.

    start ──► current ── half its age, messages or bytes ──► another is asked for ──► current
                 └────── all of them, KMS still away ──► worn out: nothing is sealed any more

The next key is asked for at half of a bound, so that KMS may be away for as long as the other half
lasts without anybody noticing. A worn-out key is never used again: whoever has something to seal
waits (``Committer``), or is refused (tickets).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gameserver.config import Config
from gameserver.errors import KeysUnavailable
from gameserver.metrics import Metrics
from gameserver.ports import Entropy
from gameserver.wire import envelope
from gameserver.wire.envelope import DataKey, Place
from gameserver.wire.key_cache import KeyCache

logger = logging.getLogger(__name__)

KEYS_MAX = 1_024
"""Unwrapped keys of other nodes held at once."""
RENEW_AT = 0.5
"""The share of a bound at which the next key is asked for."""
FLUSH_MESSAGES = 16_384
FLUSH_BYTES = 1 << 30
FLUSH_S = 5.0
"""What one flush of the committer may take at most: 16 matches with 512 events each, and a
checkpoint. ``ready`` promises that there is still so much left."""
_RETRY_MIN_S = 0.5
_RETRY_MAX_S = 15.0


class Keys(Protocol):
    """Where data keys come from; each call may raise ``KeysUnavailable``."""

    async def generate(self) -> DataKey: ...
    async def unwrap(self, key_id: bytes, wrapped: bytes) -> DataKey: ...


class DataKeys:
    """``start``, then ``run`` as a task; who only opens needs neither. Times are the loop's."""

    def __init__(
        self,
        kms: Keys,
        *,
        age_ms: int,
        messages_max: int,
        bytes_max: int,
        entropy: Entropy,
        metrics: Metrics,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._kms = kms
        self._age_s = age_ms / 1000
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._entropy = entropy
        self._metrics = metrics
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._current: DataKey | None = None
        self._made_at = 0.0
        self._messages = 0
        self._bytes = 0
        self._worn = asyncio.Event()
        self._renewed = asyncio.Event()
        self._others = KeyCache(keys_max=KEYS_MAX, ttl_s=self._age_s)
        self._asked: dict[bytes, asyncio.Future[AESGCM]] = {}

    @property
    def left(self) -> float:
        """How much of the current key may still be used, from 1 down to 0, by whichever of its
        bounds is nearest. Another one is asked for at ``RENEW_AT``."""
        if self._current is None:
            return 0.0
        used = (
            (self._loop.time() - self._made_at) / self._age_s,
            self._messages / self._messages_max,
            self._bytes / self._bytes_max,
        )
        return max(0.0, 1.0 - max(used))

    @classmethod
    def of(cls, kms: Keys, config: Config, *, entropy: Entropy, metrics: Metrics) -> DataKeys:
        """With the bounds of the settings."""
        return cls(
            kms,
            age_ms=config.data_key_age_ms,
            messages_max=config.data_key_messages_max,
            bytes_max=config.data_key_mib_max << 20,
            entropy=entropy,
            metrics=metrics,
        )

    async def start(self) -> None:
        """Get the first key. Raises ``KeysUnavailable``: a node that cannot seal must not start."""
        await self._renew()

    async def run(self) -> None:
        """Keep a fresh key at hand until cancelled."""
        attempt = 0
        while True:
            left_s = self._made_at + self._age_s * RENEW_AT - self._loop.time()
            if left_s > 0 and not self._worn.is_set():
                await self._until_worn(left_s)
                continue
            try:
                await self._renew()
                attempt = 0
            except KeysUnavailable as error:
                logger.warning("no new data key", extra={"error": str(error)})
                pause_s = min(_RETRY_MAX_S, _RETRY_MIN_S * 2**attempt)
                attempt = min(attempt + 1, 10)
                await asyncio.sleep(pause_s * (0.5 + self._entropy.jitter() / 2))

    async def _until_worn(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._worn.wait()
        except TimeoutError:
            pass  # The age decides then.

    async def _renew(self) -> None:
        key = await self._kms.generate()
        earlier, self._current = self._current, key
        now = self._loop.time()
        if earlier is not None:
            # Checkpoints sealed with it may be wanted here again.
            self._others.put(earlier.id, earlier.cipher, now)
        self._made_at, self._messages, self._bytes = now, 0, 0
        self._worn.clear()
        self._renewed.set()
        self._renewed = asyncio.Event()
        self._metrics.data_keys += 1

    # ── sealing ──────────────────────────────────────────────────────────────────────────────

    async def ready(self) -> None:
        """Return once a whole flush can be sealed; see ``ports.Sealer``."""
        waited = False
        while not self._has(FLUSH_S, FLUSH_MESSAGES, FLUSH_BYTES):
            if not waited:
                logger.error("no data key: nothing is committed until KMS answers")
                waited = True
            self._worn.set()
            await self._renewed.wait()

    def take(self, size: int, *, messages: int = 1) -> DataKey:
        """The key to seal so many messages, of ``size`` bytes in all, with. Raises
        ``KeysUnavailable``."""
        key = self._current
        if key is None or not self._has(0.0, messages, size):
            self._worn.set()
            raise KeysUnavailable("the data key is worn out and KMS gives no other")
        self._messages += messages
        self._bytes += size
        if self._messages >= self._messages_max * RENEW_AT or (
            self._bytes >= self._bytes_max * RENEW_AT
        ):
            self._worn.set()
        return key

    def seal_blob(self, plain: bytes, place: Place) -> bytes:
        """An envelope that carries its key. Raises ``KeysUnavailable``."""
        return envelope.seal_blob(self.take(len(plain)), plain, place, random=self._random)

    @property
    def random(self) -> Callable[[int], bytes]:
        """Where nonces come from."""
        return self._random

    def _has(self, age_s: float, messages: int, size: int) -> bool:
        return (
            self._current is not None
            and self._loop.time() + age_s <= self._made_at + self._age_s
            and self._messages + messages <= self._messages_max
            and self._bytes + size <= self._bytes_max
        )

    # ── opening ──────────────────────────────────────────────────────────────────────────────

    def held(self, key_id: bytes) -> AESGCM | None:
        """The key with this id, if it is in memory."""
        current = self._current
        if current is not None and current.id == key_id:
            return current.cipher
        return self._others.get(key_id, self._loop.time())

    async def cipher(self, key_id: bytes, wrapped: bytes) -> AESGCM:
        """The key with this id, from memory or from KMS; asked for once, however many want it.
        Raises ``KeysUnavailable``."""
        held = self.held(key_id)
        if held is not None:
            return held
        asked = self._asked.get(key_id)
        if asked is None:
            asked = self._loop.create_task(self._unwrap(key_id, wrapped))
            self._asked[key_id] = asked
            asked.add_done_callback(lambda done: self._answered(key_id, done))
        return await asyncio.shield(asked)

    async def open_blob(self, blob: bytes, place: Place) -> bytes:
        """What was sealed; what is not sealed is returned as it is (it was stored before sealing
        was turned on). Raises ``KeysUnavailable``, or ``BadEnvelope``."""
        key = envelope.blob_key(blob)
        if key is None:
            return blob
        return envelope.open_blob(await self.cipher(*key), blob, place)

    async def _unwrap(self, key_id: bytes, wrapped: bytes) -> AESGCM:
        key = await self._kms.unwrap(key_id, wrapped)
        self._others.put(key_id, key.cipher, self._loop.time())
        return key.cipher

    def _answered(self, key_id: bytes, asked: asyncio.Future[AESGCM]) -> None:
        self._asked.pop(key_id, None)
        if not asked.cancelled():
            asked.exception()  # Whoever waits raises it.
