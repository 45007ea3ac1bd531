"""A fighter of the arena, and how it walks: by its player's inputs, however late they come.

    inputs ──► x, y   where they have led it: the same, whenever each of them came
               └─ ahead steps more, by the last one, while the next is late ──► what is seen

A client that applies its own inputs by ``walk``'s rules is therefore where the server will have it;
the bundled page does so (``web/arena/rules.js``).
"""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.game.contract import PlayerInput
from gameserver.games.arena_maps import Map
from gameserver.games.arena_state import Body
from gameserver.games.arena_types import Move

SPEED, SPEED_DIAGONAL = 44, 31  # units a tick along an axis, and along each of two
HOLD_TICKS = 10  # who is late goes on so long by the last input
FORGET_TICKS = 20  # what was not heard of for so long does not count when it comes
EARLY_TICKS = 8  # so many inputs more than ticks are steps: after a stall the first comes late
SPARE_TICKS = 20  # a tick that was behind for so long is given up


def walk(bodies: dict[int, Body], plan: Map, inputs: Sequence[PlayerInput[Move]], now: int) -> None:
    """Each input is a step, unless its player is ahead of time."""
    solid, width = plan.solid_for_fighters, plan.width
    held_until = now + FORGET_TICKS
    paid_max = now + EARLY_TICKS
    for given in inputs:
        body = bodies.get(given.seat)
        if body is None:
            continue
        body.move = move = given.data
        if move.fire:
            body.fired = True
        paid = body.paid_tick
        if body.held_until <= now:
            paid = now - 1
        body.held_until = held_until
        if paid >= paid_max:
            continue
        body.paid_tick = paid + 1
        dx, dy = move.dx, move.dy
        if (dx or dy) and body.health > 0:
            speed = SPEED_DIAGONAL if dx and dy else SPEED
            x, y = body.x, body.y
            # One axis after the other, so that a fighter slides along a wall.
            if not solid[(y >> 6) * width + ((x + dx * speed) >> 6)]:
                body.x = x = x + dx * speed
            if not solid[((y + dy * speed) >> 6) * width + (x >> 6)]:
                body.y = y + dy * speed


def go_ahead(plan: Map, body: Body, now: int) -> None:
    """Where a fighter is seen whose inputs are late: as far as the last one would have led it."""
    move = body.move
    if body.paid_tick >= now:
        body.late = body.ahead = body.ahead_x = body.ahead_y = 0
        return
    body.late += 1
    if now - body.paid_tick >= FORGET_TICKS:  # too few inputs are sent, not too late
        body.x, body.y = _steps(plan, body.x, body.y, move, 1)
        body.paid_tick = now - FORGET_TICKS + 1
    elif body.late >= SPARE_TICKS:
        body.paid_tick += 1
        body.late = 0
    body.ahead = min(now - body.paid_tick, HOLD_TICKS - 1) if move.dx or move.dy else 0
    x, y = _steps(plan, body.x, body.y, move, body.ahead)
    body.ahead_x, body.ahead_y = x - body.x, y - body.y


def _steps(plan: Map, x: int, y: int, move: Move, steps: int) -> tuple[int, int]:
    """Where so many steps lead."""
    solid, width = plan.solid_for_fighters, plan.width
    dx, dy = move.dx, move.dy
    speed = SPEED_DIAGONAL if dx and dy else SPEED
    for _ in range(steps):
        if not solid[(y >> 6) * width + ((x + dx * speed) >> 6)]:
            x += dx * speed
        if not solid[((y + dy * speed) >> 6) * width + (x >> 6)]:
            y += dy * speed
    return x, y


def stand(body: Body) -> Move:
    """Nothing has come of the player for long: the steps ahead become true, and the last."""
    body.x += body.ahead_x
    body.y += body.ahead_y
    body.late = body.ahead = body.ahead_x = body.ahead_y = 0
    return Move(0, 0, body.move.aim, False)
