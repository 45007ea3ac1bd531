"""What members of parties are told, wherever they are connected."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.ids import PlayerId
from gameserver.notification import Notification, Notifier, Value
from gameserver.parties import Notice, PartyNotice

_OF_OTHERS = (Notice.KICKED, Notice.LEADER)
"""Not done by the player whom they are about."""


class PartyTeller:
    """Implements ``parties.PartyNews``. ``invite_ms``: how long an invite waits for somebody who is
    not connected; all else is for who is."""

    def __init__(self, notifier: Notifier, *, invite_ms: int) -> None:
        self._notifier = notifier
        self._invite_ms = invite_ms

    def tell(self, players: Sequence[PlayerId], notice: PartyNotice) -> None:
        """See ``PartyNews``."""
        data: dict[str, Value] = {"party": notice.party, "player": notice.player}
        if notice.match:
            data["match"] = notice.match
        if notice.until_ms:
            data["until_ms"] = notice.until_ms
        notification = Notification(
            kind=f"party_{notice.kind}",
            sender=PlayerId("") if notice.kind in _OF_OTHERS else notice.player,
            data=data,
            keep_ms=self._invite_ms if notice.kind is Notice.INVITED else 0,
        )
        for player in players:
            self._notifier.notify(player, notification)
