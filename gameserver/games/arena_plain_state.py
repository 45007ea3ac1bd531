"""A fighter and a bullet of the arena as a match keeps them.

Complete as it stands. ``_arena_state`` has the same in C, stored by the same bytes: change both.
"""

from __future__ import annotations

import msgspec

from gameserver.games.arena_types import Move, Shot
from gameserver.ids import PlayerId


class Body(msgspec.Struct, array_like=True, gc=False):
    """A fighter. Names that end in ``_until`` are ticks; dead while ``health`` is 0.

    ``x``, ``y``: where inputs have led it; everybody sees it ``ahead_x``, ``ahead_y`` from there,
    ``ahead`` steps by the last input. ``paid_tick``: each input pays for one tick, and this is the
    last that is paid for; ``late``: for how many ticks in a row it was not the present one.
    """

    id: PlayerId
    x: int = 0
    y: int = 0
    move: Move = Move()  # the last input
    fired: bool = False  # some input of this tick holds the trigger
    health: int = 0
    kills: int = 0
    deaths: int = 0
    held_until: int = 0
    reload_until: int = 0
    shield_until: int = 0
    rapid_until: int = 0
    dead_until: int = 0
    ahead_x: int = 0
    ahead_y: int = 0
    ahead: int = 0
    paid_tick: int = 0
    late: int = 0


class Bullet(msgspec.Struct, array_like=True, gc=False):
    """A bullet in flight; ``shot`` is what clients know of it."""

    shot: Shot
    x: int
    y: int
    dx: int
    dy: int
