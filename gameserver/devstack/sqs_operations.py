"""The operations of Amazon SQS: a request's JSON in, a reply to be written as JSON out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from gameserver.devstack import sqs_attributes, sqs_requests
from gameserver.devstack import sqs_errors as errors
from gameserver.devstack.sqs_broker import ACCOUNT, Broker
from gameserver.devstack.sqs_moves import MoveTasks
from gameserver.devstack.sqs_queue import (
    ATTRIBUTE_BOUNDS,
    MESSAGE_BYTES_MAX,
    Attribute,
    Message,
    Queue,
    allowed_characters,
    md5_of_attributes,
    md5_of_body,
    message_size,
)

Reply = dict[str, Any]
_ENTRIES_MAX = 10
_ATTRIBUTES_MAX = 10
_ENTRY_ID = re.compile(r"^[A-Za-z0-9_-]{1,80}$")


class _Entry(Protocol):
    @property
    def id(self) -> str: ...


_E = TypeVar("_E", bound=_Entry)


class Operations:
    """``run(name, payload, fail=n)`` performs one; ``base_url`` is what queue URLs begin with."""

    def __init__(self, broker: Broker, *, base_url: str) -> None:
        self._broker = broker
        self._base_url = base_url
        self._moves = MoveTasks(broker)
        self._fail_entries = 0
        shapes: list[tuple[type[Any], Callable[[Any], Reply | Awaitable[Reply]], str]] = [
            (sqs_requests.CreateQueue, self._create_queue, ""),
            (sqs_requests.GetQueueUrl, self._get_queue_url, ""),
            (sqs_requests.ListQueues, self._list_queues, ""),
            (sqs_requests.OfQueue, self._delete_queue, "DeleteQueue"),
            (sqs_requests.OfQueue, self._purge_queue, "PurgeQueue"),
            (sqs_requests.OfQueue, self._list_sources, "ListDeadLetterSourceQueues"),
            (sqs_requests.GetQueueAttributes, self._get_queue_attributes, ""),
            (sqs_requests.SetQueueAttributes, self._set_queue_attributes, ""),
            (sqs_requests.SendMessage, self._send_message, ""),
            (sqs_requests.SendMessageBatch, self._send_message_batch, ""),
            (sqs_requests.ReceiveMessage, self._receive_message, ""),
            (sqs_requests.DeleteMessage, self._delete_message, ""),
            (sqs_requests.DeleteMessageBatch, self._delete_message_batch, ""),
            (sqs_requests.ChangeMessageVisibility, self._change_visibility, ""),
            (sqs_requests.ChangeMessageVisibilityBatch, self._change_visibility_batch, ""),
            (sqs_requests.StartMessageMoveTask, self._start_move, ""),
            (sqs_requests.CancelMessageMoveTask, self._cancel_move, ""),
            (sqs_requests.ListMessageMoveTasks, self._list_moves, ""),
        ]
        self._table = {
            name or shape.__name__: (msgspec.json.Decoder(shape), function)
            for shape, function, name in shapes
        }

    async def run(self, name: str, payload: bytes, *, fail_entries: int = 0) -> Reply:
        """Raises ``SqsError``. ``fail_entries``: so many entries of a batch fail, as ordered."""
        if name not in self._table:
            raise errors.unknown_operation(name)
        decoder, function = self._table[name]
        try:
            request = decoder.decode(payload or b"{}")
        except msgspec.ValidationError as error:
            missing = re.search(r"missing required field `(\w+)`", str(error))
            if missing:
                raise errors.missing_parameter(missing[1]) from None
            raise errors.invalid_parameter(str(error)) from None
        except msgspec.DecodeError as error:
            raise errors.invalid_parameter(f"The body is not JSON: {error}") from None
        self._fail_entries = fail_entries
        reply = function(request)
        return reply if isinstance(reply, dict) else await reply

    def close(self) -> None:
        self._moves.close()

    # ── queues ───────────────────────────────────────────────────────────────────────────────────

    def _url(self, name: str) -> str:
        return f"{self._base_url}/{ACCOUNT}/{name}"

    def _queue(self, url: str) -> Queue:
        return self._broker.queue(url.rpartition("/")[2])

    def _create_queue(self, request: sqs_requests.CreateQueue) -> Reply:
        name = request.queue_name
        sqs_attributes.check_name(name)
        sqs_attributes.check_settable(self._broker, request.attributes)
        existing = self._broker.queues.get(name)
        if existing is None:
            self._broker.create(name, dict(request.attributes))
        else:
            now = sqs_attributes.shown(self._broker, existing, ["All"])
            if any(now.get(key) != value for key, value in request.attributes.items()):
                raise errors.queue_exists()
        return {"QueueUrl": self._url(name)}

    def _get_queue_url(self, request: sqs_requests.GetQueueUrl) -> Reply:
        return {"QueueUrl": self._url(self._broker.queue(request.queue_name).name)}

    def _list_queues(self, request: sqs_requests.ListQueues) -> Reply:
        names = [name for name in self._broker.queues if name.startswith(request.queue_name_prefix)]
        return {"QueueUrls": [self._url(name) for name in sorted(names)]} if names else {}

    def _delete_queue(self, request: sqs_requests.OfQueue) -> Reply:
        self._broker.delete(self._queue(request.queue_url))
        return {}

    def _purge_queue(self, request: sqs_requests.OfQueue) -> Reply:
        self._broker.purge(self._queue(request.queue_url))
        return {}

    def _list_sources(self, request: sqs_requests.OfQueue) -> Reply:
        sources = self._broker.sources_of(self._queue(request.queue_url))
        return {"queueUrls": [self._url(queue.name) for queue in sources]}

    def _get_queue_attributes(self, request: sqs_requests.GetQueueAttributes) -> Reply:
        queue = self._queue(request.queue_url)
        shown = sqs_attributes.shown(self._broker, queue, request.attribute_names)
        return {"Attributes": shown} if shown else {}

    def _set_queue_attributes(self, request: sqs_requests.SetQueueAttributes) -> Reply:
        queue = self._queue(request.queue_url)
        sqs_attributes.check_settable(self._broker, request.attributes)
        merged = {**queue.attributes, **request.attributes}
        self._broker.configure(queue, {name: value for name, value in merged.items() if value})
        return {}

    # ── messages ─────────────────────────────────────────────────────────────────────────────────

    def _send(
        self, queue: Queue, request: sqs_requests.SendMessage | sqs_requests.SendEntry
    ) -> Reply:
        attributes = request.message_attributes
        _check_message(queue, request.message_body, attributes)
        delay = request.delay_seconds
        if delay is None:
            delay = queue.seconds("DelaySeconds")
        elif not 0 <= delay <= ATTRIBUTE_BOUNDS["DelaySeconds"][1]:
            raise _out_of_range("DelaySeconds", delay, 0, ATTRIBUTE_BOUNDS["DelaySeconds"][1])
        message = self._broker.send(queue, request.message_body, attributes, delay_s=delay)
        reply = {"MessageId": message.id, "MD5OfMessageBody": md5_of_body(message.body)}
        if attributes:
            reply["MD5OfMessageAttributes"] = md5_of_attributes(attributes)
        return reply

    def _send_message(self, request: sqs_requests.SendMessage) -> Reply:
        return self._send(self._queue(request.queue_url), request)

    def _send_message_batch(self, request: sqs_requests.SendMessageBatch) -> Reply:
        queue = self._queue(request.queue_url)
        _check_entries(request.entries)
        sent = sum(
            message_size(entry.message_body, entry.message_attributes) for entry in request.entries
        )
        if sent > MESSAGE_BYTES_MAX:
            raise errors.batch_too_long(MESSAGE_BYTES_MAX, sent)
        return self._each(request.entries, lambda entry: self._send(queue, entry))

    async def _receive_message(self, request: sqs_requests.ReceiveMessage) -> Reply:
        queue = self._queue(request.queue_url)
        visibility = _or_default(queue, "VisibilityTimeout", request.visibility_timeout)
        wait = _or_default(queue, "ReceiveMessageWaitTimeSeconds", request.wait_time_seconds)
        if not 1 <= request.max_number_of_messages <= _ENTRIES_MAX:
            raise _out_of_range(
                "MaxNumberOfMessages", request.max_number_of_messages, 1, _ENTRIES_MAX
            )
        messages = await self._broker.receive(
            queue, count=request.max_number_of_messages, visibility_s=visibility, wait_s=wait
        )
        return (
            {"Messages": [self._shown(queue, message, request) for message in messages]}
            if messages
            else {}
        )

    def _shown(self, queue: Queue, message: Message, request: sqs_requests.ReceiveMessage) -> Reply:
        shown: Reply = {
            "MessageId": message.id,
            "ReceiptHandle": self._broker.handle(queue, message),
            "MD5OfBody": md5_of_body(message.body),
            "Body": message.body,
        }
        system = {
            "ApproximateFirstReceiveTimestamp": str(message.first_receive_ms),
            "ApproximateReceiveCount": str(message.receives),
            "SenderId": ACCOUNT,
            "SentTimestamp": str(message.sent_ms),
        }
        if message.source:
            system["DeadLetterQueueSourceArn"] = self._broker.arn(message.source)
        names = {*request.attribute_names, *request.message_system_attribute_names}
        asked = {key: text for key, text in system.items() if key in names or "All" in names}
        if asked:
            shown["Attributes"] = asked
        attributes = {
            name: attribute
            for name, attribute in message.attributes.items()
            if _is_asked_for(name, request.message_attribute_names)
        }
        if attributes:
            shown["MessageAttributes"] = attributes
            shown["MD5OfMessageAttributes"] = md5_of_attributes(attributes)
        return shown

    def _delete_message(self, request: sqs_requests.DeleteMessage) -> Reply:
        self._broker.delete_message(self._queue(request.queue_url), request.receipt_handle)
        return {}

    def _delete_message_batch(self, request: sqs_requests.DeleteMessageBatch) -> Reply:
        queue = self._queue(request.queue_url)
        _check_entries(request.entries)

        def delete(entry: sqs_requests.DeleteEntry) -> Reply:
            self._broker.delete_message(queue, entry.receipt_handle)
            return {}

        return self._each(request.entries, delete)

    def _change(self, queue: Queue, handle: str, seconds: int) -> Reply:
        greatest = ATTRIBUTE_BOUNDS["VisibilityTimeout"][1]
        if not 0 <= seconds <= greatest:
            raise _out_of_range("VisibilityTimeout", seconds, 0, greatest)
        self._broker.change_visibility(queue, handle, seconds)
        return {}

    def _change_visibility(self, request: sqs_requests.ChangeMessageVisibility) -> Reply:
        queue = self._queue(request.queue_url)
        return self._change(queue, request.receipt_handle, request.visibility_timeout)

    def _change_visibility_batch(self, request: sqs_requests.ChangeMessageVisibilityBatch) -> Reply:
        queue = self._queue(request.queue_url)
        _check_entries(request.entries)
        return self._each(
            request.entries,
            lambda entry: self._change(queue, entry.receipt_handle, entry.visibility_timeout),
        )

    # ── move tasks ───────────────────────────────────────────────────────────────────────────────

    def _start_move(self, request: sqs_requests.StartMessageMoveTask) -> Reply:
        task = self._moves.start(
            request.source_arn,
            request.destination_arn,
            rate=request.max_number_of_messages_per_second,
        )
        return {"TaskHandle": task.handle}

    def _cancel_move(self, request: sqs_requests.CancelMessageMoveTask) -> Reply:
        task = self._moves.cancel(request.task_handle)
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    def _list_moves(self, request: sqs_requests.ListMessageMoveTasks) -> Reply:
        return {"Results": self._moves.entries(request.source_arn, count=request.max_results)}

    def _each(self, entries: Sequence[_E], perform: Callable[[_E], Reply]) -> Reply:
        """Each entry by itself: one that fails is listed in ``Failed`` beside those that did not.

        Both lists are always there, as from AWS."""
        successful: list[Reply] = []
        failed: list[Reply] = []
        for number, entry in enumerate(entries):
            try:
                if number < self._fail_entries:
                    raise errors.service_unavailable(500)
                successful.append({"Id": entry.id, **perform(entry)})
            except errors.SqsError as error:
                failed.append(
                    {
                        "Id": entry.id,
                        "SenderFault": error.sender_fault,
                        "Code": error.query_code,
                        "Message": error.message,
                    }
                )
        return {"Successful": successful, "Failed": failed}


def _check_entries(entries: Sequence[_Entry]) -> None:
    if not entries:
        raise errors.empty_batch()
    if len(entries) > _ENTRIES_MAX:
        raise errors.too_many_entries(len(entries))
    seen: set[str] = set()
    for entry in entries:
        if not _ENTRY_ID.match(entry.id):
            raise errors.invalid_entry_id()
        if entry.id in seen:
            raise errors.ids_not_distinct(entry.id)
        seen.add(entry.id)


def _check_message(queue: Queue, body: str, attributes: dict[str, Attribute]) -> None:
    if not body:
        raise errors.missing_parameter("MessageBody")
    if not allowed_characters(body):
        raise errors.invalid_contents()
    if len(attributes) > _ATTRIBUTES_MAX:
        raise errors.invalid_parameter(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum "
            f"[{_ATTRIBUTES_MAX}]."
        )
    for name, attribute in attributes.items():
        if attribute.data_type.partition(".")[0] not in ("String", "Number", "Binary"):
            raise errors.invalid_parameter(
                f"The message attribute '{name}' has an invalid message attribute type; it must "
                "begin with String, Number or Binary."
            )
        if not attribute.payload():
            raise errors.invalid_parameter(f"The message attribute '{name}' must have a value.")
    limit = queue.seconds("MaximumMessageSize")
    if message_size(body, attributes) > limit:
        raise errors.invalid_parameter(
            f"One or more parameters are invalid. Reason: Message must be shorter than {limit} "
            "bytes."
        )


def _is_asked_for(name: str, asked: Sequence[str]) -> bool:
    return any(
        pattern in ("All", ".*", name) or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
        for pattern in asked
    )


def _or_default(queue: Queue, attribute: str, value: int | None) -> int:
    if value is None:
        return queue.seconds(attribute)
    least, greatest, _ = ATTRIBUTE_BOUNDS[attribute]
    if not least <= value <= greatest:
        raise _out_of_range(attribute, value, least, greatest)
    return value


def _out_of_range(name: str, value: int, least: int, greatest: int) -> errors.SqsError:
    return errors.invalid_parameter(
        f"Value {value} for parameter {name} is invalid. "
        f"Reason: Must be between {least} and {greatest}, if provided."
    )
