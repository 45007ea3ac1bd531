"""Batches of Amazon SQS: each entry has an answer of its own."""

from __future__ import annotations

import pytest

from tests.contract.sqs_parts import (
    LARGE,
    MEBIBYTE,
    SqsParts,
    attributes,
    code,
    receive,
    receive_all,
    send_batch,
)


class SqsBatches(SqsParts):
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
