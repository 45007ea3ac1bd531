"""Bots play, matches end, and what every client was told stands in PostgreSQL exactly once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gameserver.devstack.stack import Stack
from tests.e2e.conftest import Swarm
from tests.e2e.make_run import ROOT

BOTS = int(os.environ.get("E2E_BOTS", "24"))
SECONDS = float(os.environ.get("E2E_SECONDS", "8"))
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
@pytest.mark.parametrize("services", [("worker", "postgres", "sqs"), ("valkey",)], ids="-".join)
def test_outages_are_pauses_at_most(stack: Stack, swarm: Swarm, services: tuple[str, ...]) -> None:
    """One after the other; of the first three no player notices anything."""
    before = stack.service("gameserver").pid
    process = swarm.start(
        bots=BOTS * 2 // 3,
        seconds=len(services) * (OUTAGE_S + 2) + 8,
        mode="quick",
        # Joins are refused while the store is away: that is an answer, not a breach.
        arguments=("--max-error-rate", "1"),
    )
    try:
        time.sleep(3)
        for service in services:
            time.sleep(2)
            stack.kill(service)
            time.sleep(OUTAGE_S)
            stack.start(service)
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
        process.communicate()
        for service in services:
            if not stack.service(service).is_running():
                stack.start(service)
    assert process.returncode == 0, output
    figures = swarm.figures()
    unexpected = {
        kind: count
        for kind, count in figures["errors"].items()
        if not ("valkey" in services and kind in PAUSE_KINDS)
    }
    assert unexpected == {}, output
    assert stack.service("gameserver").pid == before, "the server must not have died"
    assert stack.fallen() is None
    checked = swarm.check(wait_s=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr


SCENARIO = """
about = "A little of everything."
expect = ["error:bad_message", "close:bad_messages"]
[run]
duration = 6.0
ramp = 1.0
[[steps]]
do = "reconnect"
at_s = 0.5
share = 0.5
[[steps]]
do = "rejoin"
at_s = 1.5
share = 0.25
[[steps]]
do = "read_slowly"
at_s = 1.0
for_s = 3.0
share = 0.25
[[steps]]
do = "send_malformed"
at_s = 3.0
messages = 6
share = 0.25
[[steps]]
do = "deploy"
at_s = 1.0
within_s = 4.0
"""


@pytest.mark.timeout(120)
def test_a_scenario_is_played_and_reported(stack: Stack, swarm: Swarm, tmp_path: Path) -> None:
    path, html = tmp_path / "all.toml", tmp_path / "report.html"
    path.write_text(SCENARIO)
    process = swarm.start(
        bots=16,
        seconds=6,
        mode="quick",
        arguments=("--scenario", str(path), "--deploy", "true", "--html", str(html), "--finish=0"),
    )
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    figures = swarm.figures()
    assert figures["counts"]["reconnects"] == 8, output
    # A machine that is busy with other tests may let a lease run out: a pause is no error here.
    errors = {k: count for k, count in figures["errors"].items() if k not in PAUSE_KINDS}
    assert errors == {"error:bad_message": 24}, output
    assert [verdict for verdict in figures["limits"] if verdict["name"] == "deploys"]
    assert len(figures["marks"]) == 5 and len(figures["timeline"]) >= 5
    assert html.read_text().count("<svg") == 7
    same = [str(swarm.report)] * 2
    command = [sys.executable, "-m", "botswarm", "compare", *same]
    compared = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    # 3: this machine was too busy for the bots, so that the figures mean nothing.
    expected = 3 if figures["saturated"] else 0
    assert compared.returncode == expected, compared.stdout + compared.stderr
    assert "not worse" in compared.stdout
