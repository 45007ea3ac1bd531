"""The attributes of a queue: which may be set, and what ``GetQueueAttributes`` shows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from gameserver.devstack import sqs_errors as errors
from gameserver.devstack.sqs_broker import Broker
from gameserver.devstack.sqs_queue import ATTRIBUTE_BOUNDS, Queue

_STORED_ONLY = frozenset(
    {
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "Policy",
        "RedriveAllowPolicy",
        "SqsManagedSseEnabled",
    }
)
"""Kept and shown, without effect here."""
_COUNTED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
)
_RECEIVES_MAX = 1_000
_QUEUE_NAME = re.compile(r"^[A-Za-z0-9_-]{1,80}$")


def check_name(name: str) -> None:
    """Raises ``SqsError`` for a name that no standard queue may have."""
    if name.endswith(".fifo"):
        raise errors.unsupported("This endpoint has standard queues only, no FIFO queues.")
    if not _QUEUE_NAME.match(name):
        raise errors.invalid_parameter(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )


def check_settable(broker: Broker, attributes: dict[str, str]) -> None:
    """Raises ``SqsError`` for the first attribute that is unknown or out of its bounds."""
    for name, value in attributes.items():
        if name in ATTRIBUTE_BOUNDS:
            least, greatest, _ = ATTRIBUTE_BOUNDS[name]
            if not value.isdecimal() or not least <= int(value) <= greatest:
                raise errors.invalid_attribute_value(name)
        elif name == "RedrivePolicy":
            _check_redrive_policy(broker, value)
        elif name == "FifoQueue":
            raise errors.invalid_attribute_name(name)
        elif name not in _STORED_ONLY:
            raise errors.invalid_attribute_name(name)


def shown(broker: Broker, queue: Queue, names: Sequence[str]) -> dict[str, str]:
    """The attributes asked for; ``All`` asks for all. Raises ``InvalidAttributeName``."""
    known = {*ATTRIBUTE_BOUNDS, *_STORED_ONLY, *_COUNTED, "RedrivePolicy", "All"}
    for name in names:
        if name not in known:
            raise errors.invalid_attribute_name(name)
    counts = broker.counts(queue)
    everything = {name: str(default) for name, (_, _, default) in ATTRIBUTE_BOUNDS.items()}
    everything |= queue.attributes
    everything |= {
        "ApproximateNumberOfMessages": str(counts.visible),
        "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
        "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
        "CreatedTimestamp": str(queue.created_ms // 1000),
        "LastModifiedTimestamp": str(queue.changed_ms // 1000),
        "QueueArn": broker.arn(queue.name),
    }
    if "All" in names:
        return everything
    return {name: everything[name] for name in names if name in everything}


def _check_redrive_policy(broker: Broker, value: str) -> None:
    if not value:
        return  # takes the policy away
    try:
        policy = json.loads(value)
        target, receives = str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        raise errors.invalid_parameter(
            f"Value {value[:200]} for parameter RedrivePolicy is invalid. Reason: it needs "
            "deadLetterTargetArn and maxReceiveCount."
        ) from None
    name = target.rpartition(":")[2]
    if name not in broker.queues or broker.arn(name) != target:
        raise errors.invalid_parameter(
            f"Value {value[:200]} for parameter RedrivePolicy is invalid. "
            "Reason: Dead letter target does not exist."
        )
    if not 1 <= receives <= _RECEIVES_MAX:
        raise errors.invalid_parameter(
            f"Value {value[:200]} for parameter RedrivePolicy is invalid. "
            f"Reason: Invalid value for maxReceiveCount: {receives}, valid values are from 1 to "
            f"{_RECEIVES_MAX} both inclusive."
        )
