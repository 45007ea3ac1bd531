"""Maintenance of the whole cluster, as a value: who says so, since when, and what players are told.

While it is on, no match is opened and no new seat is given. Matches that run play on, and their
players keep their seats: reconnecting, drain and failover are not touched.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec

MESSAGE_CHARS_MAX = 300
NAME_CHARS_MAX = 128
TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999
_UNSEEN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of what is no text for one paragraph: control characters and line breaks."""


class Notice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator tells the players. ``until_ms``: wall time until which the maintenance is
    expected to last; it ends by hand all the same. Raises ``ValueError`` for a bad one."""

    message: str
    until_ms: int | None = None

    def __post_init__(self) -> None:
        _check(self.message, self.until_ms)


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """The mode while it is on. Times in ms since the Unix epoch; ``by``: who turned it on or
    changed it last. Raises ``ValueError`` for a bad one."""

    message: str
    since_ms: int
    until_ms: int | None
    by: str

    def __post_init__(self) -> None:
        _check(self.message, self.until_ms)


def _check(message: str, until_ms: int | None) -> None:
    if not message.strip() or len(message) > MESSAGE_CHARS_MAX:
        raise ValueError(f"the message has from 1 to {MESSAGE_CHARS_MAX} characters")
    if any(unicodedata.category(character) in _UNSEEN for character in message):
        raise ValueError("the message is one line, without control characters")
    if until_ms is not None and not 0 < until_ms <= TIME_MS_MAX:
        raise ValueError("until is a time in ms since the Unix epoch")


def begun(notice: Notice, *, earlier: Maintenance | None, by: str, now_ms: int) -> Maintenance:
    """The mode that ``notice`` turns on; one that is on goes on with the new words. Raises
    ``ValueError`` where its end lies in the past."""
    if notice.until_ms is not None and notice.until_ms <= now_ms:
        raise ValueError("until lies in the past")
    return Maintenance(
        message=notice.message.strip(),
        since_ms=now_ms if earlier is None else earlier.since_ms,
        until_ms=notice.until_ms,
        by=by[:NAME_CHARS_MAX],
    )


def shown(maintenance: Maintenance | None) -> dict[str, Any]:
    """For operators: ``{"on": false}``, or ``on`` and all fields."""
    if maintenance is None:
        return {"on": False}
    return {"on": True, **msgspec.structs.asdict(maintenance)}
