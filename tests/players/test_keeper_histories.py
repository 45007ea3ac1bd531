"""Random histories of connects, ends, deaf nodes, kills and outages: afterwards each player has one
session at most, and the store knows which."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from gameserver.errors import AlreadyConnected, StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.players import keeper
from gameserver.whereabouts import SessionPolicy
from tests.match.house import in_virtual_time
from tests.players.cluster import LEASE_MS, Node, Town, town

STEPS = 150
PLAYERS = [PlayerId(f"p{number}") for number in range(6)]
SETTLED_S = 2 * LEASE_MS / 1000


async def live(here: Town, chance: random.Random) -> None:
    for _ in range(STEPS):
        node = here.nodes[chance.choice(sorted(here.nodes))]
        match chance.choices(
            ("connect", "end", "wait", "deaf", "outage", "kill"), (50, 20, 20, 4, 4, 2)
        )[0]:
            case "connect":
                await connect(here, node, chance)
            case "end" if node.open:
                node.end(chance.choice(sorted(node.open)))
            case "wait":
                await asyncio.sleep(chance.choice((0, 0.001, 0.3, 4.0)))
            case "deaf":
                node.deaf = not node.deaf
            case "outage":
                with here.outage():
                    await connect(here, node, chance)
                    await asyncio.sleep(chance.random())
            case "kill" if len(here.nodes) > 2:
                await here.kill(node)
                here.add(skew_s=chance.uniform(-2, 2))
    for node in here.nodes.values():
        node.deaf = False


async def connect(here: Town, node: Node, chance: random.Random) -> None:
    try:
        await node.connect(chance.choice(PLAYERS), chance.choice(("", "tab-1", "tab-2")))
    except (AlreadyConnected, StoreUnavailable):
        assert here.policy is SessionPolicy.REFUSE


async def check(here: Town) -> None:
    open_ = here.sessions()
    twice = [player for player, count in Counter(open_.values()).items() if count > 1]
    assert not twice, "a player has two sessions"
    for player, there in zip(PLAYERS, await here.store.find(PLAYERS), strict=True):
        own = [session for session, whose in open_.items() if whose == player]
        assert [there.session] == own if there is not None else own == []
    for node in here.nodes.values():
        assert set(node.keeper._entries) == set(node.open) == set(node.keeper._due)
        assert not node.keeper._claims and not node.keeper._releases and not node.keeper._changed


async def history(policy: SessionPolicy, seed: int) -> None:
    chance = random.Random(seed)
    async with town(policy) as here:
        for _ in range(3):
            here.add(skew_s=chance.uniform(-2, 2))
        await live(here, chance)
        await asyncio.sleep(SETTLED_S)
        await check(here)
        for player in PLAYERS:  # Nobody is locked out.
            for node in list(here.nodes.values()):
                for session, whose in list(node.open.items()):
                    if whose == player:
                        node.end(session)
            await here.nodes[chance.choice(sorted(here.nodes))].connect(player)
        await asyncio.sleep(1)
        await check(here)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("policy", [SessionPolicy.NEWEST, SessionPolicy.REFUSE])
@in_virtual_time
async def test_each_player_has_one_session(policy: SessionPolicy, seed: int) -> None:
    await history(policy, seed)


@pytest.mark.parametrize("broken", ["_end", "_replaced"])
@in_virtual_time
async def test_the_check_finds_a_keeper_that_ends_nobody(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper.Keeper, "_replaced", lambda *_: None)
    if broken == "_end":
        monkeypatch.setattr(keeper.Keeper, "_end", lambda *_: None)
    with pytest.raises(AssertionError):
        for seed in range(3):
            await history(SessionPolicy.NEWEST, seed)
