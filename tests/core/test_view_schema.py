from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gameserver.game.view_schema import tables
from gameserver.games.arena_types import ArenaView
from gameserver.games.echo import EchoView
from gameserver.games.liars_dice_types import DiceView
from gameserver.ids import PlayerId


class Thing(msgspec.Struct):
    x: int


class Tree(msgspec.Struct, tag="tree"):
    pass


class Rock(msgspec.Struct, tag="rock"):
    pass


class Mixed(msgspec.Struct):
    by_name: dict[str, Thing]
    by_number: dict[int, Thing]
    by_either: dict[str | int, Thing]
    by_id: dict[PlayerId, Thing]
    bounded: Annotated[dict[Annotated[int, Meta(ge=0)], Thing], Meta(max_length=9)]
    kinds: dict[int, Tree | Rock]
    numbers: dict[str, int]
    hands: dict[int, list[int]]
    listed: list[Thing]
    one: Thing
    whatever: Any
    maybe: dict[str, Thing] | None


def test_a_table_is_a_dict_of_structs() -> None:
    assert tables(Mixed) == {"by_name", "by_number", "by_either", "by_id", "bounded", "kinds"}


def test_tables_of_the_bundled_games() -> None:
    assert tables(ArenaView) == {"players", "bullets", "pickups"}
    assert tables(EchoView) == {"players"}
    assert tables(DiceView) == {"players"}
