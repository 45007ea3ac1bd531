"""How much wrong one session may do, and how often it is told so."""

from __future__ import annotations

from gameserver.session.rate_limit import TokenBucket

_WINDOW_S = 60.0
_ERRORS_PER_S = 10.0


class Strikes:
    """Made with the first one: most players never need it."""

    __slots__ = ("_errors", "_strikes")

    def __init__(self, strikes_max: int, *, now: float) -> None:
        """``strikes_max`` in a minute."""
        self._strikes = TokenBucket(per_s=strikes_max / _WINDOW_S, burst=strikes_max, now=now)
        self._errors = TokenBucket(per_s=_ERRORS_PER_S, burst=_ERRORS_PER_S, now=now)

    def forgive(self, now: float) -> bool:
        """Take one more; false where it is one too many."""
        return self._strikes.take(now)

    def answer(self, now: float) -> bool:
        """Whether the client is told. Errors are limited too: a flood of bad messages must not
        become a flood of answers."""
        return self._errors.take(now)
