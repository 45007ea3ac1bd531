"""The two queues that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from persistence_worker.config import Config
from persistence_worker.sqs import SqsQueue, open_client

SPARE_CONNECTIONS = 8
"""To SQS, beside those of the receivers: deletes, dead letters, visibility, redrive."""


@asynccontextmanager
async def open_queues(config: Config) -> AsyncIterator[tuple[SqsQueue, SqsQueue]]:
    """The queue and its dead-letter queue."""
    timeout_s, wait_s = config.sqs_timeout_ms / 1000, config.receive_wait_s
    async with open_client(
        endpoint_url=config.sqs_endpoint_url,
        region=config.aws_region,
        connections_max=config.receivers + SPARE_CONNECTIONS,
        timeout_s=timeout_s,
        wait_s=wait_s,
    ) as client:
        yield (
            SqsQueue(client, config.sqs_queue_url, timeout_s=timeout_s, wait_s_max=wait_s),
            SqsQueue(client, config.sqs_dlq_url, timeout_s=timeout_s, wait_s_max=wait_s),
        )
