"""The cluster's figures over the last hour, in Redis.

    <prefix>:figures    stream   entry <at_ms>-0, field f = Sample as msgpack; the newest
                                 ``SAMPLES_MAX``; gone an hour after the last one

About 80 bytes a sample, one sample every five seconds however many nodes there are.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from redis.exceptions import ResponseError

from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.metrics import Metrics
from gameserver.ports import Clock
from gameserver.watching import KEPT_MS, SAMPLES_MAX, Sample

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Sample).decode
_TAKEN = "equal or smaller"
"""What Redis says of an id that is not above the last one."""


class RedisFigures:
    """Implements ``watching.FigureStore``."""

    def __init__(self, client: Client, *, prefix: str, clock: Clock, metrics: Metrics) -> None:
        self._client = cast(Any, client)
        self._key = f"{prefix}:figures"
        self._clock = clock
        self._call = RedisCalls(metrics, "the figures do not answer")

    async def add(self, sample: Sample) -> None:
        """See ``FigureStore``."""
        with self._call():
            try:
                await self._client.xadd(
                    self._key,
                    {"f": _encode(sample)},
                    id=f"{sample.at_ms}-0",
                    maxlen=SAMPLES_MAX,
                    approximate=False,
                )
            except ResponseError as error:
                if _TAKEN in str(error):
                    return
                raise
            await self._client.pexpire(self._key, KEPT_MS)

    async def since(self, after_ms: int) -> list[Sample]:
        """See ``FigureStore``. A sample of another version is left out."""
        oldest = max(after_ms, int(self._clock.wall_ms()) - KEPT_MS)
        with self._call():
            entries = await self._client.xrange(self._key, f"({max(0, oldest)}-0", "+")
        found = []
        for _, fields in entries:
            try:
                found.append(_decode(fields[b"f"]))
            except (msgspec.DecodeError, KeyError):
                continue
        return found
