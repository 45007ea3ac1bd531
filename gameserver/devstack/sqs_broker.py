"""All queues of the endpoint: state is the fold of the journal's records.

Every change is made by ``_commit(record)``, which applies it and journals it; replaying the journal
applies the same records. So what a restart finds is what there was.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import uuid
from collections.abc import Callable, Iterator
from typing import assert_never

from gameserver.devstack import sqs_errors as errors
from gameserver.devstack.sqs_journal import (
    Configured,
    Created,
    Deleted,
    Dropped,
    Journal,
    Purged,
    Put,
    Record,
    Shown,
)
from gameserver.devstack.sqs_queue import Attribute, Counts, Message, Queue

ACCOUNT = "000000000000"


class Broker:
    """Not thread-safe; ``receive`` and nothing else waits. Call ``flush`` before answering."""

    def __init__(self, *, journal: Journal, region: str, wall_ms: Callable[[], int]) -> None:
        self.queues: dict[str, Queue] = {}
        self._journal = journal
        self._region = region
        self.wall_ms = wall_ms
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._closing = False
        for record in journal.read():
            self._apply(record)
        journal.start(self._history())

    def flush(self) -> None:
        self._journal.flush()

    def close(self) -> None:
        """End all long polls with what they have: nothing."""
        self._closing = True
        for name in self._waiting:
            self._wake(name)
        self._journal.close()

    # ── queues ───────────────────────────────────────────────────────────────────────────────────

    def arn(self, name: str) -> str:
        return f"arn:aws:sqs:{self._region}:{ACCOUNT}:{name}"

    def queue(self, name: str) -> Queue:
        """Raises ``QueueDoesNotExist``."""
        try:
            return self.queues[name]
        except KeyError:
            raise errors.no_such_queue() from None

    def queue_of_arn(self, arn: str) -> Queue:
        """Raises ``ResourceNotFoundException``."""
        name = arn.rpartition(":")[2]
        if name not in self.queues or self.arn(name) != arn:
            raise errors.no_such_resource(
                "The resource that you specified for the SourceArn parameter doesn't exist."
            )
        return self.queues[name]

    def sources_of(self, target: Queue) -> list[Queue]:
        """The queues whose dead letters go to ``target``."""
        arn = self.arn(target.name)
        found = (queue for queue in self.queues.values() if queue.redrive is not None)
        return [queue for queue in found if queue.redrive and queue.redrive.target_arn == arn]

    def counts(self, queue: Queue) -> Counts:
        return queue.counts(self.wall_ms())

    def create(self, name: str, attributes: dict[str, str]) -> None:
        self._commit(Created(name, attributes, self.wall_ms()))

    def configure(self, queue: Queue, attributes: dict[str, str]) -> None:
        self._commit(Configured(queue.name, attributes, self.wall_ms()))

    def delete(self, queue: Queue) -> None:
        self._commit(Deleted(queue.name))

    def purge(self, queue: Queue) -> None:
        self._commit(Purged(queue.name))

    # ── messages ─────────────────────────────────────────────────────────────────────────────────

    def send(
        self, queue: Queue, body: str, attributes: dict[str, Attribute], *, delay_s: int
    ) -> Message:
        now = self.wall_ms()
        message = Message(
            id=str(uuid.uuid4()),
            body=body,
            attributes=attributes,
            sent_ms=now,
            visible_ms=now + delay_s * 1000,
        )
        self._commit(Put(queue.name, message))
        return message

    async def receive(
        self, queue: Queue, *, count: int, visibility_s: int, wait_s: float
    ) -> list[Message]:
        """Up to ``count`` messages, as soon as there is one, for at most ``wait_s`` seconds."""
        deadline_ms = self.wall_ms() + int(wait_s * 1000)
        while True:
            taken = self._take(queue, count=count, visibility_s=visibility_s)
            now = self.wall_ms()
            if taken or now >= deadline_ms or self._closing:
                return taken
            if self.queues.get(queue.name) is not queue:
                raise errors.no_such_queue()  # deleted under the poll
            until = min(deadline_ms, queue.next_visible_ms() or deadline_ms)
            await self._arrival(queue.name, timeout_s=max(0.001, (until - now) / 1000))

    def handle(self, queue: Queue, message: Message) -> str:
        """A receipt handle: differs with each receive."""
        text = f"{queue.name}/{message.id}/{message.receives}"
        return base64.urlsafe_b64encode(text.encode()).decode()

    def held(self, queue: Queue, handle: str) -> tuple[Message | None, bool]:
        """The message of a handle (``None``: no longer there), and whether it is its newest."""
        try:
            text = base64.b64decode(handle.encode(), b"-_", validate=True).decode()
            name, message_id, receives = text.split("/")
            newest = int(receives)
        except (ValueError, binascii.Error):
            raise errors.invalid_handle(handle) from None
        if name != queue.name:
            raise errors.invalid_handle(handle)
        message = queue.messages.get(message_id)
        return message, message is not None and message.receives == newest

    def delete_message(self, queue: Queue, handle: str) -> None:
        """An older handle succeeds without effect, as AWS documents for ``DeleteMessage``."""
        message, newest = self.held(queue, handle)
        if message is not None and newest:
            self._commit(Dropped(queue.name, message.id))

    def change_visibility(self, queue: Queue, handle: str, seconds: int) -> None:
        message, newest = self.held(queue, handle)
        if message is None or not newest:
            raise errors.invalid_parameter(
                f"Value {handle[:80]} for parameter ReceiptHandle is invalid. Reason: Message does "
                "not exist or is not available for visibility timeout change."
            )
        now = self.wall_ms()
        if message.visible_ms <= now:
            raise errors.not_in_flight()
        self._show(queue, message, now + seconds * 1000)

    def redrive(self, source: Queue, target: Queue | None, *, count: int) -> int:
        """Move up to ``count`` visible messages to ``target``, or each to where it came from.

        A moved message is a new one: new id, new time, no receives (AWS: "Configuring a
        dead-letter queue redrive")."""
        moved = 0
        now = self.wall_ms()
        while moved < count and (message := source.take_visible(now)) is not None:
            goal = target or self.queues.get(message.source)
            if goal is None:
                self._show(source, message, now)
                raise errors.no_such_queue()
            self._commit(Dropped(source.name, message.id))
            self.send(goal, message.body, message.attributes, delay_s=0)
            moved += 1
        return moved

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def _take(self, queue: Queue, *, count: int, visibility_s: int) -> list[Message]:
        now = self.wall_ms()
        policy = queue.redrive
        dead_letters = self.queues.get(policy.target_arn.rpartition(":")[2]) if policy else None
        taken: list[Message] = []
        while len(taken) < count and (message := queue.take_visible(now)) is not None:
            if queue.is_expired(message, now):
                self._commit(Dropped(queue.name, message.id))
            elif policy and dead_letters and message.receives >= policy.receives_max:
                self._commit(Dropped(queue.name, message.id))
                message.source = queue.name
                self._commit(Put(dead_letters.name, message))
            else:
                message.receives += 1
                message.first_receive_ms = message.first_receive_ms or now
                taken.append(message)
        # Only now: with a timeout of 0 the loop would meet its own messages again.
        for message in taken:
            self._show(queue, message, now + visibility_s * 1000)
        return taken

    def _show(self, queue: Queue, message: Message, visible_ms: int) -> None:
        shown = Shown(
            queue.name, message.id, visible_ms, message.receives, message.first_receive_ms
        )
        self._commit(shown)

    def _commit(self, record: Record) -> None:
        self._apply(record)
        self._journal.append(record)
        if isinstance(record, (Put, Shown, Deleted)):
            self._wake(record.queue)

    def _apply(self, record: Record) -> None:
        match record:
            case Created(name, attributes, at_ms):
                self.queues[name] = Queue(name=name, attributes=attributes, created_ms=at_ms)
            case Configured(name, attributes, at_ms):
                self.queues[name].attributes = attributes
                self.queues[name].changed_ms = at_ms
            case Deleted(name):
                del self.queues[name]
            case Purged(name):
                self.queues[name].clear()
            case Put(name, message):
                self.queues[name].put(message)
            case Shown(name, message_id, visible_ms, receives, first_receive_ms):
                queue = self.queues[name]
                message = queue.messages[message_id]
                message.receives = receives
                message.first_receive_ms = first_receive_ms
                queue.show_at(message, visible_ms)
            case Dropped(name, message_id):
                self.queues[name].drop(message_id)
            case _:
                assert_never(record)

    def _history(self) -> Iterator[Record]:
        for queue in self.queues.values():
            yield Created(queue.name, queue.attributes, queue.created_ms)
            for message in queue.messages.values():
                yield Put(queue.name, message)

    def _wake(self, name: str) -> None:
        for future in self._waiting.get(name, ()):
            if not future.done():
                future.set_result(None)

    async def _arrival(self, name: str, *, timeout_s: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(name, set())
        waiting.add(future)
        try:
            await asyncio.wait({future}, timeout=timeout_s)
        finally:
            waiting.discard(future)
