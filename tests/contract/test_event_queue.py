"""What every event queue answers: SQS' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from aiobotocore.session import get_session

from gameserver.adapters.sqs import SqsQueue
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.errors import QueueUnavailable
from gameserver.metrics import Metrics
from gameserver.ports import EventQueue
from tests.fakes.memory_queue import MemoryQueue


class Case(NamedTuple):
    queue: EventQueue
    received: Callable[[int], Awaitable[list[str]]]


@pytest.fixture(params=["memory", "sqs"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    if request.param == "memory":
        memory = MemoryQueue()

        async def bodies(count: int) -> list[str]:
            return memory.bodies

        yield Case(memory, bodies)
        return
    given = request.getfixturevalue("sqs_queue")
    async with (
        SqsQueue(
            Config(sqs_queue_url=given.url, sqs_endpoint_url=given.endpoint_url), metrics=Metrics()
        ) as queue,
        get_session().create_client(
            "sqs", region_name="eu-central-1", endpoint_url=given.endpoint_url
        ) as client,
    ):

        async def receive(count: int) -> list[str]:
            messages: list[dict[str, Any]] = []
            while len(messages) < count:
                answer = await client.receive_message(
                    QueueUrl=given.url, MaxNumberOfMessages=10, WaitTimeSeconds=5
                )
                messages += answer["Messages"]
            return [message["Body"] for message in messages]

        yield Case(queue, receive)


async def test_bodies_arrive_as_they_were_sent(case: Case) -> None:
    bodies = [f'{{"n":{number},"text":"ä€😀\\u0001"}}' for number in range(10)]
    assert await case.queue.send(bodies) == [True] * 10
    assert sorted(await case.received(10)) == sorted(bodies)


async def test_nothing_is_sent_for_nothing(case: Case) -> None:
    assert await case.queue.send([]) == []


async def test_a_large_batch_is_taken(case: Case) -> None:
    bodies = ["x" * 200_000] * 5
    assert await case.queue.send(bodies) == [True] * 5
    assert await case.received(5) == bodies


@pytest.mark.parametrize("bodies", [["x"] * 11, ["x" * 1_000_000, "y" * 100_000]])
async def test_more_than_a_call_may_hold_is_an_error_of_ours(case: Case, bodies: list[str]) -> None:
    with pytest.raises(ValueError):
        await case.queue.send(bodies)


async def test_sqs_out_of_reach_is_said_so() -> None:
    metrics = Metrics()
    endpoint = f"http://127.0.0.1:{free_port()}"
    config = Config(sqs_queue_url=f"{endpoint}/1/none", sqs_endpoint_url=endpoint)
    async with SqsQueue(config, metrics=metrics) as queue:
        with pytest.raises(QueueUnavailable):
            await queue.send(["{}"])
    assert metrics.queue_errors == 1


async def test_a_queue_that_does_not_exist_is_said_so(sqs_queue: Any) -> None:
    config = Config(sqs_queue_url=f"{sqs_queue.url}-gone", sqs_endpoint_url=sqs_queue.endpoint_url)
    async with SqsQueue(config, metrics=Metrics()) as queue:
        with pytest.raises(QueueUnavailable, match=r"(?i)queue"):
            await queue.send(["{}"])


async def test_messages_that_sqs_fails_one_by_one_are_named(
    sqs_queue: Any, sqs_service: SqsEndpoint
) -> None:
    loop = asyncio.get_running_loop()
    config = Config(sqs_queue_url=sqs_queue.url, sqs_endpoint_url=sqs_queue.endpoint_url)
    async with SqsQueue(config, metrics=Metrics()) as queue:
        await loop.run_in_executor(
            None, lambda: sqs_service.order_fault("SendMessageBatch", times=1, entries=2)
        )
        taken = await queue.send(["{}"] * 5)
        assert (len(taken), taken.count(False)) == (5, 2)
        assert await queue.send(["{}"] * 5) == [True] * 5
        await loop.run_in_executor(
            None, lambda: sqs_service.order_fault("SendMessageBatch", times=1, status=503)
        )
        with pytest.raises(QueueUnavailable):
            await queue.send(["{}"])
