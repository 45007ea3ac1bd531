"""Messages of Amazon SQS: sent, received, hidden, deleted."""

from __future__ import annotations

import asyncio

import pytest
from botocore.exceptions import ClientError

from tests.contract.sqs_parts import (
    LARGE,
    MEBIBYTE,
    SqsParts,
    attributes,
    code,
    receive,
    send_batch,
)


class SqsMessages(SqsParts):
    async def test_a_message_comes_as_it_was_sent(self, sqs, queue):
        body = 'line\n\t{"json": "ü€😀"} \\u0000 <&>'
        sent = await sqs.send_message(QueueUrl=queue, MessageBody=body)
        [message] = await receive(sqs, queue)
        assert message["Body"] == body
        assert message["MessageId"] == sent["MessageId"]
        assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
        assert "Attributes" not in message
        assert "MessageAttributes" not in message

    async def test_an_empty_queue_gives_no_messages(self, sqs, queue):
        assert "Messages" not in await sqs.receive_message(QueueUrl=queue)

    async def test_message_attributes_come_where_asked_for(self, sqs, queue):
        sent = {
            "kind": {"DataType": "String", "StringValue": "dead"},
            "attempt": {"DataType": "Number.int", "StringValue": "3"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        }
        answer = await sqs.send_message(QueueUrl=queue, MessageBody="a", MessageAttributes=sent)
        # From the algorithm in the Developer Guide, worked out apart from either emulation.
        assert answer["MD5OfMessageAttributes"] == "86891b6d2c9c7684d431280086d18d07"
        [message] = await receive(sqs, queue, VisibilityTimeout=0, MessageAttributeNames=["All"])
        assert message["MessageAttributes"] == sent
        assert message["MD5OfMessageAttributes"] == answer["MD5OfMessageAttributes"]
        [message] = await receive(sqs, queue, VisibilityTimeout=0, MessageAttributeNames=["kind"])
        assert set(message["MessageAttributes"]) == {"kind"}

    async def test_system_attributes_come_where_asked_for(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        for names in ("AttributeNames", "MessageSystemAttributeNames"):
            [message] = await receive(
                sqs, queue, VisibilityTimeout=0, **{names: ["ApproximateReceiveCount"]}
            )
            assert set(message["Attributes"]) == {"ApproximateReceiveCount"}
        [message] = await receive(sqs, queue, AttributeNames=["All"])
        assert message["Attributes"]["ApproximateReceiveCount"] == "3"
        first = int(message["Attributes"]["ApproximateFirstReceiveTimestamp"])
        assert 0 < int(message["Attributes"]["SentTimestamp"]) <= first

    async def test_at_most_ten_messages_at_a_time(self, sqs, queue):
        for start in (0, 10):
            await send_batch(sqs, queue, [f"m{start + i}" for i in range(10)])
        seen = set()
        while len(seen) < 20:
            messages = await receive(sqs, queue, MaxNumberOfMessages=10)
            assert 1 <= len(messages) <= 10
            seen |= {message["Body"] for message in messages}
        assert seen == {f"m{i}" for i in range(20)}

    async def test_bounds_of_receiving(self, sqs, queue):
        for wrong in (
            {"MaxNumberOfMessages": 11},
            {"MaxNumberOfMessages": 0},
            {"WaitTimeSeconds": 21},
        ):
            with pytest.raises(ClientError) as refused:
                await sqs.receive_message(QueueUrl=queue, **wrong)
            assert code(refused) == "InvalidParameterValue"

    async def test_what_xml_cannot_say_is_refused(self, sqs, queue):
        with pytest.raises(sqs.exceptions.InvalidMessageContents):
            await sqs.send_message(QueueUrl=queue, MessageBody="bell \x07")

    @LARGE
    async def test_a_message_over_the_limit_is_refused(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a" * MEBIBYTE)
        with pytest.raises(ClientError) as refused:
            await sqs.send_message(QueueUrl=queue, MessageBody="a" * (MEBIBYTE + 1))
        assert code(refused) == "InvalidParameterValue"

    async def test_a_delayed_message_comes_later(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=1)
        assert await receive(sqs, queue) == []
        shown = await attributes(sqs, queue, "ApproximateNumberOfMessagesDelayed")
        assert shown == {"ApproximateNumberOfMessagesDelayed": "1"}
        [message] = await receive(sqs, queue, WaitTimeSeconds=5)
        assert message["Body"] == "later"

    async def test_a_long_poll_ends_when_a_message_comes(self, sqs, queue):
        poll = asyncio.create_task(receive(sqs, queue, WaitTimeSeconds=20))
        await asyncio.sleep(0.1)  # lets the poll begin; the outcome is the same if it has not
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        async with asyncio.timeout(60):
            [message] = await poll
        assert message["Body"] == "a"

    async def test_counts(self, sqs, queue):
        await send_batch(sqs, queue, ["a", "b", "c"])
        await receive(sqs, queue)
        shown = await attributes(
            sqs,
            queue,
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        )
        assert shown == {
            "ApproximateNumberOfMessages": "2",
            "ApproximateNumberOfMessagesNotVisible": "1",
        }

    async def test_purging_leaves_nothing(self, sqs, queue):
        await send_batch(sqs, queue, ["a", "b"])
        await sqs.purge_queue(QueueUrl=queue)
        assert await receive(sqs, queue) == []

    async def test_a_received_message_hides_then_comes_again(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        [first] = await receive(sqs, queue, VisibilityTimeout=1)
        assert await receive(sqs, queue) == []
        [second] = await receive(sqs, queue, WaitTimeSeconds=5)
        assert second["MessageId"] == first["MessageId"]
        assert second["ReceiptHandle"] != first["ReceiptHandle"]

    async def test_a_deleted_message_never_comes_again(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        [message] = await receive(sqs, queue, VisibilityTimeout=0)
        [message] = await receive(sqs, queue, VisibilityTimeout=0)
        handle = message["ReceiptHandle"]
        await sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
        assert await receive(sqs, queue) == []
        await sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)

    async def test_an_older_handle_deletes_nothing(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        [first] = await receive(sqs, queue, VisibilityTimeout=0)
        [second] = await receive(sqs, queue, VisibilityTimeout=0)
        await sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
        [third] = await receive(sqs, queue)
        assert third["MessageId"] == second["MessageId"]

    async def test_nonsense_is_no_handle(self, sqs, queue):
        with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid) as refused:
            await sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")
        assert code(refused) == "ReceiptHandleIsInvalid"

    async def test_visibility_is_ended_or_prolonged(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        [message] = await receive(sqs, queue, VisibilityTimeout=60)
        await sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
        [message] = await receive(sqs, queue, VisibilityTimeout=1)
        await sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60
        )
        assert await receive(sqs, queue, WaitTimeSeconds=2) == []

    async def test_a_visible_message_is_not_in_flight(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        [message] = await receive(sqs, queue, VisibilityTimeout=0)
        with pytest.raises(sqs.exceptions.MessageNotInflight):
            await sqs.change_message_visibility(
                QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5
            )
