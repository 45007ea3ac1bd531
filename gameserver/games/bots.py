"""A player for each bundled game: from what it sees to what it does, without any I/O.

The load generator and the tests play with them, and the arena fills empty seats with its own. A
bot sees no more than a person does, and two bots of one seed that see the same do the same.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Protocol

import msgspec

from gameserver.game.random import SeededRandom
from gameserver.games.arena_types import HEALTH, ArenaView, Fighter, Move, Pickup, Plan
from gameserver.games.echo import EchoInput, EchoView
from gameserver.games.liars_dice_types import FACES, WILD, Act, DiceView
from gameserver.ids import PlayerId


class Bot(Protocol):
    """One bot plays one seat of one match; what it remembers of earlier views is its own."""

    def __init__(self, seed: int) -> None: ...

    def decide(self, view: Any, player_id: PlayerId, seat: int) -> msgspec.Struct | None:
        """The input to send now, if any. ``view``: the game's ``View``, decoded and whole."""


class EchoBot:
    """Sends numbers that take 3 bytes each: the benchmark workload."""

    def __init__(self, seed: int) -> None:
        self._random = SeededRandom(seed)

    def decide(self, view: EchoView, player_id: PlayerId, seat: int) -> EchoInput:
        bits = self._random.bits()
        return EchoInput(
            1_000 + (bits & 0x3FFF),
            1_000 + (bits >> 14 & 0x3FFF),
            1_000 + (bits >> 28 & 0x3FFF),
            bits >> 60,
        )


class ArenaBot:
    """Chases the nearest fighter around the walls, keeps some distance, leads its shots, and
    fetches health where it lies."""

    _NEAR, _FAR, _RANGE = 350, 900, 2_200
    _BULLET_SPEED = 120
    _AIM = 65_536 / (2 * math.pi)

    def __init__(self, seed: int, *, side: int = 1) -> None:
        """``side``: to which it walks around others at first, 1 or -1."""
        self._random = SeededRandom(seed)
        self._seen: dict[int, tuple[int, int]] = {}
        self._way = (0, 0)
        self._detour = 0  # decisions for which ``_way`` is kept, whatever is seen
        self._side = side
        self._next = (-1, -1), (-1, -1)  # a tile, and the one to go to from there

    def decide(self, view: ArenaView, player_id: PlayerId, seat: int) -> Move | None:
        before, self._seen = self._seen, {k: (f.x, f.y) for k, f in view.players.items()}
        me = view.players.get(seat)
        if me is None or me.health <= 0:
            return None
        others = [(k, f) for k, f in view.players.items() if k != seat and f.health > 0]
        if not others:
            self._walk(me, before.get(seat), self._wander())
            return Move(*self._way)
        key, enemy = min(others, key=lambda at: math.dist((at[1].x, at[1].y), (me.x, me.y)))
        distance = math.dist((enemy.x, enemy.y), (me.x, me.y))
        clear = distance < self._RANGE and _clear(view, me, enemy)
        self._walk(me, before.get(seat), self._goal(view, me, enemy, distance, clear))
        return Move(*self._way, self._aim(me, enemy, before.get(key), distance), clear)

    def _goal(
        self, view: ArenaView, me: Fighter, enemy: Fighter, distance: float, clear: bool
    ) -> tuple[int, int]:
        """A direction, as long as it likes: only the signs count."""
        packs = [pickup for pickup in view.pickups.values() if pickup.kind == HEALTH]
        if me.health <= 50 and packs:
            pack = min(packs, key=lambda at: math.dist((at.x, at.y), (me.x, me.y)))
            return self._towards(view, me, pack, _clear(view, me, pack))
        if not clear:
            return self._towards(view, me, enemy, clear)
        dx, dy = enemy.x - me.x, enemy.y - me.y
        if distance > self._FAR:
            return dx, dy
        if distance < self._NEAR:
            return -dx, -dy
        if self._random.below(20) == 0:
            self._side = -self._side
        return -dy * self._side, dx * self._side

    def _towards(
        self, view: ArenaView, me: Fighter, goal: Fighter | Pickup, clear: bool
    ) -> tuple[int, int]:
        """Straight on, or to the middle of the next tile of a way around the walls."""
        if clear:
            return goal.x - me.x, goal.y - me.y
        tile = view.map.tile
        here = me.x // tile, me.y // tile
        if here != self._next[0] or self._random.below(16) == 0:
            there = _next_tile(view.map, here, (goal.x // tile, goal.y // tile))
            self._next = here, there
        x, y = self._next[1]
        return x * tile + tile // 2 - me.x, y * tile + tile // 2 - me.y

    def _wander(self) -> tuple[int, int]:
        if self._way != (0, 0) and self._random.below(30):
            return self._way[0] * 1_000, self._way[1] * 1_000
        return self._random.between(-1, 1) * 1_000, self._random.between(-1, 1) * 1_000

    def _walk(self, me: Fighter, before: tuple[int, int] | None, goal: tuple[int, int]) -> None:
        if self._detour > 0:
            self._detour -= 1
        elif before == (me.x, me.y) and self._way != (0, 0):
            # Something is in the way: try any direction for a while.
            self._detour = self._random.between(8, 24)
            self._way = (self._random.between(-1, 1), self._random.between(-1, 1))
        else:
            self._way = (_sign(goal[0]), _sign(goal[1]))

    def _aim(
        self, me: Fighter, enemy: Fighter, before: tuple[int, int] | None, distance: float
    ) -> int:
        """Where the enemy will be, if they walk on, when the bullet is there; a little off."""
        x, y = float(enemy.x), float(enemy.y)
        if before is not None and math.dist(before, (x, y)) < 100:  # else they have just returned
            flight = distance / self._BULLET_SPEED
            x += (enemy.x - before[0]) * flight
            y += (enemy.y - before[1]) * flight
        turn = math.atan2(y - me.y, x - me.x) * self._AIM
        return round(turn + self._random.between(-600, 600)) % 65_536


class LiarsDiceBot:
    """Bids what is likely given its own dice, challenges what is not, and bluffs now and then."""

    def __init__(self, seed: int) -> None:
        self._random = SeededRandom(seed)

    def decide(self, view: DiceView, player_id: PlayerId, seat: int) -> Act | None:
        me = view.players.get(seat)
        if me is None:
            return None
        if view.phase == "lobby":
            return None if me.ready else Act("ready")
        if view.phase != "bidding" or view.turn != seat:
            return None
        dice = sum(place.dice for place in view.players.values())
        count, face = (view.bid.count, view.bid.face) if view.bid else (1, 0)
        raises = [(count, higher) for higher in range(face + 1, FACES + 1)]
        raises += [(count + 1, any_face) for any_face in range(1, FACES + 1)]
        options = [
            (self._chance(view.own, dice, *option), option)
            for option in raises
            if option[0] <= dice
        ]
        doubt = 1 - self._chance(view.own, dice, count, face) if view.bid else -1.0
        best = max(options, default=(-1.0, (0, 0)))
        if view.bid is not None and doubt >= best[0]:
            return Act("challenge")
        _, (count, face) = self._random.choice(options) if self._random.below(8) == 0 else best
        return Act("bid", count, face)

    @staticmethod
    def _chance(own: list[int], dice: int, count: int, face: int) -> float:
        """How likely it is that all ``dice`` hold ``count`` of ``face``, ones counting as any."""
        missing = count - sum(die in (face, WILD) for die in own)
        unknown = dice - len(own)
        hit = 1 / FACES if face == WILD else 2 / FACES
        return sum(
            math.comb(unknown, hits) * hit**hits * (1 - hit) ** (unknown - hits)
            for hits in range(max(0, missing), unknown + 1)
        )


def _sign(number: int) -> int:
    """-1, 0 or 1; small differences count as none, so that nobody trembles around a line."""
    return 0 if -24 < number < 24 else 1 if number > 0 else -1


def _clear(view: ArenaView, start: Fighter, end: Fighter | Pickup) -> bool:
    """Whether no wall stands between the two: looked up every half tile."""
    tile, rows = view.map.tile, view.map.rows
    steps = 1 + int(math.dist((start.x, start.y), (end.x, end.y))) * 2 // tile
    return all(
        rows[(start.y + (end.y - start.y) * step // steps) // tile][
            (start.x + (end.x - start.x) * step // steps) // tile
        ]
        != "#"
        for step in range(1, steps)
    )


def _next_tile(plan: Plan, here: tuple[int, int], goal: tuple[int, int]) -> tuple[int, int]:
    """The first tile of a shortest way to ``goal``, which is searched from there backwards."""
    rows, waiting, seen = plan.rows, deque([goal]), {goal}
    while waiting:
        x, y = tile = waiting.popleft()
        for beside in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)):
            if beside == here:
                return tile
            if beside not in seen and rows[beside[1]][beside[0]] != "#":
                seen.add(beside)
                waiting.append(beside)
    return goal


BOTS: dict[str, type[Bot]] = {
    "arena": ArenaBot,
    "liars_dice": LiarsDiceBot,
    "echo": EchoBot,
}
