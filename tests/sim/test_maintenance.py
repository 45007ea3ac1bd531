"""Maintenance in whole histories: nobody gets in, and everyone who is in plays on, while processes
are killed and drained."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.cluster.maintenance import MaintenanceWatch
from gameserver.maintenance import Maintenance
from gameserver.match.registry import Registry
from gameserver.ports import Commit
from tests.sim.checkers import Checker, Violated, all_checkers, events_of
from tests.sim.world import CONFIG, LIMITS, World, simulate

pytestmark = pytest.mark.timeout(300)
SEEDS = 6
SLICE = 2
"""So many of them are played each time; `make mutations` plays the others."""
KNOWN_S = 1.0
"""After that every node that runs knows, and what it let in before is committed."""
NOTICE = Maintenance(message="Back at noon.", since_ms=1, until_ms=None, by="op")
CLOSED_AT_S, OPEN_AT_S, PERIOD_S = 4.0, 15.0, 20.0


class NobodyGetsIn(Checker):
    """While all nodes know of the maintenance, no match is opened and no seat is given."""

    def __init__(self) -> None:
        self.closed_at = float("inf")

    def written(self, commit: Commit) -> None:
        if asyncio.get_running_loop().time() < self.closed_at + KNOWN_S:
            return
        for kind in (record.kind for record in events_of(commit)):
            if kind in ("match_started", "player_joined"):
                raise Violated(f"{commit.match_id}: {kind} in maintenance")


def play(seed: int) -> World:
    """A history whose operator turns the maintenance on and off."""
    worlds: list[World] = []
    checker = NobodyGetsIn()

    def storm(world: World) -> None:
        now = world.loop.time()
        if not CLOSED_AT_S < now % PERIOD_S < OPEN_AT_S:
            checker.closed_at = float("inf")
            world.directory._maintenance = None
        elif world.directory._maintenance is None:
            checker.closed_at = now
            world.directory._maintenance = NOTICE
            world.note("maintenance")
        elif world.open_nodes and world.random.random() < 0.5:
            victim = world.random.choice(world.open_nodes)
            if world.random.random() < 0.5:
                world._kill(victim)
            else:
                world.loop.create_task(world._deploy(victim)).add_done_callback(world.task_done)
            world._man()

    def make(seed: int) -> World:
        checkers = [*all_checkers(LIMITS), checker]
        worlds.append(World(seed, config=CONFIG, storm=storm, watched_by=checkers))
        return worlds[-1]

    simulate(seed, make)
    return worlds[-1]


@pytest.mark.parametrize(
    "seed",
    [
        *range(SLICE),
        *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(SLICE, SEEDS)),
    ],
)
def test_nobody_gets_in_and_matches_play_on(seed: int) -> None:
    world = play(seed)
    counts = world.history.counts
    assert counts["matches_adopted"] > 0, "what a lost node played goes on in maintenance"
    assert any("maintenance" in line for line in world.history.trace)
    assert counts["games_failed"] == 0


def caught(expected: str) -> None:
    for seed in range(SEEDS):
        try:
            play(seed)
        except Violated as violated:
            assert expected in str(violated)
            return
    pytest.fail(f"no seed noticed: {expected}")


def test_a_node_that_does_not_look_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(self: MaintenanceWatch) -> None:
        """See nothing."""

    monkeypatch.setattr(MaintenanceWatch, "_look", blind)
    caught("in maintenance")


def test_a_match_that_gives_new_seats_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(self: Registry) -> None:
        """Refuse nobody."""

    monkeypatch.setattr(Registry, "check_maintenance", kind)
    caught("in maintenance")
