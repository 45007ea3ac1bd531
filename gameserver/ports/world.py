"""Time and chance, which simulation replaces."""

from __future__ import annotations

from typing import Protocol

from gameserver.ids import MatchId, SessionId


class Clock(Protocol):
    """Wall time. Durations use the event loop's monotonic time, which simulation replaces."""

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch."""


class Entropy(Protocol):
    """Everything that must differ between processes."""

    def match_id(self) -> MatchId: ...
    def session_id(self) -> SessionId: ...
    def seed(self) -> int:
        """63 random bits for a match."""

    def jitter(self) -> float:
        """From 0 up to, but not including, 1: spreads timers."""
