"""A queue's messages, and what the worker asks of a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as received. ``receives`` counts from 1; ``receipt`` names this very receipt."""

    id: str
    receipt: str
    body: str
    receives: int
    sent_at_ms: int
    attributes: Mapping[str, str]


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be sent. Attribute values are cut to ``ATTRIBUTE_CHARS_MAX``."""

    body: str
    attributes: Mapping[str, str]


ATTRIBUTE_CHARS_MAX = 256
REDRIVES = "redrives"
"""The attribute that counts how often a dead letter has been sent back."""
RECEIVE_MAX = 10
"""SQS' limit of one receive, and of one batch (AWS: "Amazon SQS message quotas")."""


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """About how many messages can be received, are held by somebody, and are not yet due."""

    visible: int
    held: int
    delayed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.held + self.delayed


class MessageQueue(Protocol):
    """One queue. Every method may raise ``QueueUnavailable``; what was asked may have happened."""

    async def receive(self, *, wait_s: int, visibility_s: int) -> list[Message]:
        """Up to ``RECEIVE_MAX`` messages, which stay invisible to others for ``visibility_s``."""

    async def delete(self, messages: Sequence[Message]) -> list[Message]:
        """Delete them for good; returns those that the queue did not delete."""

    async def set_visibility(self, messages: Sequence[Message], seconds: int) -> list[Message]:
        """Keep them invisible for ``seconds`` from now, 0 gives them back; returns the failed."""

    async def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Send them; returns those that the queue did not take."""

    async def depth(self) -> int:
        """About how many messages can be received."""
