"""The arena for people who are slow: a machine may look at a page for longer than they think."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from gameserver.game.matchmaking import Ready
from gameserver.games.arena import Arena

_DUEL = Arena.modes["duel"]


class PatientArena(Arena):
    """Whoever is asked whether they are ready for a duel has two minutes."""

    modes: ClassVar = {
        **Arena.modes,
        "duel": replace(
            _DUEL, matchmaking=replace(_DUEL.matchmaking, ready=Ready(within_s=120, penalty_s=10))
        ),
    }
