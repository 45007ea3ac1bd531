"""A game's messages as JSON Schema: what a tool is told is what the server takes and sends."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest

from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_game
from gameserver.game.schema import messages
from gameserver.games.echo import Echo
from gameserver.games.liars_dice import LiarsDice

GAMES = ["arena", "liars_dice", "echo"]


def game(name: str) -> type[AnyGame]:
    return type(load_game(name))


@pytest.mark.parametrize("name", GAMES)
def test_every_reference_leads_somewhere(name: str) -> None:
    shown = msgspec.to_builtins(messages(game(name)))

    def references(value: Any) -> list[str]:
        match value:
            case dict():
                own = [value["$ref"]] if "$ref" in value else []
                return own + [ref for each in value.values() for ref in references(each)]
            case list():
                return [ref for each in value for ref in references(each)]
            case _:
                return []

    found = references(shown)
    assert found
    for ref in found:
        assert ref.removeprefix("#/$defs/") in shown["defs"]
    msgspec.json.encode(shown)


def test_bounds_descriptions_and_choices_are_told() -> None:
    shown = messages(LiarsDice)
    act = shown.defs["Act"]
    assert shown.input == {"$ref": "#/$defs/Act"}
    assert act["properties"]["count"]["maximum"] == 1000
    assert sorted(act["properties"]["action"]["enum"]) == ["bid", "challenge", "ready"]
    assert act["required"] == ["action"]
    assert "move" in act["description"]
    assert shown.result == {"$ref": "#/$defs/DiceResult"}


def test_items_of_an_array_that_is_a_struct_have_names() -> None:
    shown = messages(Echo)
    items = shown.defs["EchoInput"]["prefixItems"]
    assert [item["title"] for item in items] == ["x", "y", "z", "buttons"]
    assert messages(game("arena")).defs["Fighter"]["prefixItems"][0]["title"]


def test_an_event_is_what_stands_in_its_data() -> None:
    shown = messages(LiarsDice)
    assert set(shown.events) >= {"round_started", "bid_placed"}
    started = shown.defs[shown.events["round_started"]["$ref"].rpartition("/")[2]]
    assert sorted(started["properties"]) == ["dice", "round"]
    assert "type" not in started["required"]


def test_a_game_without_events_and_result() -> None:
    assert messages(Echo).events == {}
    assert messages(Echo).result is None


def test_what_cannot_be_stated_allows_anything() -> None:
    class Odd(msgspec.Struct):
        raw: msgspec.Raw

    class OddEcho(Echo):
        Input: ClassVar = Odd

    assert isinstance(messages(OddEcho).input, dict)
