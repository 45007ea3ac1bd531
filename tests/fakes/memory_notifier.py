"""Notifications that reach nobody, and can be looked at."""

from __future__ import annotations

from gameserver.ids import PlayerId
from gameserver.notification import Notification


class MemoryNotifier:
    """Implements ``notification.Notifier``."""

    def __init__(self) -> None:
        self.told: list[tuple[PlayerId, Notification]] = []

    def notify(self, player: PlayerId, notification: Notification) -> None:
        self.told.append((player, notification))
