"""What Amazon SQS does, as far as this system relies on it; held against each emulation of it.

A module per emulation subclasses ``SqsContract``, gives the fixture ``endpoint_url``, and declares
in ``LACKS`` what that emulation does not have, with the reason. Requests and replies go through
botocore's own serialisers and parsers. Sources: the Amazon SQS API Reference and Developer Guide.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

REGION = "eu-central-1"
MEBIBYTE = 1_048_576
# aiohttp's advice to callers, which aiobotocore does not follow; a mebibyte over loopback is fast.
LARGE = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


class SqsContract:
    """Test cases; not collected by itself."""

    LACKS: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _skip_what_it_lacks(self, request):
        reason = self.LACKS.get(request.node.originalname)
        if reason is not None:
            pytest.skip(reason)

    @pytest.fixture
    async def sqs(self, endpoint_url) -> AsyncIterator[Any]:
        async with get_session().create_client(
            "sqs", endpoint_url=endpoint_url, region_name=REGION
        ) as client:
            yield client

    @pytest.fixture
    async def make(self, sqs) -> AsyncIterator[Callable[..., Awaitable[str]]]:
        made: list[str] = []

        async def make_queue(**attributes: str) -> str:
            name = "c-" + uuid.uuid4().hex[:12]
            url = (await sqs.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"]
            made.append(url)
            return url

        yield make_queue
        for url in made:
            try:
                await sqs.delete_queue(QueueUrl=url)
            except ClientError as error:
                assert error.response["Error"]["Code"].endswith("NonExistentQueue")

    @pytest.fixture
    async def queue(self, make) -> str:
        return await make()

    # ── queues ───────────────────────────────────────────────────────────────────────────────────

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

    # ── sending and receiving ────────────────────────────────────────────────────────────────────

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
        async with asyncio.timeout(15):
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

    # ── visibility and deletion ──────────────────────────────────────────────────────────────────

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

    # ── batches ──────────────────────────────────────────────────────────────────────────────────

    async def test_a_batch_answers_for_each_entry(self, sqs, queue):
        answer = await send_batch(sqs, queue, ["a", "b"])
        assert [entry["Id"] for entry in answer["Successful"]] == ["0", "1"]
        assert not answer.get("Failed")
        messages = await receive_all(sqs, queue, 2, VisibilityTimeout=60)
        ids = {message["Body"]: message["MessageId"] for message in messages}
        assert ids == {
            body: entry["MessageId"] for body, entry in zip("ab", answer["Successful"], strict=True)
        }
        entries = [
            {"Id": f"e{number}", "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        changed = await sqs.change_message_visibility_batch(
            QueueUrl=queue, Entries=[{**entry, "VisibilityTimeout": 90} for entry in entries]
        )
        assert {entry["Id"] for entry in changed["Successful"]} == {"e0", "e1"}
        deleted = await sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        assert {entry["Id"] for entry in deleted["Successful"]} == {"e0", "e1"}
        shown = await attributes(sqs, queue, "ApproximateNumberOfMessagesNotVisible")
        assert shown == {"ApproximateNumberOfMessagesNotVisible": "0"}

    async def test_one_bad_entry_fails_alone(self, sqs, queue):
        await sqs.send_message(QueueUrl=queue, MessageBody="a")
        [message] = await receive(sqs, queue)
        answer = await sqs.delete_message_batch(
            QueueUrl=queue,
            Entries=[
                {"Id": "good", "ReceiptHandle": message["ReceiptHandle"]},
                {"Id": "bad", "ReceiptHandle": "nonsense"},
            ],
        )
        assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
        [failed] = answer["Failed"]
        assert failed["Id"] == "bad"
        assert failed["SenderFault"] is True
        assert failed["Code"] == "ReceiptHandleIsInvalid"

    async def test_a_batch_has_entries(self, sqs, queue):
        with pytest.raises(sqs.exceptions.EmptyBatchRequest):
            await sqs.send_message_batch(QueueUrl=queue, Entries=[])

    async def test_a_batch_has_at_most_ten_entries(self, sqs, queue):
        with pytest.raises(sqs.exceptions.TooManyEntriesInBatchRequest):
            await send_batch(sqs, queue, ["a"] * 11)

    async def test_entries_have_different_ids(self, sqs, queue):
        entry = {"Id": "same", "MessageBody": "a"}
        with pytest.raises(sqs.exceptions.BatchEntryIdsNotDistinct):
            await sqs.send_message_batch(QueueUrl=queue, Entries=[entry, entry])

    async def test_entries_have_plain_ids(self, sqs, queue):
        with pytest.raises(sqs.exceptions.InvalidBatchEntryId):
            await sqs.send_message_batch(
                QueueUrl=queue, Entries=[{"Id": "not plain!", "MessageBody": "a"}]
            )

    @LARGE
    async def test_a_batch_over_the_limit_is_refused_as_a_whole(self, sqs, queue):
        with pytest.raises(sqs.exceptions.BatchRequestTooLong) as refused:
            await send_batch(sqs, queue, ["a" * (MEBIBYTE // 2), "b" * (MEBIBYTE // 2 + 1)])
        assert code(refused) == "AWS.SimpleQueueService.BatchRequestTooLong"
        assert await receive(sqs, queue) == []

    # ── dead letters ─────────────────────────────────────────────────────────────────────────────

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
        async with asyncio.timeout(10):
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


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


async def attributes(sqs: Any, url: str, *names: str) -> dict[str, str]:
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
    return answer["Attributes"]


async def send_batch(sqs: Any, url: str, bodies: list[str]) -> Any:
    entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
    return await sqs.send_message_batch(QueueUrl=url, Entries=entries)


async def receive(sqs: Any, url: str, **options: Any) -> list[Any]:
    return (await sqs.receive_message(QueueUrl=url, **options)).get("Messages", [])


async def receive_all(sqs: Any, url: str, count: int, **options: Any) -> list[Any]:
    """Receive until ``count`` different messages have come, each of them once."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(15):
        while len(found) < count:
            options = {"MaxNumberOfMessages": count - len(found), "WaitTimeSeconds": 1, **options}
            for message in await receive(sqs, url, **options):
                found[message["MessageId"]] = message
    return list(found.values())
