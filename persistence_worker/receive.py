"""Receivers: long polls that fill the buffer while there is room and PostgreSQL answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from persistence_worker import intake
from persistence_worker.buffer import Buffer, Delivery
from persistence_worker.errors import QueueUnavailable
from persistence_worker.health import Health
from persistence_worker.held import Held
from persistence_worker.messages import RECEIVE_MAX, MessageQueue
from persistence_worker.metrics import Metrics
from persistence_worker.retry import ErrorKind, Retry, decide


async def receive_forever(
    queue: MessageQueue,
    buffer: Buffer,
    held: Held,
    *,
    wait_s: int,
    visibility_s: int,
    health: Health,
    metrics: Metrics,
    jitter: Callable[[], float],
) -> None:
    """One receiver; ends by cancellation only.

    A message in an answer that a cancellation cuts off is not lost: it comes again when its
    visibility ends.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        await health.database_up()
        await buffer.reserve(RECEIVE_MAX)
        deliveries: list[Delivery] = []
        asked_at = loop.time()
        try:
            messages = await queue.receive(wait_s=wait_s, visibility_s=visibility_s)
            # The visibility began somewhere between the question and the answer, which came at
            # once if there is anything in it.
            began = max(asked_at, loop.time() - 1) if messages else asked_at
            for message in messages:
                deliveries.append(
                    Delivery(
                        message=message,
                        intake=intake.read(message.body),
                        invisible_until=began + visibility_s,
                    )
                )
                # A large message takes some ms, in which no connection gets its next statement.
                await asyncio.sleep(0)
            held.add(deliveries)
        except QueueUnavailable as error:
            failures += 1
            health.queue_failed(error)
            metrics.retries.labels(ErrorKind.QUEUE_DOWN.value).inc()
        else:
            failures = 0
            health.queue_answered()
            metrics.received.inc(len(deliveries))
        finally:
            buffer.put(deliveries, reserved=RECEIVE_MAX)
            metrics.buffered.set(len(buffer))
        if failures:
            decision = decide(ErrorKind.QUEUE_DOWN, failures, jitter=jitter())
            assert isinstance(decision, Retry)
            await asyncio.sleep(decision.after_s)
