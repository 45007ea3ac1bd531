"""The partitions of ``events``: ranges of match ids, a month (UTC) each. Pure.

    events_first (… up to the month after the migration) | events_2026_12 | … ahead | events_other

A match's id is a ULID: its first ten characters are the time at which the match began, in
milliseconds, and sort by it. ``events_other`` takes every id that lies in no range.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARS = 10
_UPPER = re.compile(rf"TO \('([{_CROCKFORD}]{{{_TIME_CHARS}}})'\)\Z")
DAY_MS = 86_400_000


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """Matches that began from ``from_ms`` up to, but not including, ``to_ms``; Unix time."""

    name: str
    from_ms: int
    to_ms: int


def floor(at_ms: int) -> str:
    """What the ids of matches that began at ``at_ms`` begin with, as ``match_id_floor`` has it."""
    shifts = range(5 * (_TIME_CHARS - 1), -1, -5)
    return "".join(_CROCKFORD[at_ms >> shift & 31] for shift in shifts)


def upper_ms(bounds: str) -> int | None:
    """The end of a partition from PostgreSQL's ``FOR VALUES …``; ``None`` where it has no end."""
    found = _UPPER.search(bounds)
    if found is None:
        return None
    number = 0
    for character in found[1]:
        number = number << 5 | _CROCKFORD.index(character)
    return number


def missing(uppers: Iterable[int], *, now_ms: int, ahead_ms: int) -> list[Partition]:
    """Partitions that follow on the last one until they reach beyond ``now_ms + ahead_ms``."""
    begin = max(uppers, default=_month_start_ms(now_ms))
    found = []
    while begin <= now_ms + ahead_ms:
        at = datetime.fromtimestamp(begin / 1000, UTC)
        end = _month_end_ms(begin)
        found.append(Partition(name=f"events_{at.year:04}_{at.month:02}", from_ms=begin, to_ms=end))
        begin = end
    return found


def _month_start_ms(at_ms: int) -> int:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return round(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp() * 1000)


def _month_end_ms(at_ms: int) -> int:
    # 32 days after a month's first lie in the next month.
    return _month_start_ms(_month_start_ms(at_ms) + 32 * DAY_MS)
