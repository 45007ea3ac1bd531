"""Message move tasks: a dead-letter queue is emptied back to where its messages came from.

A task lives as long as the process: a restarted endpoint has forgotten it, its messages are where
they were.
"""

from __future__ import annotations

import asyncio
import uuid
from enum import StrEnum
from typing import Any

from gameserver.devstack import sqs_errors as errors
from gameserver.devstack.sqs_broker import Broker
from gameserver.devstack.sqs_queue import Queue

_RATE_MAX = 500
_TASKS_LISTED = 10
_STEPS_PER_S = 10


class Status(StrEnum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class MoveTask:
    """One run over the messages that were in the source when it started."""

    def __init__(
        self, broker: Broker, source: Queue, target: Queue | None, *, rate: int | None
    ) -> None:
        self.handle = str(uuid.uuid4())
        self.status = Status.RUNNING
        self.moved = 0
        self._broker = broker
        self._source = source
        self._target = target
        self._rate = rate
        self._started_ms = broker.wall_ms()
        self._to_move = broker.counts(source).visible
        self._failure = ""
        self._task = asyncio.create_task(self._run())

    def cancel(self) -> None:
        self._task.cancel()
        if self.status is Status.RUNNING:
            self.status = Status.CANCELLED

    def entry(self) -> dict[str, Any]:
        """A result of ``ListMessageMoveTasks``."""
        shown: dict[str, Any] = {
            "Status": self.status.value,
            "SourceArn": self._broker.arn(self._source.name),
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self._to_move,
            "StartedTimestamp": self._started_ms,
        }
        if self.status is Status.RUNNING:
            shown["TaskHandle"] = self.handle
        if self._target is not None:
            shown["DestinationArn"] = self._broker.arn(self._target.name)
        if self._rate is not None:
            shown["MaxNumberOfMessagesPerSecond"] = self._rate
        if self._failure:
            shown["FailureReason"] = self._failure
        return shown

    async def _run(self) -> None:
        rate = self._rate if self._rate is not None else _RATE_MAX
        step = max(1, rate // _STEPS_PER_S)
        try:
            while self.moved < self._to_move:
                count = min(step, self._to_move - self.moved)
                moved = self._broker.redrive(self._source, self._target, count=count)
                self._broker.flush()
                self.moved += moved
                if moved < count:
                    break
                await asyncio.sleep(step / rate)
        except errors.SqsError:
            self.status = Status.FAILED
            self._failure = "AWS.SimpleQueueService.NonExistentQueue"
        else:
            self.status = Status.COMPLETED


class MoveTasks:
    """All tasks of the endpoint; at most one runs per source."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._tasks: dict[str, list[MoveTask]] = {}

    def start(self, source_arn: str, destination_arn: str, *, rate: int | None) -> MoveTask:
        source = self._broker.queue_of_arn(source_arn)
        target = self._broker.queue_of_arn(destination_arn) if destination_arn else None
        if not self._broker.sources_of(source):
            raise errors.unsupported("Source queue must be configured as a Dead Letter Queue.")
        if rate is not None and not 1 <= rate <= _RATE_MAX:
            raise errors.invalid_parameter(
                "Value for parameter MaxNumberOfMessagesPerSecond is invalid. "
                f"Reason: Must be between 1 and {_RATE_MAX}."
            )
        tasks = self._tasks.setdefault(source_arn, [])
        if tasks and tasks[0].status is Status.RUNNING:
            raise errors.unsupported(
                "There is already a task running. Only one active task is allowed for a source "
                "queue arn at a given time."
            )
        task = MoveTask(self._broker, source, target, rate=rate)
        self._tasks[source_arn] = [task, *tasks[: _TASKS_LISTED - 1]]
        return task

    def cancel(self, handle: str) -> MoveTask:
        for tasks in self._tasks.values():
            for task in tasks:
                if task.handle == handle and task.status is Status.RUNNING:
                    task.cancel()
                    return task
        raise errors.no_such_resource("The task handle does not name a running task.")

    def entries(self, source_arn: str, *, count: int) -> list[dict[str, Any]]:
        """The newest first."""
        self._broker.queue_of_arn(source_arn)
        return [task.entry() for task in self._tasks.get(source_arn, [])[:count]]

    def close(self) -> None:
        for tasks in self._tasks.values():
            for task in tasks:
                task.cancel()
