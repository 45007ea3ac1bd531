"""Hot reload as an author meets it: `make run RELOAD=1`, a file saved, and the match goes on."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from gameserver.scaffold.new import create
from tests.e2e.make_run import Run


class Player:
    """A stock WebSocket client at the JSON subprotocol; ``view`` is what it has been told."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.kinds: list[str] = []
        self.view: dict[str, Any] = {}
        self.ticks: list[int] = []
        self.match = ""
        self.seat = -1
        self._seq = 0

    async def join(self, game: str) -> None:
        await self._send({"type": "join", "ref": 1, "game": game})
        await self.until(lambda: self.seat >= 0 and bool(self.view))

    async def run(self, dx: int, dy: int) -> None:
        self._seq += 1
        await self._send({"type": "input", "seq": self._seq, "data": {"dx": dx, "dy": dy}})

    async def until(self, condition: Callable[[], bool], *, timeout_s: float = 60) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._take(json.loads(await self.socket.recv()))

    async def listen(self, messages: int) -> None:
        for _ in range(messages):
            self._take(json.loads(await self.socket.recv()))

    async def _send(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message))

    def _take(self, message: dict[str, Any]) -> None:
        self.kinds.append(message["type"])
        match message["type"]:
            case "joined":
                self.match, self.seat = message["match"], message["seat"]
            case "snapshot":
                self.view = message["view"]
            case "delta":
                self.view = {**self.view, **message["fields"]}
                for table, changed in message["entities"].items():
                    self.view[table] = {**self.view[table], **changed}
            case "error" | "left":
                raise AssertionError(message)
        if "tick" in message and message["type"] in ("snapshot", "delta"):
            self.ticks.append(message["tick"])

    @property
    def x(self) -> int:
        return int(self.view["runners"][str(self.seat)]["x"])


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.timeout(240)
async def test_a_running_match_goes_on_by_what_was_saved(
    tmp_path: Path, devstack_dir: Path, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = create("saved_race", parent=tmp_path, turn_based=False)
    rules = project / "saved_race" / "game.py"
    # A star that nobody finds by chance, and a start in the middle.
    edit(
        rules,
        ("REACH = 4", "REACH = -1"),
        ("x, y = tick.random.below(FIELD), tick.random.below(FIELD)", "x, y = 50, 50"),
    )
    monkeypatch.setenv("RELOAD", "1")
    monkeypatch.setenv("GAME", str(project))
    run = Run(devstack_dir / "reload", ports)
    try:
        await asyncio.to_thread(run.wait_for, "Ctrl-C stops everything")
        [token] = re.findall(r"^\s*(eyJ\S+)$", run.output, re.MULTILINE)
        async with connect(
            f"ws://127.0.0.1:{ports['ws']}/v1/play",
            subprotocols=["gameserver.v1.json"],
            additional_headers={"Authorization": f"Bearer {token}"},
        ) as socket:
            player = Player(socket)
            await player.join("saved_race")
            match = player.match
            await _changed_rules(run, player, rules)
            await _broken_save(run, player, rules)
            await _new_field(run, player, rules)
            assert "wind" in await asyncio.to_thread(_view_fields, ports["http"])
            await _state_that_does_not_fit(run, player, rules)
            # One match, one socket, and time went on without a step back or a word about it.
            assert player.match == match
            assert player.ticks == sorted(player.ticks)
            assert set(player.kinds) <= {"welcome", "joined", "snapshot", "delta", "event"}
    finally:
        assert run.end() == 0


async def _said(run: Run, player: Player, text: str) -> None:
    """Play on until the terminal says it."""
    await player.until(lambda: text in run.output)


async def _changed_rules(run: Run, player: Player, rules: Path) -> None:
    await player.run(1, 0)
    await player.until(lambda: player.x > 50)
    assert player.x % 2 == 0
    await player.run(-1, 0)
    await player.until(lambda: player.x == 0)
    edit(rules, ("SPEED = 2", "SPEED = 7"))
    await _said(run, player, "saved_race is reloaded; 1 match goes on by the new rules")
    await player.run(1, 0)
    await player.until(lambda: player.x > 0)
    assert player.x % 7 == 0


async def _broken_save(run: Run, player: Player, rules: Path) -> None:
    await player.run(-1, 0)
    await player.until(lambda: player.x == 0)
    edit(rules, ("SPEED = 7", "SPEED = 7 +"))
    await _said(run, player, "saved_race is not reloaded; the rules stay as they were")
    assert "SyntaxError" in run.output
    await player.run(1, 0)
    await player.until(lambda: player.x > 0)
    assert player.x % 7 == 0
    edit(rules, ("SPEED = 7 +", "SPEED = 7"))


async def _new_field(run: Run, player: Player, rules: Path) -> None:
    """A field of the state with a default, and one of the view made of it."""
    edit(
        rules,
        ("    goal: int\n    star: Star\n    runners: dict[int, Runner]\n",
         "    goal: int\n    star: Star\n    runners: dict[int, Runner]\n    wind: int = 3\n"),
        ("    runners: dict[int, Shown]\n", "    runners: dict[int, Shown]\n    wind: int\n"),
        ("runners=shown)", "runners=shown, wind=state.wind)"),
    )  # fmt: skip
    snapshots = player.kinds.count("snapshot")
    await player.until(lambda: "wind" in player.view)
    assert player.view["wind"] == 3
    assert player.kinds.count("snapshot") > snapshots, "another schema begins with a whole view"
    assert player.seat in map(int, player.view["runners"])


def _view_fields(port: int) -> list[str]:
    """What the HTTP API says of the view's type."""
    url = f"http://127.0.0.1:{port}/v1/games/saved_race/schema"
    with urllib.request.urlopen(url, timeout=10) as answer:
        shown = json.load(answer)
    return list(shown["$defs"][shown["view"]["$ref"].rpartition("/")[2]]["properties"])


async def _state_that_does_not_fit(run: Run, player: Player, rules: Path) -> None:
    edit(
        rules,
        ("    wind: int = 3\n", "    wind: str\n"),
        ("    wind: int\n", "    wind: str\n"),
        ("runners={})", 'runners={}, wind="west")'),
    )
    await _said(run, player, "keeps the old rules until it ends: its state does not fit")
    await player.listen(5)
    assert player.view["wind"] == 3
