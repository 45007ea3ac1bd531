"""Traces: what is asked of whoever keeps them, and how one is followed. No OpenTelemetry in here.

    handshake ── join ── event ── commit
                           └───── relay ══ SQS ══ worker batch ── row

A part that is given no ``Spans`` does nothing for traces. Where a trace goes on is told by a
``traceparent`` (W3C, "Trace Context"): within a task by ``following``, between nodes in the
question for a seat, to the worker in an attribute of the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import msgspec

ATTRIBUTE = "traces"
"""Of a message in the queue: a JSON object, event's id → traceparent."""
EVENTS_MAX = 32
"""Events of one message that are followed: ten messages of a call stay well below SQS' limit."""

_current: ContextVar[str] = ContextVar("traceparent", default="")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class Span(Protocol):
    """Something that takes time. It ends once."""

    @property
    def traceparent(self) -> str:
        """For spans that follow from it."""

    def end(self, *, error: str = "", **attributes: str | int) -> None:
        """It is over; ``error``: why it failed."""


class Spans(Protocol):
    """Keeps spans. Returns at once; what becomes of them is no concern of who makes them."""

    def start(
        self, name: str, *, parent: str = "", at: float | None = None, **attributes: str | int
    ) -> Span | None:
        """A span that began at the loop's time ``at`` in s, or now. Without a ``parent`` it begins
        a trace: few of those are kept, and for the others this is ``None``."""


def current() -> str:
    """The trace that the running task follows, or nothing."""
    return _current.get()


def current_id() -> str:
    """Its id, for logs."""
    return _current.get()[3:35]


@contextmanager
def following(traceparent: str) -> Iterator[None]:
    """Follow a trace for the length of the block."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def encode(traces: Mapping[str, str]) -> str:
    """The attribute of a message; empty where there is nothing to tell."""
    return _encode(traces).decode() if traces else ""


def decode(attribute: str) -> dict[str, str]:
    """The same the other way; what is not readable is nothing, for traces fail no event."""
    try:
        return _decode(attribute)
    except msgspec.DecodeError:
        return {}
