"""How long to wait before trying again: a pure decision."""

from __future__ import annotations

FIRST_S = 0.05
MAX_S = 2.0


def delay_s(
    attempt: int, jitter: float, *, first_s: float = FIRST_S, max_s: float = MAX_S
) -> float:
    """Seconds before try ``attempt`` + 1: doubled each time up to ``max_s``, then spread over its
    upper half by ``jitter`` (0 to 1), so that many waiters do not come back together."""
    full: float = min(max_s, first_s * 2.0 ** min(attempt, 16))
    return full * (0.5 + jitter / 2)
