"""A token bucket: so many at once, so many a second, no timer."""

from __future__ import annotations


class TokenBucket:
    """``burst`` tokens at first; ``per_s`` come back each second, up to ``burst``."""

    __slots__ = ("_burst", "_per_s", "_tokens", "_updated")

    def __init__(self, *, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def take(self, now: float) -> bool:
        """Take one token at monotonic time ``now`` (s); false, and nothing taken, if none is left.

        Time that goes back counts as standing still.
        """
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def take_all(self, now: float) -> int:
        """Take every whole token there is at ``now``; how many.

        Who spends them one by one needs the clock only when they are used up. Never more than
        burst and rate allow in all, though a full hand may be followed at once by a full bucket.
        """
        self._fill(now)
        taken = int(self._tokens)
        self._tokens -= taken
        return taken

    def _fill(self, now: float) -> None:
        elapsed = now - self._updated
        if elapsed > 0:
            self._updated = now
            tokens = self._tokens + elapsed * self._per_s
            self._tokens = tokens if tokens < self._burst else self._burst
