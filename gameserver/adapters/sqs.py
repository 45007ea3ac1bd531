"""The queue to the persistence worker: Amazon SQS over a client of aiobotocore.

Nothing here retries: ``send`` says what was taken, and the relay decides. Credentials come from
where botocore finds them: the environment, or the task's role on ECS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import aiohttp
import msgspec
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError

from gameserver import spans
from gameserver.adapters.aws_client import AwsClient
from gameserver.adapters.aws_json import JsonCall, Refused
from gameserver.config import Config
from gameserver.errors import QueueUnavailable
from gameserver.metrics import Metrics

BODIES_MAX = 10
BATCH_BYTES_MAX = 1_048_576
"""AWS, "Amazon SQS message quotas": at most 10 messages, and 1 MiB, a call."""

_CONNECTIONS_MAX = 4  # The relay has one call under way at a time.
_CONNECT_TIMEOUT_S = 3.0
_READ_TIMEOUT_S = 10.0
_CALL_TIMEOUT_S = 15.0

_FAILURES = (
    Refused,
    BotoCoreError,
    aiohttp.ClientError,
    msgspec.MsgspecError,
    OSError,
    TimeoutError,
)


class _Taken(msgspec.Struct):
    id: str = msgspec.field(name="Id")


class _Answer(msgspec.Struct):
    """Of ``SendMessageBatch``, as far as it matters."""

    successful: list[_Taken] = msgspec.field(default_factory=list, name="Successful")


_decode = msgspec.json.Decoder(_Answer).decode


class SqsQueue(AwsClient):
    """Implements ``ports.EventQueue``; use it as ``async with``."""

    def __init__(self, config: Config, *, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        super().__init__(
            "sqs",
            region=config.aws_region,
            endpoint_url=config.sqs_endpoint_url,
            options=AioConfig(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                max_pool_connections=_CONNECTIONS_MAX,
                # The relay backs off by itself, with jitter; two layers would multiply.
                retries={"total_max_attempts": 1},
            ),
        )

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._send_batch = JsonCall(self._client, "send_message_batch")
        return self

    async def send(self, bodies: Sequence[str], traces: Sequence[str] = ()) -> list[bool]:
        """Send up to 10 bodies; see ``ports.EventQueue``. ``ValueError`` over a limit of SQS."""
        if len(bodies) > BODIES_MAX:
            raise ValueError(f"{len(bodies)} bodies; SQS takes {BODIES_MAX} a call")
        size = sum(len(body.encode()) for body in bodies)
        if size > BATCH_BYTES_MAX:
            raise ValueError(f"{size} bytes; SQS takes {BATCH_BYTES_MAX} a call")
        if not bodies:
            return []
        entries: list[dict[str, Any]] = [
            {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)
        ]
        for entry, trace in zip(entries, traces, strict=False):
            if trace:
                value = {"DataType": "String", "StringValue": trace}
                entry["MessageAttributes"] = {spans.ATTRIBUTE: value}
        try:
            async with asyncio.timeout(_CALL_TIMEOUT_S):
                answer = _decode(
                    await self._send_batch(
                        {"QueueUrl": self._config.sqs_queue_url, "Entries": entries}
                    )
                )
        except _FAILURES as error:
            self._metrics.queue_errors += 1
            raise QueueUnavailable(f"SQS: {type(error).__name__}: {error}") from error
        taken = {each.id for each in answer.successful}
        return [entry["Id"] in taken for entry in entries]
