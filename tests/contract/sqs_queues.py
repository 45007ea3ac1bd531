"""Queues of Amazon SQS: names, attributes, limits."""

from __future__ import annotations

import uuid

import pytest

from tests.contract.sqs_parts import (
    MEBIBYTE,
    REGION,
    SqsParts,
    attributes,
    code,
)


class SqsQueues(SqsParts):
    async def test_a_queue_is_found_by_name(self, sqs, queue):
        name = queue.rpartition("/")[2]
        assert (await sqs.get_queue_url(QueueName=name))["QueueUrl"] == queue
        listed = await sqs.list_queues(QueueNamePrefix=name)
        assert listed["QueueUrls"] == [queue]
        assert "QueueUrls" not in await sqs.list_queues(QueueNamePrefix=f"{name}-none")

    async def test_creating_a_queue_again_gives_the_same(self, sqs, make):
        url = await make(VisibilityTimeout="40")
        name = url.rpartition("/")[2]
        assert (await sqs.create_queue(QueueName=name))["QueueUrl"] == url
        same = await sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "40"})
        assert same["QueueUrl"] == url

    async def test_creating_a_queue_with_other_attributes_is_refused(self, sqs, make):
        url = await make(VisibilityTimeout="40")
        with pytest.raises(sqs.exceptions.QueueNameExists) as refused:
            await sqs.create_queue(
                QueueName=url.rpartition("/")[2], Attributes={"VisibilityTimeout": "50"}
            )
        assert code(refused) == "QueueAlreadyExists"

    async def test_an_unknown_queue_is_named_so(self, sqs, queue):
        for call in (
            sqs.receive_message(QueueUrl=queue + "x"),
            sqs.send_message(QueueUrl=queue + "x", MessageBody="a"),
            sqs.get_queue_url(QueueName="none-" + uuid.uuid4().hex),
        ):
            with pytest.raises(sqs.exceptions.QueueDoesNotExist) as refused:
                await call
            assert code(refused) == "AWS.SimpleQueueService.NonExistentQueue"

    async def test_a_deleted_queue_is_gone(self, sqs, queue):
        await sqs.delete_queue(QueueUrl=queue)
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])

    async def test_attributes_have_their_defaults(self, sqs, queue):
        shown = await attributes(sqs, queue, "All")
        assert shown["VisibilityTimeout"] == "30"
        assert shown["DelaySeconds"] == "0"
        assert shown["MessageRetentionPeriod"] == "345600"
        assert shown["ReceiveMessageWaitTimeSeconds"] == "0"
        assert shown["QueueArn"].startswith(f"arn:aws:sqs:{REGION}:")
        assert shown["QueueArn"].endswith(queue.rpartition("/")[2])

    async def test_the_message_limit_is_a_mebibyte(self, sqs, queue):
        assert await attributes(sqs, queue, "MaximumMessageSize") == {
            "MaximumMessageSize": str(MEBIBYTE)
        }

    async def test_attributes_are_changed_one_by_one(self, sqs, make):
        url = await make(VisibilityTimeout="40")
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "3"})
        shown = await attributes(sqs, url, "VisibilityTimeout", "DelaySeconds")
        assert shown == {"VisibilityTimeout": "40", "DelaySeconds": "3"}

    async def test_unknown_attributes_are_refused(self, sqs, queue):
        with pytest.raises(sqs.exceptions.InvalidAttributeName):
            await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Colour"])
        with pytest.raises(sqs.exceptions.InvalidAttributeName):
            await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Colour": "red"})

    async def test_attributes_out_of_bounds_are_refused(self, sqs, queue):
        with pytest.raises(sqs.exceptions.InvalidAttributeValue):
            await sqs.set_queue_attributes(
                QueueUrl=queue, Attributes={"VisibilityTimeout": "43201"}
            )
