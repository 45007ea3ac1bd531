"""One standard queue, as a plain object: no clock, no I/O. Times are wall milliseconds.

A message waits in one heap by the moment it becomes visible: at once or after its delay when sent,
after the visibility timeout when received. Changing that moment pushes a new entry; entries that no
longer agree with their message are dropped when they surface.

    sent ──► visible ──receive──► in flight ──timeout──► visible … ──delete──► gone
                                     └──received maxReceiveCount times──► dead-letter queue
"""

from __future__ import annotations

import hashlib
import heapq
import json
import struct
from typing import NamedTuple

import msgspec

MESSAGE_BYTES_MAX = 1_048_576
ATTRIBUTE_BOUNDS = {
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
}
"""Each numeric attribute's least and greatest value and its default."""
_STALE_ENTRIES_KEPT = 1_000


class Attribute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="pascal"):
    """A message attribute; ``binary_value`` is base64, as on the wire."""

    data_type: str
    string_value: str | None = None
    binary_value: bytes | None = None

    def size(self) -> int:
        """The bytes that count towards the limit of a message."""
        return len(self.data_type.encode()) + len(self.payload())

    def payload(self) -> bytes:
        if self.binary_value is not None:
            return self.binary_value
        return (self.string_value or "").encode()


class Message(msgspec.Struct, kw_only=True):
    """``receives`` counts over all queues. ``source``: the queue it was dead-lettered from."""

    id: str
    body: str
    attributes: dict[str, Attribute] = {}
    sent_ms: int
    visible_ms: int
    receives: int = 0
    first_receive_ms: int = 0
    source: str = ""


class RedrivePolicy(NamedTuple):
    """Where a message goes that was received ``receives_max`` times."""

    target_arn: str
    receives_max: int


class Counts(NamedTuple):
    """How many messages are in which state."""

    visible: int
    in_flight: int
    delayed: int


class Queue:
    """The messages of one queue and its attributes (as strings, as on the wire)."""

    def __init__(self, *, name: str, attributes: dict[str, str], created_ms: int) -> None:
        self.name = name
        self.attributes = attributes
        self.created_ms = created_ms
        self.changed_ms = created_ms
        self.messages: dict[str, Message] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._order = 0

    def seconds(self, attribute: str) -> int:
        """A numeric attribute, or its default."""
        return int(self.attributes.get(attribute, ATTRIBUTE_BOUNDS[attribute][2]))

    @property
    def redrive(self) -> RedrivePolicy | None:
        text = self.attributes.get("RedrivePolicy")
        if not text:
            return None
        policy = json.loads(text)
        return RedrivePolicy(str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"]))

    def put(self, message: Message) -> None:
        """Add a message; it is received once ``visible_ms`` has come."""
        self.messages[message.id] = message
        self._push(message)

    def show_at(self, message: Message, visible_ms: int) -> None:
        """Make a message visible at another time."""
        message.visible_ms = visible_ms
        self._push(message)

    def drop(self, message_id: str) -> None:
        """Forget a message; its heap entry is dropped when it surfaces."""
        self.messages.pop(message_id, None)

    def clear(self) -> None:
        self.messages.clear()
        self._heap.clear()

    def take_visible(self, now_ms: int) -> Message | None:
        """The message longest visible, no longer scheduled: the caller shows or drops it."""
        while self._heap and self._heap[0][0] <= now_ms:
            visible_ms, _, message_id = heapq.heappop(self._heap)
            message = self.messages.get(message_id)
            if message is not None and message.visible_ms == visible_ms:
                return message
        return None

    def next_visible_ms(self) -> int | None:
        """When the next message may become visible; possibly too early, never too late."""
        return self._heap[0][0] if self._heap else None

    def is_expired(self, message: Message, now_ms: int) -> bool:
        return message.sent_ms + self.seconds("MessageRetentionPeriod") * 1000 <= now_ms

    def counts(self, now_ms: int) -> Counts:
        visible = in_flight = 0
        for message in self.messages.values():
            if message.visible_ms <= now_ms:
                visible += 1
            elif message.receives:
                in_flight += 1
        return Counts(visible, in_flight, len(self.messages) - visible - in_flight)

    def _push(self, message: Message) -> None:
        self._order += 1
        if len(self._heap) > 4 * len(self.messages) + _STALE_ENTRIES_KEPT:
            self._heap = [
                entry
                for entry in self._heap
                if entry[2] in self.messages and self.messages[entry[2]].visible_ms == entry[0]
            ]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (message.visible_ms, self._order, message.id))


def md5_of_body(body: str) -> str:
    """``MD5OfMessageBody``: clients compare it with their own."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: dict[str, Attribute]) -> str:
    """``MD5OfMessageAttributes`` (AWS: "Calculating the MD5 message digest for message
    attributes"): length-prefixed name, type, kind and value, in the order of the names."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        for part in (name.encode(), attribute.data_type.encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        payload = attribute.payload()
        digest.update(b"\2" if attribute.binary_value is not None else b"\1")
        digest.update(struct.pack("!I", len(payload)) + payload)
    return digest.hexdigest()


def message_size(body: str, attributes: dict[str, Attribute]) -> int:
    """Bytes towards ``MaximumMessageSize``: body and attributes' names, types and values."""
    return len(body.encode()) + sum(
        len(name.encode()) + attribute.size() for name, attribute in attributes.items()
    )


def allowed_characters(body: str) -> bool:
    """Whether SQS takes the text (AWS: ``SendMessage``, the XML 1.0 characters)."""
    return body.isprintable() or all(
        character in "\t\n\r"
        or " " <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
        for character in body
    )
