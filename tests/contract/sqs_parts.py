"""What the cases of Amazon SQS have in common."""

from __future__ import annotations

import asyncio
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


class SqsParts:
    """A client, and queues that are gone after the test."""

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
    async with asyncio.timeout(60):
        while len(found) < count:
            options = {"MaxNumberOfMessages": count - len(found), "WaitTimeSeconds": 1, **options}
            for message in await receive(sqs, url, **options):
                found[message["MessageId"]] = message
    return list(found.values())
