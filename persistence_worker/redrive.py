"""Whether a dead letter is sent back by itself: a pure decision, carried out by ``redriver``.

it can never be stored     bad body, record or data; a fork     → parked at once
it may heal by itself      what else there is                   → sent back, ever more slowly
it did not heal            sent back as often as allowed        → parked
"""

from __future__ import annotations

import hashlib

import msgspec

from gameserver.wire.event_record import BODY_BYTES_MAX
from persistence_worker.letters import Letter
from persistence_worker.retry import ErrorKind

NEVER_HEALS = frozenset(
    {
        ErrorKind.BAD_BODY.value,
        ErrorKind.BAD_RECORD.value,
        ErrorKind.BAD_DATA.value,
        ErrorKind.FORK.value,
    }
)
REDRIVES_MAX = 5
FIRST_S = 60.0
PAUSE_FACTOR = 4
PAUSE_MAX_S = 43_200.0
"""With these: after 1, 4, 16 and 64 minutes and 4 hours, shortened by the jitter to no less than
half; then parked."""
EXPONENT_MAX = 12
"""Keeps ``4 ** redrives`` a small number; the cap is reached long before."""
COUNTED_BYTES_MAX = BODY_BYTES_MAX - 2_048
"""A longer body may leave no room for the attribute that counts its redrives, which would then
have no end."""


class SendBack(msgspec.Struct, frozen=True):
    """Send it to the queue again, now."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Leave it where it is for ``for_s`` seconds."""

    for_s: float


class Park(msgspec.Struct, frozen=True, kw_only=True):
    """Put it into the table and out of the queue. ``why`` is a sentence for the log."""

    why: str


Decision = SendBack | Wait | Park


def decide(
    letter: Letter, now_ms: int, *, redrives_max: int = REDRIVES_MAX, first_s: float = FIRST_S
) -> Decision:
    """The answer for ``letter`` at ``now_ms`` (wall time, SQS' and ours within some seconds).

    The jitter is taken from the letter's id: whoever looks, and whenever, one letter has one time,
    while letters of one moment are spread over half of their pause.
    """
    if letter.reason in NEVER_HEALS:
        return Park(why="a repetition changes nothing")
    if letter.bytes > COUNTED_BYTES_MAX:
        return Park(why="too large to count its redrives")
    if letter.redrives >= redrives_max:
        return Park(why="sent back as often as allowed")
    pause_s = min(PAUSE_MAX_S, first_s * float(PAUSE_FACTOR ** min(letter.redrives, EXPONENT_MAX)))
    due_ms = letter.sent_at_ms + 1000 * pause_s * (0.5 + 0.5 * _jitter(letter))
    return SendBack() if now_ms >= due_ms else Wait(for_s=(due_ms - now_ms) / 1000)


def _jitter(letter: Letter) -> float:
    """From 0 up to 1, the same for the same letter."""
    return int.from_bytes(hashlib.sha256(letter.id.encode()).digest()[:4]) / 2**32
