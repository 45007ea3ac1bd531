"""Pages of a list: an opaque ``cursor``, a ``limit``, and ``next`` while there is more.

A cursor holds the place after which the next page begins, not a count: what is added or removed
meanwhile neither repeats nor hides the rest. It says nothing secret, so it is not signed; what
comes back is decoded as strictly as a body.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from gameserver.adapters.http_problem import BAD_CURSOR, Problem

ItemT = TypeVar("ItemT")
PlaceT = TypeVar("PlaceT")

LIMIT_MAX = 500
LIMIT_DEFAULT = 100

Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="Items at once.")]
Cursor = Annotated[
    str, Meta(max_length=512, description="`next` of the page before; empty: the first page.")
]


def cursor_at(place: Any) -> str:
    """The cursor of ``place``: a value that msgspec can encode."""
    return urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def place_of(cursor: str, place_type: type[PlaceT]) -> PlaceT | None:
    """Where the page begins, ``None``: at the start. Raises ``Problem`` ``bad_cursor``."""
    if not cursor:
        return None
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        place = msgspec.msgpack.decode(raw, type=place_type)
    except (binascii.Error, UnicodeEncodeError, msgspec.DecodeError, ValueError, RecursionError):
        raise Problem(BAD_CURSOR) from None
    if cursor_at(place) != cursor:
        raise Problem(BAD_CURSOR)
    return place


def place_after(place: Any | None) -> str | None:
    """``next`` of a page that ends at ``place``; ``None``: it is the last one."""
    return None if place is None else cursor_at(place)


def page_of(
    items: Iterable[ItemT], *, key: Callable[[ItemT], str], cursor: str, limit: int
) -> tuple[list[ItemT], str | None]:
    """A page of a list in memory, in the order of ``key``, and the next one's cursor. Raises
    ``Problem`` ``bad_cursor``."""
    after = place_of(cursor, str)
    ordered = sorted(items, key=key)
    start = 0 if after is None else bisect_right(ordered, after, key=key)
    found = ordered[start : start + limit]
    more = start + limit < len(ordered)
    return found, cursor_at(key(found[-1])) if more else None
