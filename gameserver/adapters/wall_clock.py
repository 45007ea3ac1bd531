"""Wall time and randomness of the operating system: the only place that asks for either."""

from __future__ import annotations

import random
import secrets
import time

from gameserver.ids import MatchId, SessionId

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS = 26
_RANDOM_BITS = 80


def sortable_id(wall_ms: int, randomness: int) -> str:
    """A ULID in lower case: 26 characters of Crockford's base 32, in the order of ``wall_ms``.

    ``wall_ms`` is cut to 48 bits (good until the year 10889), ``randomness`` to 80.
    Source: https://github.com/ulid/spec
    """
    number = (wall_ms & (2**48 - 1)) << _RANDOM_BITS | randomness & (2**_RANDOM_BITS - 1)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(5 * (_ID_CHARS - 1), -1, -5))


class WallClock:
    """The ``Clock`` port over the operating system's clock."""

    __slots__ = ()

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000


class SystemEntropy:
    """The ``Entropy`` port over the operating system's generator."""

    __slots__ = ()

    def match_id(self) -> MatchId:
        """A new id, sortable by creation time to the millisecond."""
        return MatchId(self._id())

    def session_id(self) -> SessionId:
        """A new id, sortable by creation time to the millisecond."""
        return SessionId(self._id())

    def seed(self) -> int:
        """63 random bits for a match."""
        return secrets.randbits(63)

    def jitter(self) -> float:
        """From 0 up to, but not including, 1. Not secret, so the fast generator will do."""
        return random.random()

    def _id(self) -> str:
        return sortable_id(time.time_ns() // 1_000_000, secrets.randbits(_RANDOM_BITS))


def process_cpu_s() -> float:
    """CPU time that this process has used, in s."""
    return time.process_time()
