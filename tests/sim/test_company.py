"""Histories in which players talk and vote and bots fill seats, under all faults."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from gameserver.game.contract import Bots, Mode, Player, Random
from gameserver.match.chat import Chat
from gameserver.wire import from_client
from tests.sim.checkers import Violated
from tests.sim.client import Session
from tests.sim.games import Add, State, Tally
from tests.sim.world import STORM_S, World, simulate

pytestmark = pytest.mark.timeout(300)
TALKING: Counter[str] = Counter()
BEGAN: dict[int, float] = {}


def _bot(self: Tally, state: State, player: Player, random: Random) -> Add | None:
    return Add(1) if random.below(10) == 0 else None


@pytest.fixture(autouse=True)
def company(monkeypatch: pytest.MonkeyPatch) -> None:
    """The games of the simulation have everything; clients make use of it during the storm."""
    TALKING.clear()
    BEGAN.clear()
    more: dict[str, Any] = {
        "pauses": 2,
        "pause_ms": 1_000,
        "rematch_ms": 2_000,
        "bots": Bots(seats=3, wait_ms=500),
    }
    four, two = Mode(players_max=4, **more), Mode(players_max=3, **more)
    monkeypatch.setattr(Tally, "modes", {**Tally.modes, "four": four, "two": two})
    monkeypatch.setattr(Tally, "chat", True)
    monkeypatch.setattr(Tally, "bot", _bot)
    send, tell = Session.send, Session._tell

    def sends(self: Session, seq: int, data: Add) -> None:
        send(self, seq, data)
        began = BEGAN.setdefault(self._world.seed, self._world.loop.time())
        if self._world.loop.time() < began + STORM_S - 2 and seq % 5 == 0:
            what = "rematch" if seq % 3 else "pause"
            vote = from_client.Vote(seq, what)  # type: ignore[arg-type]
            self.say(vote if seq % 2 else from_client.Chat(seq, f"{self._client.name} {seq}"))

    def tells(self: Session, what: str, *values: int | str) -> None:
        TALKING[what] += 1
        tell(self, what, *values)

    monkeypatch.setattr(Session, "send", sends)
    monkeypatch.setattr(Session, "_tell", tells)


@pytest.mark.parametrize("seed", [1])
def test_what_is_promised_holds_in_company(seed: int) -> None:
    paused: list[str] = []
    counts = simulate(seed, lambda number: _noted(World(number), paused)).counts
    assert counts["games_failed"] == 0
    assert counts["matches_ended"] > 5
    assert TALKING["line_told"] > 50
    assert paused


def _noted(world: World, paused: list[str]) -> World:
    """Says which matches were paused by their players."""
    watch = world.checkers[0]
    checked = watch.measured

    def measured(uncommitted: int, unrelayed: int) -> None:
        paused.extend(
            runner.match_id
            for node in world.open_nodes
            for runner in node.service._registry.runners.values()
            if runner.company is not None and runner.company.votes.pause_until_ms
        )
        checked(uncommitted, unrelayed)

    watch.measured = measured  # type: ignore[method-assign]
    return world


def test_a_line_that_is_told_before_its_commit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    say = Chat._say

    def hasty(self: Chat, *given: Any) -> None:
        say(self, *given)
        self.committed(2**62)

    monkeypatch.setattr(Chat, "_say", hasty)
    with pytest.raises(Violated, match="line"):
        for seed in range(3):
            simulate(seed)
