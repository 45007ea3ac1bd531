"""The requests that the endpoint takes, as AWS' JSON protocol spells them.

Bounds that AWS answers with an error of their own kind are checked by the operations; what is
declared here is the shape.
"""

from __future__ import annotations

import msgspec

from gameserver.devstack.sqs_queue import Attribute


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    pass


class CreateQueue(_Shape, frozen=True, kw_only=True):
    queue_name: str
    attributes: dict[str, str] = {}


class GetQueueUrl(_Shape, frozen=True, kw_only=True):
    queue_name: str


class ListQueues(_Shape, frozen=True, kw_only=True):
    queue_name_prefix: str = ""


class OfQueue(_Shape, frozen=True, kw_only=True):
    """``DeleteQueue``, ``PurgeQueue``, ``ListDeadLetterSourceQueues``."""

    queue_url: str


class GetQueueAttributes(OfQueue, frozen=True, kw_only=True):
    attribute_names: list[str] = []


class SetQueueAttributes(OfQueue, frozen=True, kw_only=True):
    attributes: dict[str, str] = {}


class SendMessage(OfQueue, frozen=True, kw_only=True):
    message_body: str
    delay_seconds: int | None = None
    message_attributes: dict[str, Attribute] = {}


class SendEntry(_Shape, frozen=True, kw_only=True):
    id: str
    message_body: str
    delay_seconds: int | None = None
    message_attributes: dict[str, Attribute] = {}


class SendMessageBatch(OfQueue, frozen=True, kw_only=True):
    entries: list[SendEntry] = []


class ReceiveMessage(OfQueue, frozen=True, kw_only=True):
    attribute_names: list[str] = []
    message_system_attribute_names: list[str] = []
    message_attribute_names: list[str] = []
    max_number_of_messages: int = 1
    visibility_timeout: int | None = None
    wait_time_seconds: int | None = None


class DeleteMessage(OfQueue, frozen=True, kw_only=True):
    receipt_handle: str


class DeleteEntry(_Shape, frozen=True, kw_only=True):
    id: str
    receipt_handle: str


class DeleteMessageBatch(OfQueue, frozen=True, kw_only=True):
    entries: list[DeleteEntry] = []


class ChangeMessageVisibility(OfQueue, frozen=True, kw_only=True):
    receipt_handle: str
    visibility_timeout: int


class VisibilityEntry(_Shape, frozen=True, kw_only=True):
    id: str
    receipt_handle: str
    visibility_timeout: int = 0


class ChangeMessageVisibilityBatch(OfQueue, frozen=True, kw_only=True):
    entries: list[VisibilityEntry] = []


class StartMessageMoveTask(_Shape, frozen=True, kw_only=True):
    source_arn: str
    destination_arn: str = ""
    max_number_of_messages_per_second: int | None = None


class CancelMessageMoveTask(_Shape, frozen=True, kw_only=True):
    task_handle: str


class ListMessageMoveTasks(_Shape, frozen=True, kw_only=True):
    source_arn: str
    max_results: int = 1
