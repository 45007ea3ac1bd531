"""The maintenance mode of one node that has no others."""

from __future__ import annotations

from gameserver.maintenance import Maintenance, Notice, begun

NOW_MS = 2_000_000_000_000


class MemoryMaintenance:
    """Implements ``ports.MaintenanceControl``; ``failure`` is raised by what changes it."""

    def __init__(self) -> None:
        self.current: Maintenance | None = None
        self.failure: Exception | None = None

    async def turn_on(self, notice: Notice, *, by: str) -> Maintenance:
        wanted = begun(notice, earlier=self.current, by=by, now_ms=NOW_MS)
        self._change(wanted)
        return wanted

    async def turn_off(self) -> None:
        self._change(None)

    def _change(self, wanted: Maintenance | None) -> None:
        if self.failure is not None:
            raise self.failure
        self.current = wanted
