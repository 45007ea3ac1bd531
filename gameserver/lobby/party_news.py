"""What members of parties are told."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.ids import PlayerId
from gameserver.parties import PartyNotice


class NoNews:
    """Implements ``parties.PartyNews`` where nobody is told: who wants to know asks."""

    def tell(self, players: Sequence[PlayerId], notice: PartyNotice) -> None:
        """See ``PartyNews``."""
