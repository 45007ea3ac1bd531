"""What time it is at the server, from pings: pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

SAMPLES = 8
"""So many pings are remembered."""


class _Sample(NamedTuple):
    rtt_ms: float
    offset_ms: float


class ServerClock:
    """Of the last ``SAMPLES`` pings the quickest one is believed: its answer was on its way for
    half of its round trip, give or take the least. Local times are of any clock that only goes
    forward; all times in ms."""

    __slots__ = ("_samples", "offset_ms", "rtt_ms")

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)
        self.offset_ms = 0.0
        """Server time minus local time."""
        self.rtt_ms: float | None = None
        """Of the last ping."""

    @property
    def is_synced(self) -> bool:
        """Whether a ping has been answered."""
        return bool(self._samples)

    def sample(self, sent_ms: float, server_ms: float, received_ms: float) -> None:
        """A ping sent at ``sent_ms`` was answered at ``received_ms``."""
        rtt_ms = received_ms - sent_ms
        self._samples.append(_Sample(rtt_ms, server_ms - (sent_ms + received_ms) / 2))
        best = self._samples[0]
        for each in self._samples:
            if each.rtt_ms <= best.rtt_ms:  # of equals the newest: clocks drift
                best = each
        self.rtt_ms = rtt_ms
        self.offset_ms = best.offset_ms

    @property
    def jitter_ms(self) -> float:
        """How much longer than the quickest of the last pings they took on average."""
        if not self._samples:
            return 0.0
        all_ms = [each.rtt_ms for each in self._samples]
        return sum(all_ms) / len(all_ms) - min(all_ms)

    def at(self, local_ms: float) -> float:
        """Server time, ms since the Unix epoch, at a local time."""
        return local_ms + self.offset_ms

    def reset(self) -> None:
        """Another node has another clock."""
        self._samples.clear()
