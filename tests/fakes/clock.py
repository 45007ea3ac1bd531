"""Clock and entropy that follow from a seed and a loop's time alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from gameserver.ids import MatchId, SessionId

EPOCH_MS = 1_800_000_000_000


class LoopClock:
    """The ``Clock`` port over a monotonic time in seconds."""

    def __init__(self, time_s: Callable[[], float]) -> None:
        self._time_s = time_s

    def wall_ms(self) -> int:
        return EPOCH_MS + int(self._time_s() * 1000)


class SeededEntropy:
    """The ``Entropy`` port: the same seed gives the same ids and jitter. ``node`` keeps the ids
    of several nodes apart."""

    def __init__(self, seed: int, node: int = 0) -> None:
        self._random = random.Random(seed * 1_000_003 + node)
        self._node = node
        self._made = 0

    def match_id(self) -> MatchId:
        return MatchId(self._id("m"))

    def session_id(self) -> SessionId:
        return SessionId(self._id("s"))

    def seed(self) -> int:
        return self._random.getrandbits(63)

    def jitter(self) -> float:
        return self._random.random()

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self._node:05d}{self._made:020d}"
