"""Dead letters of Amazon SQS, and their way back."""

from __future__ import annotations

import asyncio
import json

import pytest
from botocore.exceptions import ClientError

from tests.contract.sqs_parts import (
    SqsParts,
    attributes,
    receive,
    receive_all,
    send_batch,
)


class SqsDeadLetters(SqsParts):
    @pytest.fixture
    async def pair(self, sqs, make) -> tuple[str, str]:
        """A queue whose messages are dead letters after two receives, and where they go."""
        dead = await make()
        arn = (await attributes(sqs, dead, "QueueArn"))["QueueArn"]
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 2}
        return await make(RedrivePolicy=json.dumps(policy)), dead

    async def _bury(self, sqs, url: str, *bodies: str) -> None:
        await send_batch(sqs, url, list(bodies))
        for _ in range(2):
            await receive_all(sqs, url, len(bodies), VisibilityTimeout=0)
        assert await receive(sqs, url, MaxNumberOfMessages=10) == []

    async def test_a_message_received_too_often_is_a_dead_letter(self, sqs, pair):
        url, dead = pair
        await self._bury(sqs, url, "a")
        [message] = await receive(sqs, dead, AttributeNames=["All"])
        assert message["Body"] == "a"
        # The count goes over all queues that the message has been in.
        assert message["Attributes"]["ApproximateReceiveCount"] == "3"

    async def test_a_dead_letter_says_where_it_came_from(self, sqs, pair):
        url, dead = pair
        await self._bury(sqs, url, "a")
        [message] = await receive(sqs, dead, AttributeNames=["All"])
        arn = (await attributes(sqs, url, "QueueArn"))["QueueArn"]
        assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn

    async def test_a_dead_letter_queue_knows_its_sources(self, sqs, pair):
        url, dead = pair
        answer = await sqs.list_dead_letter_source_queues(QueueUrl=dead)
        assert answer["queueUrls"] == [url]

    async def test_a_redrive_policy_needs_its_target(self, sqs, queue):
        arn = (await attributes(sqs, queue, "QueueArn"))["QueueArn"] + "-none"
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 2}
        with pytest.raises(ClientError):
            await sqs.set_queue_attributes(
                QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(policy)}
            )

    async def test_dead_letters_are_moved_back(self, sqs, pair):
        url, dead = pair
        await self._bury(sqs, url, "a", "b", "c")
        source = (await attributes(sqs, dead, "QueueArn"))["QueueArn"]
        started = await sqs.start_message_move_task(
            SourceArn=source, MaxNumberOfMessagesPerSecond=100
        )
        assert started["TaskHandle"]
        messages = await receive_all(
            sqs, url, 3, VisibilityTimeout=60, AttributeNames=["ApproximateReceiveCount"]
        )
        assert {message["Body"] for message in messages} == {"a", "b", "c"}
        assert {m["Attributes"]["ApproximateReceiveCount"] for m in messages} == {"1"}
        async with asyncio.timeout(60):
            while True:
                [task] = (await sqs.list_message_move_tasks(SourceArn=source))["Results"]
                if task["Status"] != "RUNNING":
                    break
                await asyncio.sleep(0.05)
        assert task["Status"] == "COMPLETED"
        assert task["ApproximateNumberOfMessagesMoved"] == 3
        assert task["ApproximateNumberOfMessagesToMove"] == 3

    async def test_dead_letters_are_moved_elsewhere(self, sqs, pair, make):
        url, dead = pair
        other = await make()
        await self._bury(sqs, url, "a")
        await sqs.start_message_move_task(
            SourceArn=(await attributes(sqs, dead, "QueueArn"))["QueueArn"],
            DestinationArn=(await attributes(sqs, other, "QueueArn"))["QueueArn"],
        )
        [message] = await receive(sqs, other, WaitTimeSeconds=5)
        assert message["Body"] == "a"

    async def test_one_move_at_a_time_and_it_can_be_cancelled(self, sqs, pair):
        url, dead = pair
        await self._bury(sqs, url, *(f"m{number}" for number in range(10)))
        source = (await attributes(sqs, dead, "QueueArn"))["QueueArn"]
        started = await sqs.start_message_move_task(
            SourceArn=source, MaxNumberOfMessagesPerSecond=1
        )
        with pytest.raises(sqs.exceptions.UnsupportedOperation):
            await sqs.start_message_move_task(SourceArn=source)
        await sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])
        [task] = (await sqs.list_message_move_tasks(SourceArn=source))["Results"]
        assert task["Status"] in ("CANCELLING", "CANCELLED")
        assert task["ApproximateNumberOfMessagesMoved"] < 10

    async def test_only_dead_letter_queues_are_moved(self, sqs, queue):
        arn = (await attributes(sqs, queue, "QueueArn"))["QueueArn"]
        with pytest.raises(ClientError):
            await sqs.start_message_move_task(SourceArn=arn)
        with pytest.raises(sqs.exceptions.ResourceNotFoundException):
            await sqs.start_message_move_task(SourceArn=arn + "-none")
