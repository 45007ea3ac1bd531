"""The task as ECS sees it, against a stand-in for the container agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from gameserver.adapters import ecs
from gameserver.adapters.ecs import EcsTask
from gameserver.metrics import Metrics
from tests.adapters.ws_peer import until
from tests.fakes.clock import SeededEntropy
from tests.fakes.ecs_agent import TASK_ARN, EcsAgent


@pytest_asyncio.fixture
async def agent() -> AsyncIterator[EcsAgent]:
    async with EcsAgent() as running:
        yield running


@pytest_asyncio.fixture
async def task(agent: EcsAgent) -> AsyncIterator[EcsTask]:
    async with aiohttp.ClientSession() as http:
        yield EcsTask(
            http,
            metadata_uri=agent.metadata_uri,
            agent_uri=agent.agent_uri,
            poll_s=0.01,
            entropy=SeededEntropy(1, 1),
            metrics=Metrics(),
        )


async def test_the_wish_to_stop_is_seen(agent: EcsAgent, task: EcsTask) -> None:
    stopping = asyncio.ensure_future(task.stopping())
    await until(lambda: agent.polls > 3)
    assert not stopping.done()
    agent.desired_status = "STOPPED"
    async with asyncio.timeout(60):
        await stopping


async def test_an_agent_that_fails_is_no_wish_to_stop(agent: EcsAgent, task: EcsTask) -> None:
    agent.down = True
    stopping = asyncio.ensure_future(task.stopping())
    await until(lambda: task._metrics.ecs_errors > 3)
    assert not stopping.done()
    agent.down, agent.desired_status = False, "STOPPED"
    async with asyncio.timeout(60):
        await stopping


async def test_an_agent_that_is_not_there_is_no_wish_to_stop(task: EcsTask) -> None:
    task._metadata_url = "http://127.0.0.1:9/v4/task"
    assert not await task._wants_stop()
    assert task._metrics.ecs_errors == 1


async def test_protection_follows_the_matches(
    agent: EcsAgent, task: EcsTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    playing = False
    keeping = asyncio.ensure_future(task.protect(lambda: playing))
    await asyncio.sleep(0.1)
    assert agent.asked == [], "nothing is asked for nothing"
    playing = True
    await until(lambda: task.protected)
    assert agent.asked == [{"ProtectionEnabled": True, "ExpiresInMinutes": 15}]
    await asyncio.sleep(0.1)
    assert len(agent.asked) == 1, "it is renewed in time, not at every look"
    playing = False
    await until(lambda: not task.protected)
    assert agent.asked[1:] == [{"ProtectionEnabled": False}]
    assert not agent.protected
    monkeypatch.setattr(ecs, "RENEW_S", 0.02)
    playing = True
    await until(lambda: len(agent.asked) >= 6)
    assert all(asked["ProtectionEnabled"] for asked in agent.asked[2:])
    keeping.cancel()
    await task.release()
    assert not agent.protected
    count = len(agent.asked)
    await task.release()
    assert len(agent.asked) == count


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"error": {"Arn": TASK_ARN, "Code": "TaskNotValid", "Message": "no"}}),
        (200, {"failure": {"Arn": TASK_ARN, "Detail": None, "Reason": "TASK_NOT_VALID"}}),
        (429, {"error": {"Arn": TASK_ARN, "Code": "ThrottlingException", "Message": "slower"}}),
        (200, {"protection": {"ProtectionEnabled": False, "TaskArn": TASK_ARN}}),
        (200, ["nonsense"]),
        (503, {}),
    ],
    ids=["error", "failure", "throttled", "refused", "nonsense", "down"],
)
async def test_a_refused_protection_is_tried_again(
    agent: EcsAgent, task: EcsTask, answer: tuple[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ecs, "RETRY_S", 0.02)
    agent.answer = answer
    keeping = asyncio.ensure_future(task.protect(lambda: True))
    await until(lambda: len(agent.asked) >= 3)
    assert not task.protected
    agent.answer = None
    await until(lambda: task.protected)
    keeping.cancel()
