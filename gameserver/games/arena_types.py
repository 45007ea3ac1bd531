"""What the arena's clients send and see, and what it states as facts: shared with bots."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.ids import PlayerId

HEALTH, RAPID = 1, 2  # kinds of pickups


class Move(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a player wants: walk (-1, 0, 1 each; y points down), aim (65,536 to a turn), fire."""

    dx: Annotated[int, Meta(ge=-1, le=1)] = 0
    dy: Annotated[int, Meta(ge=-1, le=1)] = 0
    aim: Annotated[int, Meta(ge=0, le=65_535)] = 0
    fire: bool = False


class Shot(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Where a bullet started (``aim`` of 1,024), after which tick, and whose seat's it is."""

    x: int
    y: int
    aim: int
    tick: int
    seat: int


class Pickup(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Lies at ``x``, ``y``; ``kind``: ``HEALTH`` (1) or ``RAPID`` fire (2)."""

    x: int
    y: int
    kind: int


class Plan(msgspec.Struct, array_like=True, frozen=True):
    """What clients draw: rows of tiles ``tile`` units wide, ``#`` for a wall."""

    tile: int
    rows: tuple[str, ...]


class Fighter(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """``aim`` of 1,024; dead while ``health`` is 0. ``flags``: 1 shielded, 2 fires rapidly; from 4
    on by how many steps ``x`` and ``y`` are ahead of where inputs have led it: steps by the last
    input that was applied, none while that one stands."""

    x: int
    y: int
    aim: int
    health: int
    kills: int
    deaths: int
    flags: int


class ArenaView(msgspec.Struct):
    """``players`` by seat. ``ends_tick``: 0 while the clock waits for a second player; with
    ``kills`` 0 there is no goal. A bullet that is gone has hit something or is spent."""

    players: dict[int, Fighter]
    bullets: dict[int, Shot]
    pickups: dict[int, Pickup]
    ends_tick: int
    kills: int
    map: Plan


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """The event's player shot ``victim``, which makes ``kills`` in this match."""

    victim: PlayerId
    kills: int


class Lead(msgspec.Struct, frozen=True, tag="lead"):
    """The event's player took the lead."""

    kills: int


class ArenaResult(msgspec.Struct, frozen=True):
    """``ended_by``: ``kills``, ``time`` or ``signal``."""

    ended_by: str
    kills: int
