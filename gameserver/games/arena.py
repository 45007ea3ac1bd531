"""Arena: a top-down shooter in real time, and the example of a game with a tick rate.

    match: waits for two players ──► clock runs ──► first to `kills`, or time up ──► standings

All lengths are whole units: a tile of the map is 256, a fighter moves 44 a tick. Whole numbers are
the same on every machine, small on the wire and quick to compare, so a view sends what the rules
use. Three things to copy into your own real-time game:

* **An input is a step, a tick has one step.** Clients send one input a tick. A fighter stands where
  its player's inputs have led it, whenever they came, so that a client which applies them itself is
  never put right by a late packet. Where one is late the fighter goes on by the last, for half a
  second, in everybody's eyes; those steps are taken back when the late inputs come. Nobody gets
  ahead of time by more than ``EARLY_TICKS``, however many inputs are sent. A shot asked for by any
  of them is fired.
* **Bullets fly straight**, so a client is told once where, whither and when one started and moves
  it by itself: with deltas, a bullet costs 15 bytes in all instead of 10 a tick.
* **What never changes stands in a plain field** (``map``) and is therefore sent only once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from gameserver.game.contract import (
    Game,
    LeaveReason,
    Player,
    PlayerInput,
    Random,
    Setup,
    Standing,
    Tick,
)
from gameserver.games.arena_body import HOLD_TICKS, Body, go_ahead, stand, walk
from gameserver.games.arena_maps import MAPS, Map
from gameserver.games.arena_modes import MODES
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
from gameserver.games.bots import ArenaBot
from gameserver.ids import PlayerId

TICK_RATE = 20
BULLET_SPEED = 120
HIT_RADIUS = 76  # fighter and bullet together
DIRECTIONS = 1024  # an aim of 16 bits is cut to these; 0 is right, a quarter is down
HEALTH_MAX, DAMAGE, PICKUP_HEALTH = 100, 25, 50

BOT_TICKS = 4
RELOAD_TICKS, RELOAD_TICKS_RAPID = 5, 2
BULLET_TICKS = 20
RESPAWN_TICKS = 40
SHIELD_TICKS = 30  # after a return; shooting ends it
RAPID_TICKS = 120
PICKUP_TICKS = 300  # until a taken one is back

# Rounded to whole units, so that a last bit in which two math libraries differ changes nothing.
_HEADINGS = tuple(
    (
        round(BULLET_SPEED * math.cos(2 * math.pi * step / DIRECTIONS)),
        round(BULLET_SPEED * math.sin(2 * math.pi * step / DIRECTIONS)),
    )
    for step in range(DIRECTIONS)
)


# ── state ────────────────────────────────────────────────────────────────────────────────────────


class Bullet(msgspec.Struct, array_like=True, gc=False):
    """A bullet in flight; ``shot`` is what clients know of it."""

    shot: Shot
    x: int
    y: int
    dx: int
    dy: int


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


class Arena(Game[ArenaState, Move, ArenaView]):
    """Options of a mode: ``map``; ``seconds`` and ``kills``, 0 for no limit; ``pickups`` 0 or 1."""

    name = "arena"
    version = 2
    tick_rate = TICK_RATE
    recorded = True
    spectate_delay_ms: ClassVar[int | None] = 0
    chat = True
    modes: ClassVar = MODES
    State: ClassVar = ArenaState
    Input: ClassVar = Move
    View: ClassVar = ArenaView
    Event: ClassVar = Kill | Lead
    Result: ClassVar = ArenaResult

    def start(self, setup: Setup) -> ArenaState:
        options = setup.options
        plan = MAPS[str(options["map"])]
        return ArenaState(
            map=str(options["map"]),
            seconds=int(options["seconds"]),
            kills=int(options["kills"]),
            bodies={},
            bullets={},
            pickups=[0] * len(plan.pickups) if options["pickups"] else [],
        )

    def join(self, state: ArenaState, player: Player, tick: Tick) -> None:
        body = Body(id=player.id)
        _place(state, body, tick.number, tick.random)
        state.bodies[player.seat] = body

    def leave(self, state: ArenaState, player: Player, reason: LeaveReason, tick: Tick) -> None:
        if state.bodies.pop(player.seat, None) is None:
            return
        # The seat may be taken again at once: its bullets must not score for the next player.
        state.bullets = {
            key: bullet for key, bullet in state.bullets.items() if bullet.shot.seat != player.seat
        }
        if state.leader == player.id:
            state.leader = None

    def step(self, state: ArenaState, inputs: Sequence[PlayerInput[Move]], tick: Tick) -> None:
        now = state.now = tick.number
        bodies = state.bodies
        if not state.ends_tick and state.seconds and len(bodies) > 1:
            state.ends_tick = now + state.seconds * TICK_RATE
        if inputs:
            walk(state.bodies, MAPS[state.map], inputs, now)
        _act(state, now, tick.random)
        if state.bullets:
            _fly(state, now, tick)
        if state.ends_tick and now >= state.ends_tick:
            _end(state, tick, "time")

    def bot(self, state: ArenaState, player: Player, random: Random) -> Move | None:
        """Decides five times a second; in between it does the same again."""
        body = state.bodies.get(player.seat)
        if (state.now + player.seat) % BOT_TICKS:
            return None if body is None else body.move
        bot = ArenaBot(random.below(2**63), side=1 if player.seat % 2 else -1)
        return bot.decide(self.view(state), player.id, player.seat)

    def view(self, state: ArenaState) -> ArenaView:
        now = state.now
        plan = MAPS[state.map]
        return ArenaView(
            {
                seat: Fighter(
                    body.x + body.ahead_x,
                    body.y + body.ahead_y,
                    body.move.aim >> 6,
                    body.health,
                    body.kills,
                    body.deaths,
                    (body.shield_until > now) | (body.rapid_until > now) << 1 | body.ahead << 2,
                )
                for seat, body in state.bodies.items()
            },
            {key: bullet.shot for key, bullet in state.bullets.items()},
            {
                index: plan.pickups[index]
                for index, ready in enumerate(state.pickups)
                if ready <= now
            },
            state.ends_tick,
            state.kills,
            plan.plan,
        )

    def signal(self, state: ArenaState, message: Any, tick: Tick) -> Any:
        """``{"op": "end"}``, or ``{"op": "add_time", "seconds": 1 to 3600}``."""
        match message:
            case {"op": "end"}:
                _end(state, tick, "signal")
            case {"op": "add_time", "seconds": int(seconds)} if 1 <= seconds <= 3600:
                if not state.ends_tick:
                    return {"error": "the clock has not begun"}
                state.ends_tick += seconds * TICK_RATE
            case _:
                return {"error": 'send {"op": "end"} or {"op": "add_time", "seconds": 1 to 3600}'}
        return {"ends_tick": state.ends_tick}


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def _place(state: ArenaState, body: Body, now: int, random: Random) -> None:
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


def _act(state: ArenaState, now: int, random: Random) -> None:
    """Everyone returns, goes on, picks up and shoots."""
    plan = MAPS[state.map]
    lies = plan.pickup_of_tile
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
                _place(state, body, now, random)
            continue
        if state.pickups and (move.dx or move.dy):
            index = lies.get(((body.x + body.ahead_x) >> 8, (body.y + body.ahead_y) >> 8))
            if index is not None and state.pickups[index] <= now:
                _pick_up(state, plan, index, body, now)
        if body.fired or (move.fire and body.late < HOLD_TICKS):
            body.fired = False
            if body.reload_until <= now:
                _shoot(state, seat, body, now)


def _pick_up(state: ArenaState, plan: Map, index: int, body: Body, now: int) -> None:
    if plan.pickups[index].kind == HEALTH:
        if body.health == HEALTH_MAX:
            return
        body.health = min(HEALTH_MAX, body.health + PICKUP_HEALTH)
    else:
        body.rapid_until = now + RAPID_TICKS
    state.pickups[index] = now + PICKUP_TICKS


def _shoot(state: ArenaState, seat: int, body: Body, now: int) -> None:
    body.reload_until = now + (RELOAD_TICKS_RAPID if body.rapid_until > now else RELOAD_TICKS)
    body.shield_until = 0
    aim = body.move.aim >> 6
    dx, dy = _HEADINGS[aim]
    state.shots = key = (state.shots + 1) & 0xFFFF
    x, y = body.x + body.ahead_x, body.y + body.ahead_y
    state.bullets[key] = Bullet(Shot(x, y, aim, now, seat), x, y, dx, dy)


def _fly(state: ArenaState, now: int, tick: Tick) -> None:
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
                    _kill(state, state.bodies[shot.seat], body, now, tick)
                break
    for key in gone:
        del state.bullets[key]


def _kill(state: ArenaState, killer: Body, victim: Body, now: int, tick: Tick) -> None:
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
        _end(state, tick, "kills")


def _end(state: ArenaState, tick: Tick, ended_by: str) -> None:
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
