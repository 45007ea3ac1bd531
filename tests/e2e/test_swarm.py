"""Bots play, matches end, and what every client was told stands in PostgreSQL exactly once."""

from __future__ import annotations

import os
import time

import pytest

from gameserver.devstack.stack import Stack
from tests.e2e.conftest import Swarm

BOTS = int(os.environ.get("E2E_BOTS", "48"))
SECONDS = float(os.environ.get("E2E_SECONDS", "12"))
OUTAGE_S = float(os.environ.get("E2E_OUTAGE_S", "4"))
"""`make test` runs a short slice; the full campaign sets 400 bots, 30 s and 10 s."""


@pytest.mark.timeout(300)
def test_every_match_that_ended_is_stored_once(stack: Stack, swarm: Swarm) -> None:
    process = swarm.start(bots=BOTS, seconds=SECONDS, mode="quick")
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    figures = swarm.figures()
    assert figures["errors"] == {}, output
    checked = swarm.check()
    assert checked.returncode == 0, checked.stdout + checked.stderr
    print(checked.stdout)


PAUSE_KINDS = ("paused", "stall", "error:unavailable", "timeout:join")
"""What players may see while the match store is away."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("service", ["worker", "postgres", "sqs", "valkey"])
def test_an_outage_is_a_pause_at_most(stack: Stack, swarm: Swarm, service: str) -> None:
    before = stack.service("gameserver").pid
    process = swarm.start(
        bots=BOTS // 2,
        seconds=OUTAGE_S + 10,
        mode="quick",
        # Joins are refused while the store is away: that is an answer, not a breach.
        arguments=("--max-error-rate", "1"),
    )
    try:
        time.sleep(5)
        stack.kill(service)
        time.sleep(OUTAGE_S)
        stack.start(service)
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
        process.communicate()
        if not stack.service(service).is_running():
            stack.start(service)
    assert process.returncode == 0, output
    figures = swarm.figures()
    unexpected = {
        kind: count
        for kind, count in figures["errors"].items()
        if not (service == "valkey" and kind in PAUSE_KINDS)
    }
    assert unexpected == {}, output
    assert stack.service("gameserver").pid == before, "the server must not have died"
    assert stack.fallen() is None
    checked = swarm.check(wait_s=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
