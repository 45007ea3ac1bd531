"""Amazon SQS by aiobotocore: one client, one small object a queue, batches of ten.

Repeating a failed call is the worker's decision (``retry``), so botocore's own retries are off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from gameserver.wire.event_record import BODY_BYTES_MAX
from persistence_worker.errors import QueueUnavailable
from persistence_worker.messages import ATTRIBUTE_CHARS_MAX, RECEIVE_MAX, Depth, Message, Outgoing
from persistence_worker.sqs_json import read_json_faster

Item = TypeVar("Item")

_FAILURES = (BotoCoreError, ClientError, aiohttp.ClientError, OSError, TimeoutError)


@asynccontextmanager
async def open_client(
    *, endpoint_url: str, region: str, connections_max: int, timeout_s: float, wait_s: int
) -> AsyncIterator[Any]:
    """An SQS client; ``endpoint_url`` may be empty for AWS'. Credentials come from the
    environment, the task role, or wherever else botocore looks."""
    config = AioConfig(
        connect_timeout=timeout_s,
        read_timeout=timeout_s + wait_s,
        max_pool_connections=connections_max,
        retries={"total_max_attempts": 1},
    )
    session = get_session()
    read_json_faster(session)
    async with session.create_client(
        "sqs", region_name=region, endpoint_url=endpoint_url or None, config=config
    ) as client:
        yield client


class SqsQueue:
    """A standard queue behind ``MessageQueue``. No receive waits longer than ``wait_s_max``."""

    def __init__(self, client: Any, url: str, *, timeout_s: float, wait_s_max: int = 20) -> None:
        self.url = url
        self._client = client
        self._timeout_s = timeout_s
        self._wait_s_max = wait_s_max

    async def receive(self, *, wait_s: int, visibility_s: int) -> list[Message]:
        """See ``MessageQueue``."""
        wait_s = min(wait_s, self._wait_s_max)
        answer = await self._call(
            self._client.receive_message,
            extra_s=wait_s,
            MaxNumberOfMessages=RECEIVE_MAX,
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=visibility_s,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        return [_message(raw) for raw in answer.get("Messages", ())]

    async def delete(self, messages: Sequence[Message]) -> list[Message]:
        """See ``MessageQueue``."""
        return await self._batched(
            messages, self._client.delete_message_batch, lambda m: {"ReceiptHandle": m.receipt}
        )

    async def set_visibility(self, messages: Sequence[Message], seconds: int) -> list[Message]:
        """See ``MessageQueue``."""
        return await self._batched(
            messages,
            self._client.change_message_visibility_batch,
            lambda m: {"ReceiptHandle": m.receipt, "VisibilityTimeout": seconds},
        )

    async def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """See ``MessageQueue``. A body so long that its attributes do not fit goes without."""
        return await self._batched(messages, self._client.send_message_batch, _entry)

    async def depth(self) -> int:
        """See ``MessageQueue``."""
        return (await self.depths()).visible

    async def depths(self) -> Depth:
        """How many messages there are, by state. Raises ``QueueUnavailable``."""
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
        answer = await self._call(self._client.get_queue_attributes, AttributeNames=names)
        visible, held, delayed = (int(answer["Attributes"][name]) for name in names)
        return Depth(visible=visible, held=held, delayed=delayed)

    async def _batched(
        self,
        items: Sequence[Item],
        operation: Callable[..., Awaitable[Any]],
        entry: Callable[[Item], dict[str, Any]],
    ) -> list[Item]:
        failed: list[Item] = []
        for batch in _batches([(item, entry(item)) for item in items]):
            entries = [{"Id": str(n), **given} for n, (_, given) in enumerate(batch)]
            answer = await self._call(operation, Entries=entries)
            failed.extend(batch[int(failure["Id"])][0] for failure in answer.get("Failed", ()))
        return failed

    async def _call(
        self, operation: Callable[..., Awaitable[Any]], *, extra_s: float = 0, **arguments: Any
    ) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s + extra_s):
                return await operation(QueueUrl=self.url, **arguments)
        except _FAILURES as error:
            raise QueueUnavailable(f"{self.url}: {_told(error)}") from error


def _batches(
    items: list[tuple[Item, dict[str, Any]]],
) -> Iterator[list[tuple[Item, dict[str, Any]]]]:
    """Cut into batches of at most ten entries and 1 MiB of bodies and attributes."""
    batch: list[tuple[Item, dict[str, Any]]] = []
    total = 0
    for item in items:
        size = _size(item[1])
        if batch and (len(batch) == RECEIVE_MAX or total + size > BODY_BYTES_MAX):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch


def _size(entry: Mapping[str, Any]) -> int:
    """What an entry counts towards SQS' limit: body, and names, types and values of attributes."""
    size = len(entry.get("MessageBody", "").encode())
    for name, value in entry.get("MessageAttributes", {}).items():
        size += len(f"{name}{value['DataType']}{value['StringValue']}".encode())
    return size


def _entry(message: Outgoing) -> dict[str, Any]:
    # A lone surrogate is no character and cannot be sent; it is written out as an escape.
    body = message.body.encode("utf-8", "backslashreplace").decode()
    attributes = {
        name: {"DataType": "String", "StringValue": _sendable(value)}
        for name, value in message.attributes.items()
    }
    entry = {"MessageBody": body, "MessageAttributes": attributes}
    return entry if _size(entry) <= BODY_BYTES_MAX else {"MessageBody": body}


def _sendable(text: str) -> str:
    """SQS takes no empty value and no control characters in attributes."""
    return "".join(c if c.isprintable() else "?" for c in text[:ATTRIBUTE_CHARS_MAX]) or "-"


def _message(raw: Mapping[str, Any]) -> Message:
    system = raw.get("Attributes", {})
    return Message(
        id=raw["MessageId"],
        receipt=raw["ReceiptHandle"],
        body=raw["Body"],
        receives=int(system.get("ApproximateReceiveCount", 1)),
        sent_at_ms=int(system.get("SentTimestamp", 0)),
        attributes={
            name: value["StringValue"]
            for name, value in raw.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
    )


def _told(error: BaseException) -> str:
    """One line about a failure; botocore's texts hold no credentials."""
    match error:
        case ClientError():
            stated = error.response.get("Error", {})
            return f"{stated.get('Code', 'error')}: {stated.get('Message', '')}"
        case NoCredentialsError():
            return "no AWS credentials found; give the task a role or set AWS_ACCESS_KEY_ID"
        case TimeoutError():
            return "no answer in time"
        case _:
            return str(error) or type(error).__name__
