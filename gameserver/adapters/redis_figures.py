"""The cluster's figures over the last hour, in Redis.

    <prefix>:figures    stream   entry <at_ms>-0, field f = Sample as msgpack; the newest
                                 ``SAMPLES_MAX``; gone an hour after the last one

About 80 bytes a sample, one sample every five seconds however many nodes there are.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from redis.exceptions import ResponseError

from gameserver.adapters.redis_client import FAILURES, Client
from gameserver.errors import StoreUnavailable
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
        self._metrics = metrics

    async def add(self, sample: Sample) -> None:
        """See ``FigureStore``."""
        try:
            await self._client.xadd(
                self._key,
                {"f": _encode(sample)},
                id=f"{sample.at_ms}-0",
                maxlen=SAMPLES_MAX,
                approximate=False,
            )
            await self._client.pexpire(self._key, KEPT_MS)
        except ResponseError as error:
            if _TAKEN not in str(error):
                raise self._failed(error) from error
        except FAILURES as error:
            raise self._failed(error) from error

    async def since(self, after_ms: int) -> list[Sample]:
        """See ``FigureStore``. A sample of another version is left out."""
        oldest = max(after_ms, int(self._clock.wall_ms()) - KEPT_MS)
        try:
            entries = await self._client.xrange(self._key, f"({max(0, oldest)}-0", "+")
        except FAILURES as error:
            raise self._failed(error) from error
        found = []
        for _, fields in entries:
            try:
                found.append(_decode(fields[b"f"]))
            except (msgspec.DecodeError, KeyError):
                continue
        return found

    def _failed(self, error: Exception) -> StoreUnavailable:
        self._metrics.store_errors += 1
        return StoreUnavailable(f"the figures do not answer: {error}")
