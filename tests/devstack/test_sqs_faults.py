"""Failures that can be ordered from the SQS endpoint."""

from __future__ import annotations

import asyncio
import urllib.error

import pytest


@pytest.fixture
def sqs(sqs_service):
    yield sqs_service
    sqs_service.forget_faults()


def send_batch(sqs, url):
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(3)]
    return sqs.call("SendMessageBatch", QueueUrl=url, Entries=entries)


def bodies(sqs, url):
    answer = sqs.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    return sorted(message["Body"] for message in answer.get("Messages", []))


def test_some_entries_of_a_batch_fail(sqs, sqs_queue):
    sqs.order_fault("SendMessageBatch", entries=2)
    answer = send_batch(sqs, sqs_queue.url)
    assert [entry["Id"] for entry in answer["Failed"]] == ["0", "1"]
    assert {entry["SenderFault"] for entry in answer["Failed"]} == {False}
    assert [entry["Id"] for entry in answer["Successful"]] == ["2"]
    assert bodies(sqs, sqs_queue.url) == ["2"]
    assert send_batch(sqs, sqs_queue.url)["Failed"] == []


@pytest.mark.parametrize(("applied", "left"), [(False, []), (True, ["0", "1", "2"])])
def test_a_call_fails_before_or_after_it_was_done(sqs, sqs_queue, applied, left):
    sqs.order_fault("SendMessageBatch", status=503, applied=applied)
    with pytest.raises(urllib.error.HTTPError) as refused:
        send_batch(sqs, sqs_queue.url)
    with refused.value as answer:
        assert answer.code == 503
    assert bodies(sqs, sqs_queue.url) == left


def test_times_are_counted_and_forgotten(sqs, sqs_queue):
    sqs.order_fault("*", status=500, times=100)
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as refused:
            bodies(sqs, sqs_queue.url)
        refused.value.close()
    sqs.forget_faults()
    assert bodies(sqs, sqs_queue.url) == []


def test_a_nonsense_order_is_refused(sqs):
    with pytest.raises(urllib.error.HTTPError) as refused:
        sqs.order_fault("SendMessage", colour="red")
    with refused.value as answer:
        assert answer.code == 400


async def test_who_hangs_up_gets_no_messages(sqs, sqs_queue):
    _, writer = await asyncio.open_connection("127.0.0.1", sqs.port)
    body = b'{"QueueUrl":"%s","WaitTimeSeconds":20}' % sqs_queue.url.encode()
    writer.write(
        b"POST / HTTP/1.1\r\nHost: sqs\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await asyncio.to_thread(sqs.call, "ListQueues")  # by then the endpoint has seen the hang-up
    await asyncio.to_thread(sqs.call, "SendMessage", QueueUrl=sqs_queue.url, MessageBody="a")
    assert await asyncio.to_thread(bodies, sqs, sqs_queue.url) == ["a"]


def test_calls_are_counted(sqs, sqs_queue):
    before = sqs.calls()
    send_batch(sqs, sqs_queue.url)
    bodies(sqs, sqs_queue.url)
    after = sqs.calls()
    for operation in ("SendMessageBatch", "ReceiveMessage"):
        assert after[operation] == before.get(operation, 0) + 1
