"""What a tick does in the arena once inputs have been walked: who shoots, what flies, who is hit.

Complete as it stands. ``_arena`` does the same with the usual case in C: change both, or delete it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from gameserver.game.contract import PlayerInput, Random, Standing, Tick
from gameserver.games.arena_body import HOLD_TICKS, go_ahead, stand, walk
from gameserver.games.arena_maps import MAPS, Map
from gameserver.games.arena_state import ArenaState, Body, Bullet
from gameserver.games.arena_types import (
    HEALTH,
    ArenaResult,
    ArenaView,
    Fighter,
    Kill,
    Lead,
    Move,
    Shot,
)

TICK_RATE = 20
BULLET_SPEED = 120
HIT_RADIUS = 76  # fighter and bullet together
DIRECTIONS = 1024  # an aim of 16 bits is cut to these; 0 is right, a quarter is down
HEALTH_MAX, DAMAGE, PICKUP_HEALTH = 100, 25, 50
RELOAD_TICKS, RELOAD_TICKS_RAPID = 5, 2
BULLET_TICKS = 20
RESPAWN_TICKS = 40
SHIELD_TICKS = 30  # after a return; shooting ends it
RAPID_TICKS = 120
PICKUP_TICKS = 300  # until a taken one is back

# Rounded to whole units, so that a last bit in which two math libraries differ changes nothing.
HEADINGS = tuple(
    (
        round(BULLET_SPEED * math.cos(2 * math.pi * step / DIRECTIONS)),
        round(BULLET_SPEED * math.sin(2 * math.pi * step / DIRECTIONS)),
    )
    for step in range(DIRECTIONS)
)

_encode = msgspec.msgpack.Encoder().encode


def place(state: ArenaState, body: Body, now: int, random: Random) -> None:
    """Put a fighter on the one of three random places that is farthest from the others."""
    living = [other for other in state.bodies.values() if other.health > 0]
    best = -1
    for _ in range(3):
        x, y = random.choice(MAPS[state.map].spawns)
        nearest = min(((o.x - x) ** 2 + (o.y - y) ** 2 for o in living), default=0)
        if nearest > best:
            best, body.x, body.y = nearest, x, y
    body.health = HEALTH_MAX
    body.shield_until = now + SHIELD_TICKS
    # Until an input comes that was made here, the fighter stands.
    body.move = Move(0, 0, body.move.aim, False)
    body.fired = False
    body.ahead = body.ahead_x = body.ahead_y = 0


def step(state: ArenaState, inputs: Sequence[PlayerInput[Move]], tick: Tick) -> None:
    """One tick of everybody's. The clock runs from the second player on."""
    now = state.now = tick.number
    if not state.ends_tick and state.seconds and len(state.bodies) > 1:
        state.ends_tick = now + state.seconds * TICK_RATE
    if inputs:
        walk(state.bodies, MAPS[state.map], inputs, now)
    act(state, now, tick.random)
    if state.bullets:
        fly(state, now, tick)
    if state.ends_tick and now >= state.ends_tick:
        end(state, tick, "time")


def act(state: ArenaState, now: int, random: Random) -> None:
    """Everyone returns, goes on, picks up and shoots."""
    plan = MAPS[state.map]
    for seat, body in state.bodies.items():
        move = body.move
        if body.held_until <= now:
            if move.dx or move.dy or move.fire:
                body.move = move = stand(body)
        elif body.paid_tick < now or body.late:
            go_ahead(plan, body, now)
        if body.health <= 0:
            body.fired = False
            if now >= body.dead_until:
                place(state, body, now, random)
            continue
        if state.pickups and (move.dx or move.dy):
            reach(state, plan, body, now)
        if body.fired or (move.fire and body.late < HOLD_TICKS):
            body.fired = False
            if body.reload_until <= now:
                shoot(state, seat, body, now)


def reach(state: ArenaState, plan: Map, body: Body, now: int) -> None:
    """Pick up what lies where the fighter is seen."""
    tile = ((body.x + body.ahead_x) >> 8, (body.y + body.ahead_y) >> 8)
    index = plan.pickup_of_tile.get(tile)
    if index is None or state.pickups[index] > now:
        return
    if plan.pickups[index].kind == HEALTH:
        if body.health == HEALTH_MAX:
            return
        body.health = min(HEALTH_MAX, body.health + PICKUP_HEALTH)
    else:
        body.rapid_until = now + RAPID_TICKS
    state.pickups[index] = now + PICKUP_TICKS


def shoot(state: ArenaState, seat: int, body: Body, now: int) -> None:
    """A bullet starts where the fighter is seen."""
    body.reload_until = now + (RELOAD_TICKS_RAPID if body.rapid_until > now else RELOAD_TICKS)
    body.shield_until = 0
    aim = body.move.aim >> 6
    dx, dy = HEADINGS[aim]
    state.shots = key = (state.shots + 1) & 0xFFFF
    x, y = body.x + body.ahead_x, body.y + body.ahead_y
    state.bullets[key] = Bullet(Shot(x, y, aim, now, seat), x, y, dx, dy)


def fly(state: ArenaState, now: int, tick: Tick) -> None:
    """Move every bullet; one that meets a wall or a fighter is gone, as is one that is spent."""
    plan = MAPS[state.map]
    solid, width = plan.solid_for_bullets, plan.width
    targets = [
        (body.x + body.ahead_x, body.y + body.ahead_y, seat, body)
        for seat, body in state.bodies.items()
        if body.health > 0 and body.shield_until <= now
    ]
    spent_tick = now - BULLET_TICKS
    gone: list[int] = []
    for key, bullet in state.bullets.items():
        x = bullet.x = bullet.x + bullet.dx
        y = bullet.y = bullet.y + bullet.dy
        shot = bullet.shot
        if shot.tick <= spent_tick or solid[(y >> 6) * width + (x >> 6)]:
            gone.append(key)
            continue
        left, right = x - HIT_RADIUS, x + HIT_RADIUS
        for there_x, there_y, seat, body in targets:
            if (
                left < there_x < right
                and -HIT_RADIUS < there_y - y < HIT_RADIUS
                and (there_x - x) ** 2 + (there_y - y) ** 2 < HIT_RADIUS**2
                and seat != shot.seat
                and body.health > 0
            ):
                gone.append(key)
                body.health = max(0, body.health - DAMAGE)
                if not body.health:
                    kill(state, state.bodies[shot.seat], body, now, tick)
                break
    for key in gone:
        del state.bullets[key]


def kill(state: ArenaState, killer: Body, victim: Body, now: int, tick: Tick) -> None:
    """The killer's count, the lead, and maybe the end."""
    victim.deaths += 1
    victim.dead_until = now + RESPAWN_TICKS
    victim.rapid_until = 0
    killer.kills += 1
    tick.emit(Kill(victim=victim.id, kills=killer.kills), player_id=killer.id)
    if state.leader != killer.id and all(
        killer.kills > other.kills for other in state.bodies.values() if other is not killer
    ):
        state.leader = killer.id
        tick.emit(Lead(kills=killer.kills), player_id=killer.id)
    if state.kills and killer.kills >= state.kills:
        end(state, tick, "kills")


def end(state: ArenaState, tick: Tick, ended_by: str) -> None:
    """Most kills first, then fewest deaths; who is equal in both shares a place."""
    ranked = sorted(state.bodies.values(), key=lambda body: (-body.kills, body.deaths, body.id))
    standings: list[Standing] = []
    for index, body in enumerate(ranked):
        above = ranked[index - 1]
        tied = index > 0 and (above.kills, above.deaths) == (body.kills, body.deaths)
        place = standings[-1].place if tied else index + 1
        standings.append(Standing(player_id=body.id, place=place, score=body.kills))
    kills = sum(body.kills for body in ranked)
    tick.end(standings, ArenaResult(ended_by=ended_by, kills=kills))


def fighters(bodies: dict[int, Body], now: int) -> dict[int, Fighter]:
    """What is seen of them, by seat."""
    return {
        seat: Fighter(
            body.x + body.ahead_x,
            body.y + body.ahead_y,
            body.move.aim >> 6,
            body.health,
            body.kills,
            body.deaths,
            (body.shield_until > now) | (body.rapid_until > now) << 1 | body.ahead << 2,
        )
        for seat, body in bodies.items()
    }


def shots(bullets: dict[int, Bullet]) -> dict[int, Shot]:
    """What is seen of them, by number."""
    return {key: bullet.shot for key, bullet in bullets.items()}


def view(state: ArenaState) -> ArenaView:
    """What everyone may see."""
    now = state.now
    plan = MAPS[state.map]
    return ArenaView(
        fighters(state.bodies, now),
        shots(state.bullets),
        {index: plan.pickups[index] for index, ready in enumerate(state.pickups) if ready <= now},
        state.ends_tick,
        state.kills,
        plan.plan,
    )


def encode_view(state: ArenaState) -> bytes:
    """The same in msgpack."""
    return _encode(view(state))
