"""Names of players as PostgreSQL holds them, made readable. Nothing else opens them."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.records.port import StoredName


class PlainNames:
    """Implements ``records.port.Names`` where names are stored as they are."""

    async def opened(self, names: Sequence[StoredName]) -> list[str | None]:
        """See ``Names``."""
        return [stored.name for stored in names]
