"""The arena's maps: drawn as text, worked out once into grids that a step can look up.

    #  wall     s  a place to return at     h  health     r  rapid fire     .  floor

A tile is 256 units wide and made of 4 by 4 cells of 64. A fighter may stand in a cell if neither
it nor one of its eight neighbours is wall: a client that predicts its own fighter does the same.
"""

from __future__ import annotations

from typing import NamedTuple

from gameserver.games.arena_types import HEALTH, RAPID, Pickup, Plan

TILE = 256
CELLS = 4  # per tile and axis

_COURT = """
####################
#s.......##.......s#
#..##....##....##..#
#..#............#..#
#......h....r......#
#...##........##...#
#s..##...ss...##..s#
#......r....h......#
#..#............#..#
#..##....##....##..#
#s.......##.......s#
####################
"""

_BOX = """
############
#s...s....s#
#..........#
#...#..#...#
#s........s#
#...#..#...#
#..........#
#s....s...s#
############
"""


class Map(NamedTuple):
    """A map made ready. Both grids have a byte for each cell, ``width`` of them a row."""

    plan: Plan
    width: int
    solid_for_fighters: bytes
    solid_for_bullets: bytes
    spawns: tuple[tuple[int, int], ...]
    pickups: tuple[Pickup, ...]
    pickup_of_tile: dict[tuple[int, int], int]


def _four_times(drawing: str) -> str:
    """The same room four times over, with the walls between them open."""
    rows = [row[1:-1] for row in drawing.split()[1:-1]]
    wide = ["#" + row + row + "#" for row in rows]
    edge = "#" * len(wide[0])
    return "\n".join([edge, *wide, *wide, edge])


def _ready(drawing: str) -> Map:
    rows = drawing.split()
    width, height = len(rows[0]) * CELLS, len(rows) * CELLS
    wall = [rows[y // CELLS][x // CELLS] == "#" for y in range(height) for x in range(width)]

    def near_wall(x: int, y: int) -> bool:
        return any(
            wall[v * width + u]
            for v in range(max(0, y - 1), min(height, y + 2))
            for u in range(max(0, x - 1), min(width, x + 2))
        )

    def marked(mark: str) -> list[tuple[int, int]]:
        return [(x, y) for y, row in enumerate(rows) for x, at in enumerate(row) if at == mark]

    def centre(tile: tuple[int, int]) -> tuple[int, int]:
        return tile[0] * TILE + TILE // 2, tile[1] * TILE + TILE // 2

    lying = [(tile, HEALTH) for tile in marked("h")] + [(tile, RAPID) for tile in marked("r")]
    floor = str.maketrans("shr", "...")
    return Map(
        plan=Plan(TILE, tuple(row.translate(floor) for row in rows)),
        width=width,
        solid_for_fighters=bytes(near_wall(x, y) for y in range(height) for x in range(width)),
        solid_for_bullets=bytes(wall),
        spawns=tuple(centre(tile) for tile in marked("s")),
        pickups=tuple(Pickup(*centre(tile), kind) for tile, kind in lying),
        pickup_of_tile={tile: index for index, (tile, _) in enumerate(lying)},
    )


MAPS = {"court": _ready(_COURT), "box": _ready(_BOX), "field": _ready(_four_times(_COURT))}
