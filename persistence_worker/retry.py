"""What to do after a failure: a pure decision. Carrying it out is the worker's part.

The kinds fall into three groups:

    the content is wrong      a repetition changes nothing      → dead letter at once
    a service is away         it is nobody's fault              → again and again, ever more slowly
    nobody knows              it may be the message's fault     → again, but not for ever
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import msgspec


class ErrorKind(StrEnum):
    """What went wrong. The first group's values are also the dead letter's ``reason``."""

    BAD_BODY = "bad_body"  # the message is no bundle of records
    BAD_RECORD = "bad_record"  # one record of it is not what a game server writes
    BAD_DATA = "bad_data"  # the record is well formed, but not its ``data``
    FORK = "fork"  # another content is already stored under the same id
    REJECTED = "rejected"  # PostgreSQL refused this row, and this row only

    CONTENTION = "contention"  # deadlock or serialization failure: the transaction lost
    DATABASE_DOWN = "database_down"
    DATABASE_SCHEMA = "database_schema"  # not migrated, or no permission: no row can be stored
    QUEUE_DOWN = "queue_down"

    UNEXPECTED = "unexpected"  # an exception that nobody foresaw


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Try again in ``after_s`` seconds."""

    after_s: float


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Give up: move it to the dead-letter queue. ``reason`` is a stable word."""

    reason: str


Decision = Retry | DeadLetter

ATTEMPTS_MAX = 5
EXPONENT_MAX = 16
"""Keeps ``2 ** attempt`` a small number; every cap is reached long before."""


def decide(
    error: ErrorKind, attempt: int, *, jitter: float, attempts_max: int = ATTEMPTS_MAX
) -> Decision:
    """The answer to the ``attempt``-th failure (from 1) of the same thing.

    ``jitter`` is a number from 0 up to 1; the pause is taken from the upper half of its step
    ("equal jitter": AWS Architecture Blog, "Exponential Backoff And Jitter"), so that it neither
    vanishes nor is shared by all workers.
    """
    match error:
        case (
            ErrorKind.BAD_BODY
            | ErrorKind.BAD_RECORD
            | ErrorKind.BAD_DATA
            | ErrorKind.FORK
            | ErrorKind.REJECTED
        ):
            return DeadLetter(reason=error.value)
        case ErrorKind.CONTENTION:
            return Retry(after_s=_pause_s(attempt, jitter, first_s=0.02, cap_s=1.0))
        case ErrorKind.DATABASE_DOWN | ErrorKind.QUEUE_DOWN:
            return Retry(after_s=_pause_s(attempt, jitter, first_s=0.25, cap_s=10.0))
        case ErrorKind.DATABASE_SCHEMA:
            return Retry(after_s=_pause_s(attempt, jitter, first_s=1.0, cap_s=30.0))
        case ErrorKind.UNEXPECTED:
            if attempt >= attempts_max:
                return DeadLetter(reason=error.value)
            return Retry(after_s=_pause_s(attempt, jitter, first_s=1.0, cap_s=900.0))
        case _:
            assert_never(error)


def _pause_s(attempt: int, jitter: float, *, first_s: float, cap_s: float) -> float:
    exponent = min(max(attempt, 1), EXPONENT_MAX) - 1
    step = min(cap_s, first_s * float(2**exponent))
    return step * (0.5 + 0.5 * jitter)
