"""A game's source: found, watched, tried out, and loaded anew."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameserver.__main__ import main as gameserver
from gameserver.config import Config
from gameserver.devstack import node, reload, settings, trial
from gameserver.devstack.follow import Follower
from gameserver.devstack.game_source import GameSource
from gameserver.devstack.options import Options
from gameserver.devstack.process import DevstackError
from gameserver.devstack.reload import Reloader
from gameserver.errors import ConfigError
from gameserver.game.loader import load_game
from gameserver.match.exchange import Exchanged, Kept
from gameserver.scaffold.new import create


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new game of its own, importable here and in processes started from here."""
    made = create("reloaded_race", parent=tmp_path, turn_based=False)
    monkeypatch.syspath_prepend(made)
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", f"{made}:{root}")
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "reloaded_race"]:
        del sys.modules[name]


def rules(project: Path) -> Path:
    return project / "reloaded_race" / "game.py"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_same_name_is_loaded_with_what_has_changed(project: Path) -> None:
    before = load_game("reloaded_race:Game")
    source = GameSource("reloaded_race:Game")
    assert rules(project) in source.stamp()
    stamp = source.stamp()
    # Twice within a second and of the same size: bytecode that was cached must not count.
    for speed in (3, 4, 5):
        edit(rules(project), f"SPEED = {speed - 1}", f"SPEED = {speed}")
        after = source.load()
        assert sys.modules["reloaded_race.game"].SPEED == speed
    assert source.stamp() != stamp
    assert type(after) is not type(before)
    assert type(after).State is not type(before).State


def test_what_cannot_be_loaded_leaves_everything_as_it_was(project: Path) -> None:
    load_game("reloaded_race:Game")
    source = GameSource("reloaded_race:Game")
    module = sys.modules["reloaded_race.game"]
    rules(project).write_text("def broken(:\n")
    with pytest.raises(ConfigError, match="cannot be imported"):
        source.load()
    assert sys.modules["reloaded_race.game"] is module
    assert load_game("reloaded_race:Game")


def test_a_single_file_goes_with_the_files_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create("donor_race", parent=tmp_path, turn_based=False)
    text = (made / "donor_race" / "game.py").read_text()
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "flat_speed.py").write_text("SPEED = 2\n")
    (flat / "flat_race.py").write_text(
        text.replace("SPEED = 2\n", "from flat_speed import SPEED\n")
    )
    monkeypatch.syspath_prepend(flat)
    try:
        load_game("flat_race:Game")
        source = GameSource("flat_race:Game")
        assert {path.name for path in source.stamp()} == {"flat_race.py", "flat_speed.py"}
        (flat / "flat_speed.py").write_text("SPEED = 9\n")
        source.load()
        assert sys.modules["flat_race"].SPEED == 9
    finally:
        for name in ("flat_race", "flat_speed"):
            sys.modules.pop(name, None)


def test_a_bundled_game_is_reloaded_without_the_server() -> None:
    load_game("arena")
    source = GameSource("arena")
    assert {"arena.py", "arena_types.py"} <= {path.name for path in source.stamp()}
    owned = [name for name in sys.modules if source._owns(name, sys.modules[name])]
    assert all(name.startswith("gameserver.games") for name in owned)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("SPEED = 2", "SPEED = = 2", ["SyntaxError", "line 3"]),
        ("for given in inputs:", "for given in output:", ["NameError", "game.py", "in step"]),
        ("SPEED = 2", "import sys\n\nsys.exit(0)", ["SystemExit"]),
        ("tick_rate = 20", "tick_rate = 2000", ["tick_rate must be a whole number"]),
        ("runner.dx = given", "runner.dx, self.x = given", ["TypeError"]),
        (
            "        state.runners[player.seat] = Runner(id=player.id, x=x, y=y)",
            "        import random\n        x = random.randint(0, 9)\n"
            "        state.runners[player.seat] = Runner(id=player.id, x=x, y=y)",
            ["is not deterministic"],
        ),
    ],
)
def test_a_trial_says_what_is_wrong_and_where(
    project: Path, old: str, new: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if "runner.dx" in old:
        old, new = (
            "runner.dx, runner.dy = given.data.dx, given.data.dy",
            "runner.dx = given.data + 1",
        )
    edit(rules(project), old, new)
    assert trial.main(["reloaded_race:Game"]) == 1
    printed = capsys.readouterr().out
    for words in said:
        assert words in printed
    assert "Traceback" not in printed


class Stage:
    """What a reloader does to a server, written down."""

    def __init__(self, project: Path, kept: list[Kept] | None = None) -> None:
        load_game("reloaded_race:Game")
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.speeds: list[int] = []
        self.kept = kept or []
        self.reloader = Reloader(
            {"reloaded_race": "reloaded_race:Game"}, self._exchange, self.said.put_nowait
        )

    def _exchange(self, game: object) -> Exchanged:
        self.speeds.append(sys.modules[type(game).__module__].SPEED)
        return Exchanged([], self.kept)


async def test_a_change_is_taken_a_broken_one_is_not_and_the_next_good_one_is(
    project: Path,
) -> None:
    stage = Stage(project)
    task = asyncio.create_task(stage.reloader.run())
    try:
        await asyncio.sleep(0)
        edit(rules(project), "SPEED = 2", "SPEED = 3")
        assert "is reloaded" in await asyncio.wait_for(stage.said.get(), 60)
        edit(rules(project), "SPEED = 3", "SPEED = (")
        said = await asyncio.wait_for(stage.said.get(), 60)
        assert "not reloaded" in said and "SyntaxError" in said
        edit(rules(project), "SPEED = (", "SPEED = 4")
        assert "is reloaded" in await asyncio.wait_for(stage.said.get(), 60)
        edit(rules(project), 'name = "reloaded_race"', 'name = "other"')
        assert "needs a new start" in await asyncio.wait_for(stage.said.get(), 60)
        assert stage.speeds == [3, 4]
    finally:
        task.cancel()


async def test_an_endless_loop_is_noticed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "TRIAL_S", 1.0)
    stage = Stage(project, kept=[])
    task = asyncio.create_task(stage.reloader.run())
    try:
        await asyncio.sleep(0)
        edit(rules(project), "SPEED = 2", "SPEED = 2\nwhile True:\n    pass")
        assert "endless loop" in await asyncio.wait_for(stage.said.get(), 60)
        assert stage.speeds == []
    finally:
        task.cancel()


def test_a_follower_reads_whole_lines_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    early = Follower(path)
    assert early.added() == ""
    path.write_text("old\n")
    late = Follower(path)
    with path.open("a") as file:
        file.write("new\nhal")
    assert early.added() == "old\nnew"
    assert late.added() == "new"
    with path.open("a") as file:
        file.write("f\n")
    assert late.added() == "half"
    assert late.added() == ""


# ── not in production ────────────────────────────────────────────────────────────────────────────


def test_no_setting_of_a_server_turns_it_on() -> None:
    words = {word for field in Config.__struct_fields__ for word in field.split("_")}
    assert not words & {"reload", "latency", "stall", "simulate", "simulation", "development"}
    for arguments in (["run", "--reload", "x"], ["run", "--latency-ms", "1"]):
        with pytest.raises(SystemExit) as ended:
            gameserver(arguments)
        assert ended.value.code == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"ws_host": "0.0.0.0", "http_host": "127.0.0.1"},
        {"ws_host": "127.0.0.1", "http_host": "10.0.0.7"},
        {
            "ws_host": "127.0.0.1",
            "http_host": "127.0.0.1",
            "ecs_metadata_uri": "http://169.254.170.2/v4/x",
        },
    ],
)
def test_a_development_node_does_not_start_where_players_are(changed: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="development node"):
        node.check_is_private(Config(**changed))
    node.check_is_private(Config(ws_host="127.0.0.1", http_host="::1"))


def test_options_survive_the_command_line(tmp_path: Path) -> None:
    for options in (Options(), Options(reload_log=tmp_path / "a b", end_unfit=True)):
        assert node.parse(options.arguments()) == options


def test_reload_is_a_switch_and_goes_with_one_server(tmp_path: Path) -> None:
    place = {"RUN_DIR": str(tmp_path)}
    chosen = settings.from_environ(place | {"RELOAD": "1"}).development
    assert chosen is not None and chosen.reload_log == tmp_path / "logs" / "reload.log"
    for off in ("", "0", "off"):
        chosen = settings.from_environ(place | {"RELOAD": off}).development
        assert chosen is not None and chosen.reload_log is None
    with pytest.raises(DevstackError, match="RELOAD is 'maybe'"):
        settings.from_environ(place | {"RELOAD": "maybe"})
    with pytest.raises(DevstackError, match="one server"):
        settings.from_environ(place | {"RELOAD": "1", "NODES": "2"})
    assert settings.on_free_ports(tmp_path).development is None
