"""What a match of the arena keeps: its state, as it stands in a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gameserver.ids import PlayerId

if TYPE_CHECKING:
    from gameserver.games.arena_plain_state import Body as Body
    from gameserver.games.arena_plain_state import Bullet as Bullet
else:
    try:
        from gameserver.games._arena_state import Body, Bullet
    except ImportError:
        from gameserver.games.arena_plain_state import Body, Bullet


class ArenaState(msgspec.Struct):
    """``bodies`` by seat; ``pickups``: the tick at which each is there (again)."""

    map: str
    seconds: int
    kills: int
    bodies: dict[int, Body]
    bullets: dict[int, Bullet]
    pickups: list[int]
    shots: int = 0
    now: int = 0
    ends_tick: int = 0  # 0 = the clock has not begun
    leader: PlayerId | None = None
