import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType
from typing import Any, ClassVar

import msgspec
import pytest

from gameserver.errors import ConfigError
from gameserver.game import loader
from gameserver.game.contract import Game, Mode
from gameserver.game.loader import load_game, load_games
from gameserver.game.validate import problems


class Empty(msgspec.Struct):
    pass


class Sparse(msgspec.Struct, omit_defaults=True):
    score: int = 0


class Flat(msgspec.Struct, array_like=True):
    x: int


class Odd(msgspec.Struct):
    inner: "dict[str, list[tuple[int, Deep]]]"


class Deep(msgspec.Struct):
    names: set[str]


class Foreign(msgspec.Struct):
    module: ModuleType


class Unresolved(msgspec.Struct):
    x: "Nowhere"  # noqa: F821


class Good(Game):
    name = "good"
    tick_rate = 10
    modes: ClassVar = {"standard": Mode(players_max=2)}
    State: ClassVar = Empty
    Input: ClassVar = Empty
    View: ClassVar = Empty

    def start(self, setup: Any) -> Any:
        return Empty()

    def step(self, state: Any, inputs: Any, tick: Any) -> None:
        pass

    def view(self, state: Any) -> Any:
        return Empty()


class Same(Good):
    pass


class NeedsMore(Good):
    def __init__(self, board: int) -> None:
        self.board = board


class Won(msgspec.Struct, tag="won"):
    pass


class WonAgain(msgspec.Struct, tag="won"):
    pass


class Untagged(msgspec.Struct):
    pass


class Numbered(msgspec.Struct, tag=3):
    pass


class Shouting(msgspec.Struct, tag="Won!"):
    pass


class Forged(msgspec.Struct, tag="match_ended"):
    pass


class Packed(msgspec.Struct, tag="packed", array_like=True):
    pass


def changed(**attributes: Any) -> type[Any]:
    return type("Changed", (Good,), attributes)


def without(attribute: str) -> type[Any]:
    return type("Without", (Good,), {attribute: getattr(Game, attribute)})


def modes(*, players_min: int = 1, players_max: int) -> dict[str, Mode]:
    return {"standard": Mode(players_min=players_min, players_max=players_max)}


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (object, "not a class derived from"),
        (Good(), "not a class derived from"),
        (changed(name="Good"), "name must match"),
        (changed(name=""), "name must match"),
        (changed(name="a" * 33), "name must match"),
        (changed(name=None), "name must match"),
        (changed(tick_rate=-1), "tick_rate must be"),
        (changed(tick_rate=129), "tick_rate must be"),
        (changed(tick_rate=20.0), "tick_rate must be"),
        (changed(tick_rate=True), "tick_rate must be"),
        (changed(modes={}), "at least one Mode"),
        (changed(modes=[Mode(players_max=2)]), "at least one Mode"),
        (changed(modes={"A B": Mode(players_max=2)}), "mode name 'A B'"),
        (changed(modes={"a": 8}), "must be a Mode, not int"),
        (changed(modes=modes(players_max=0)), "1 <= players_min <= players_max"),
        (changed(modes=modes(players_min=3, players_max=2)), "1 <= players_min <= players_max"),
        (changed(modes=modes(players_min=0, players_max=2)), "1 <= players_min <= players_max"),
        (changed(modes=modes(players_max=1001)), "1 <= players_min <= players_max"),
        (changed(State=dict), "State must be set to a msgspec Struct"),
        (changed(Input=None), "Input must be set to a msgspec Struct"),
        (changed(View=Empty()), "View must be set to a msgspec Struct"),
        (changed(View=Flat), "View must not be array_like"),
        (changed(View=Sparse), "View must not omit defaults"),
        (changed(State=Odd), r"State.inner\[…\]\[…\]\[1\].names is a set"),
        (changed(State=Foreign), "State.module has a type that msgspec does not know"),
        (changed(Input=Unresolved), "Input cannot be encoded and decoded"),
        (changed(Event=int), "Event must be a msgspec Struct or a union"),
        (changed(Event=Won | int), "Event must be a msgspec Struct or a union"),
        (changed(Event=Untagged), "Untagged must have a tag"),
        (changed(Event=Numbered), "Numbered must have a tag"),
        (changed(Event=Shouting), "Shouting must have a tag"),
        (changed(Event=Won | WonAgain), "'won' is taken"),
        (changed(Event=Forged), "the server itself states 'match_ended'"),
        (changed(Event=Won | Packed), "Packed must not be array_like"),
        (without("start"), r"start\(\) must be overridden"),
        (without("step"), r"step\(\) must be overridden"),
        (without("view"), r"view\(\) must be overridden"),
        (changed(hidden=True), r"view_for\(\) must be overridden"),
        (changed(view_for=lambda self, state, player: Empty()), "set hidden = True"),
    ],
)
def test_names_what_is_wrong_with_a_game(
    game: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(problems(game)) == 1
    monkeypatch.setattr(sys.modules[__name__], "Tried", game, raising=False)
    with pytest.raises(ConfigError, match=message):
        load_game(f"{__name__}:Tried")


def test_names_everything_that_is_wrong_at_once() -> None:
    assert len(problems(Game)) == 9


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chess", "name one of arena, echo, liars_dice, or give module:Class"),
        (":Class", "write module:Class"),
        ("module:", "write module:Class"),
        ("a:b:c", "write module:Class"),
        ("nowhere_at_all.chess:Chess", "'nowhere_at_all.chess' cannot be imported"),
        ("..arena:Arena", "cannot be imported"),
        ("gameserver.games.arena:Chess", "has no class 'Chess'"),
        (f"{__name__}:NeedsMore", "a game is made without arguments"),
    ],
)
def test_names_what_is_wrong_with_a_name(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_game(name)


def test_loads_bundled_and_other_games() -> None:
    games = load_games(["arena", "liars_dice", "echo", f"{__name__}:Good"])
    assert list(games) == ["arena", "liars_dice", "echo", "good"]
    assert isinstance(games["good"], Good)


def test_the_same_game_twice_is_one_game() -> None:
    assert list(load_games(["echo", "gameserver.games.echo:Echo"])) == ["echo"]


def test_two_games_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"test_loader:Good and .*:Same are both named 'good'"):
        load_games([f"{__name__}:Good", f"{__name__}:Same"])


def test_loads_installed_games(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("goody", f"{__name__}:Good", loader.ENTRY_POINT_GROUP)
    monkeypatch.setattr(
        loader, "entry_points", lambda *, group: EntryPoints([point]).select(group=group)
    )
    assert isinstance(load_game("goody"), Good)
    with pytest.raises(ConfigError, match="name one of arena, echo, goody, liars_dice"):
        load_game("chess")


def test_a_game_is_imported_only_when_it_is_named() -> None:
    program = (
        "import sys; from gameserver.game.loader import load_games; load_games(['echo']);"
        "sys.exit('gameserver.games.arena' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
