"""What a banned player is told."""

from __future__ import annotations

from datetime import UTC, datetime


def ban_told(reason: str, until_ms: int | None) -> str:
    """The end first: a close reason has 123 bytes, and what is over is cut. ``reason`` empty: it is
    not known (any more)."""
    head = "banned"
    if until_ms is not None:
        head += f" until {datetime.fromtimestamp(until_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    return f"{head}: {reason}" if reason else head
