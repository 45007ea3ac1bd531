"""Notifications: short news for one player, wherever they are connected.

anybody ──Notifier──► players.notifier ──NodeCalls──► the node that has the session ──► socket
                            └─ offline ──► kept for a while, told at the next connect
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import msgspec

from gameserver.ids import PlayerId

KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")
DATA_BYTES_MAX = 1_024
KEEP_MS_MAX = 7 * 86_400_000
DAY_MS = 86_400_000

Value = str | int | float | bool | None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """``kind``: a stable word; ``sender``: the player behind it, empty for none; ``data``: what
    belongs to the kind, ``DATA_BYTES_MAX`` as JSON; ``keep_ms``: how long it is kept for a player
    who is not connected, 0 for not at all. Raises ``ValueError`` for anything else."""

    kind: str
    sender: PlayerId = PlayerId("")
    data: Mapping[str, Value] = {}
    keep_ms: int = 0

    def __post_init__(self) -> None:
        if not KIND.fullmatch(self.kind):
            raise ValueError(f"{self.kind!r} is no kind of notification")
        if not 0 <= self.keep_ms <= KEEP_MS_MAX:
            raise ValueError(f"a notification is kept for {KEEP_MS_MAX} ms at most")
        if len(msgspec.json.encode(self.data)) > DATA_BYTES_MAX:
            raise ValueError(f"a notification holds {DATA_BYTES_MAX} bytes of data at most")


class Notifier(Protocol):
    """Tells players. Returns at once."""

    def notify(self, player: PlayerId, notification: Notification) -> None:
        """Tell ``player`` soon, on whichever node they are connected: to whoever is connected and
        hears it at all, in any order. Over the bounds it is dropped, and counted. What is kept may
        be told twice, where an answer was lost; all else at most once."""


# ── what travels and what is stored ──────────────────────────────────────────────────────────────


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A notification on its way. ``id`` tells a second telling from a second notification;
    ``at_ms``: wall time at which it was sent."""

    id: str
    at_ms: int
    kind: str
    sender: str
    data: dict[str, Value]
    keep_ms: int
