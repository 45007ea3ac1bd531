"""A short campaign, and the plan that it follows; ``make chaos`` runs longer ones."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import redis

from gameserver.adapters.redis_script import Script
from gameserver.devstack.process import free_port
from gameserver.devstack.valkey import Valkey
from tests.chaos.campaign import STORES, Campaign
from tests.chaos.judge import _of_swarm, _waiting, of_seekers
from tests.chaos.mutant import MUTATIONS, Mutation, mutated
from tests.chaos.plan import Kind, make_plan
from tests.chaos.seekers import Report

SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
BOTS = int(os.environ.get("CHAOS_BOTS", "16"))
SEED = int(os.environ.get("CHAOS_SEED", "1950"))
"""In little time it kills a node, freezes a worker, drains another node and kills Valkey."""
NODES, WORKERS = ("n1", "n2", "n3"), ("w1", "w2")


@pytest.mark.timeout(300)
def test_what_clients_are_told_outlives_everything(devstack_dir: Path) -> None:
    lines: list[str] = []
    directory = devstack_dir / "chaos"
    directory.mkdir(parents=True)
    with Campaign(directory, seed=SEED, seconds=SECONDS, bots=BOTS, say=lines.append) as campaign:
        outcome = campaign.run()
    print(*lines, outcome, sep="\n")
    assert outcome.violations == []
    assert sum(outcome.faults.values()) >= 2, "nothing has happened"
    assert outcome.verdict.told > 100


def test_a_seed_is_a_plan_and_plans_meet_everyone_in_every_way() -> None:
    def plan(seed: int) -> list[object]:
        return list(make_plan(seed, seconds=3600, nodes=NODES, workers=WORKERS, stores=STORES))

    assert plan(1) == plan(1) != plan(2)
    met = Counter(
        (fault.target, fault.kind)
        for fault in make_plan(3, seconds=3600, nodes=NODES, workers=WORKERS, stores=STORES)
    )
    assert {target for target, _ in met} == {*NODES, *WORKERS, *STORES}
    assert all(met[node, kind] for node in NODES for kind in Kind)
    assert not any(met[store, Kind.DRAIN] for store in STORES)


def report(errors: dict[str, int], *, playing: int = 4, given_up: int = 0) -> dict[str, object]:
    return {"errors": errors, "counts": {"playing_at_end": playing, "given_up": given_up}}


def test_a_promise_that_a_bot_saw_broken_is_a_violation() -> None:
    errors = {"close:abnormal": 5, "protocol:seq_gap": 2}
    assert _of_swarm(report(errors), 1, 4) == ["2 times protocol:seq_gap"]
    assert _of_swarm(report({"stall": 1}), 0, 4) == []
    assert _of_swarm(report({}), 1, 4) == ["the swarm's exit code is 1"]
    assert _of_swarm({}, 1, 4) != []


def test_bots_that_do_not_come_back_are_a_violation() -> None:
    assert _of_swarm(report({}, playing=1), 0, 4) == []
    assert _of_swarm(report({}, playing=0), 0, 4) != []
    assert _of_swarm(report({}, given_up=1), 0, 4) != []


def test_what_players_of_matchmaking_saw_broken_is_a_violation(tmp_path: Path) -> None:
    path = tmp_path / "seekers.json"

    def of(**found: object) -> list[str]:
        good: dict[str, object] = {"told": {"t": ["m"], "u": ["m"]}, "seated": 2}
        path.write_bytes(msgspec.json.encode(msgspec.convert(good | found, Report)))
        return of_seekers(path)

    assert of_seekers(path) != [], "no report"
    assert of() == []
    assert of(told={"t": ["m", "n"]}) == ["ticket t was told of ['m', 'n']"]
    assert of(told={f"t{n}": ["m"] for n in range(9)}) == ["match m has 9 tickets"]
    assert of(broken=["ticket t is lost"]) == ["ticket t is lost"]
    again = {"t": ["m", "m"], "u": ["m"]}
    assert of(told=again) == [], "the same match, asked for once more"
    assert of(told={}) != [] and of(seated=0) != []


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_the_defects_that_the_judge_is_proven_by_are_defects(mutation: Mutation) -> None:
    """``python -m tests.chaos --mutation``: the scripts have not changed since."""
    good = Script(mutation.script)._text
    assert mutated(mutation, good) != good
    with pytest.raises(ValueError, match="has changed"):
        mutated(mutation, "")


@pytest.fixture
def small(devstack_dir: Path) -> Iterator[Any]:
    """What the judge sees of a stack: its Valkey."""
    valkey = Valkey(
        port=free_port(), data=devstack_dir / "judge", log=devstack_dir / "logs" / "judge.log"
    )
    valkey.start()
    yield SimpleNamespace(valkey=valkey)
    valkey.stop()


def test_a_ticket_that_nobody_works_on_any_more_is_a_violation(small: Any) -> None:
    with redis.Redis.from_url(small.valkey.url) as store:
        assert _waiting(small) == []
        store.hset("gs:{q:arena/duel}:b", "t", "m|1:x")
        store.hset("gs:{q:arena/duel}:f", "fence", "1")
        assert _waiting(small) == ["1 tickets are stuck in gs:{q:arena/duel}:b"]
