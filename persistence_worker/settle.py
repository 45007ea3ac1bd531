"""The end of a message: deleted, once what is bad in it has reached the dead-letter queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from gameserver.wire.event_record import encode_bundle
from persistence_worker.buffer import Delivery
from persistence_worker.errors import QueueUnavailable
from persistence_worker.health import Health
from persistence_worker.held import Held
from persistence_worker.messages import REDRIVES, MessageQueue, Outgoing
from persistence_worker.metrics import Metrics
from persistence_worker.retry import DeadLetter, ErrorKind, Retry, decide

logger = logging.getLogger(__name__)

TRIES_MAX = 4
"""Of deleting and of sending dead letters. After that the message is left to come again, which
does no harm: its events are duplicates by then."""

Item = TypeVar("Item")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message that cannot be stored. ``raw`` is ``None`` for the whole body."""

    reason: str
    detail: str
    raw: bytes | None


class Settler:
    """Ends deliveries. ``jitter`` gives numbers from 0 up to 1."""

    def __init__(
        self,
        queue: MessageQueue,
        dead_letters: MessageQueue,
        held: Held,
        *,
        attempts_max: int,
        health: Health,
        metrics: Metrics,
        jitter: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._dead_letters = dead_letters
        self._held = held
        self._attempts_max = attempts_max
        self._health = health
        self._metrics = metrics
        self._jitter = jitter

    async def settle(self, outcomes: Sequence[tuple[Delivery, list[Failure]]]) -> None:
        """End each delivery: first its failures into the dead-letter queue, then delete it.

        A process that dies in between sends the letters twice; it never loses one.
        """
        letters: dict[int, tuple[Delivery, Outgoing]] = {}
        for delivery, failures in outcomes:
            for letter in reduce(delivery, failures):
                letters[id(letter)] = (delivery, letter)
        unsent = await self._persist(
            self._dead_letters.send, [letter for _, letter in letters.values()]
        )
        kept = {id(letters[id(letter)][0]) for letter in unsent}
        for delivery, letter in letters.values():
            if id(delivery) not in kept:
                self._tell(delivery, letter)
        done = [delivery for delivery, _ in outcomes if id(delivery) not in kept]
        by_receipt = {delivery.message.receipt: delivery for delivery in done}
        undeleted = await self._persist(self._queue.delete, [delivery.message for delivery in done])
        self._held.drop(delivery for delivery, _ in outcomes)
        self._metrics.deleted.inc(len(by_receipt) - len(undeleted))
        self._metrics.undeleted.inc(len(undeleted) + len(kept))

    async def unexpected(self, delivery: Delivery, error: Exception) -> None:
        """A message by itself made something fail that nobody foresaw: later again, or give up."""
        decision = decide(
            ErrorKind.UNEXPECTED,
            delivery.message.receives,
            jitter=self._jitter(),
            attempts_max=self._attempts_max,
        )
        if isinstance(decision, DeadLetter):
            detail = f"{type(error).__name__}: {error}"
            failure = Failure(reason=decision.reason, detail=detail, raw=None)
            await self.settle([(delivery, [failure])])
            return
        self._metrics.retries.labels(ErrorKind.UNEXPECTED.value).inc()
        # Dropped first: what is prolonged now would come again too late.
        self._held.drop([delivery])
        try:
            await self._queue.set_visibility([delivery.message], int(decision.after_s) + 1)
        except QueueUnavailable as unavailable:
            self._health.queue_failed(unavailable)

    async def _persist(
        self, call: Callable[[Sequence[Item]], Awaitable[list[Item]]], items: list[Item]
    ) -> list[Item]:
        """Call until nothing is left, a few times; returns what is left."""
        for attempt in range(1, TRIES_MAX + 1):
            if not items:
                break
            try:
                items = await call(items)
                self._health.queue_answered()
            except QueueUnavailable as error:
                self._health.queue_failed(error)
            if items and attempt < TRIES_MAX:
                self._metrics.retries.labels(ErrorKind.QUEUE_DOWN.value).inc()
                decision = decide(ErrorKind.QUEUE_DOWN, attempt, jitter=self._jitter())
                assert isinstance(decision, Retry)
                await asyncio.sleep(decision.after_s)
        return items

    def _tell(self, delivery: Delivery, letter: Outgoing) -> None:
        reason = letter.attributes["reason"]
        self._metrics.dead_letters.labels(reason).inc()
        logger.log(
            logging.ERROR if reason == ErrorKind.FORK.value else logging.WARNING,
            "dead letter",
            extra={"message_id": delivery.message.id, **letter.attributes},
        )


def reduce(delivery: Delivery, failures: Sequence[Failure]) -> list[Outgoing]:
    """The dead letters of one message: one for each reason, with the bad records only."""
    by_reason: dict[str, list[Failure]] = {}
    for failure in failures:
        by_reason.setdefault(failure.reason, []).append(failure)
    known = delivery.message.attributes
    redrives = {REDRIVES: known[REDRIVES]} if REDRIVES in known else {}
    letters = []
    for reason, parts in by_reason.items():
        raws = [part.raw for part in parts if part.raw is not None]
        whole = len(raws) < len(parts)
        letters.append(
            Outgoing(
                body=delivery.message.body if whole else encode_bundle(raws),
                attributes={
                    "reason": reason,
                    "detail": parts[0].detail,
                    "records": str(0 if whole else len(raws)),
                    "source_message_id": delivery.message.id,
                    **redrives,
                },
            )
        )
    return letters
