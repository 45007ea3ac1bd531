"""The deploys of a scenario, as a command and as a signal."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from botswarm.deploys import Deploys
from botswarm.happening import Deploy
from botswarm.processes import Overview
from botswarm.stats import Stats
from tests.botswarm.polling import until

STEADY = Overview(phase="steady", at_s=2.0, cpu_s=[], stats=Stats())


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("true", ""),
        ("false", "exit code 1"),
        ("/nonexistent/deploy", "cannot be run"),
        ("sleep 60", "not done in 0.3 s"),
    ],
)
async def test_a_deploy_is_a_command(command, failure):
    said = []
    step = Deploy(at_s=0.0, within_s=0.3 if failure.startswith("not done") else 30.0)
    with Deploys([step], command=command, say=said.append) as deploys:
        deploys(STEADY)
        await until(lambda: deploys.marks)
        await deploys.close()
    assert [each.startswith(failure) for each in deploys.failures] == ([True] if failure else [])
    assert deploys.done == (0 if failure else 1)
    assert deploys.marks[0].at_s >= 2.0
    assert said[0] == f"deploying: {command}"


async def test_or_somebody_who_gives_a_signal():
    said: list[str] = []
    with Deploys([Deploy(at_s=0.0, within_s=30.0)], command="", say=said.append) as deploys:
        deploys(STEADY)
        await until(lambda: said)
        assert f"kill -USR1 {os.getpid()}" in said[0]
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: deploys.marks)
        await deploys.close()
    assert deploys.done == 1


async def test_a_run_that_ends_first_leaves_no_command_behind():
    with Deploys([Deploy(at_s=0.0, within_s=30.0)], command="sleep 60", say=print) as deploys:
        deploys(STEADY)
        await asyncio.sleep(0)
        await deploys.close()
    assert deploys.done == 0 and not deploys.marks
