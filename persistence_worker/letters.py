"""Dead letters as people and the automatic redrive see them: read from messages, chosen, pure."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from gameserver.wire.event_record import (
    BadBody,
    decode_bundle,
    decode_chunk,
    decode_record,
    is_chunk,
)
from persistence_worker.messages import REDRIVES, Message

RECEIVED_TOO_OFTEN = "received_too_often"
"""SQS itself moves messages, and does not say why."""
NAME_CHARS_MAX = 128
"""Of an id, a match or a game that is read from a record nobody has checked."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter as shown. ``place``: ``queue``, or ``parked`` for the table.

    ``id`` is SQS' message id in the queue and the body's digest in the table. ``sent_at_ms``: when
    it became a dead letter; of those that SQS moved, when the message was first sent. ``events``,
    ``matches`` and ``games`` are told by its records as far as they can be read.
    """

    place: str
    id: str
    reason: str
    detail: str
    sent_at_ms: int
    receives: int
    redrives: int
    bytes: int
    events: list[str]
    matches: list[str]
    games: list[str]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters are meant; unset parts match all.

    ``sent_from_ms`` and ``sent_to_ms`` bound ``sent_at_ms``, both included.
    """

    id: str | None = None
    reason: str | None = None
    match: str | None = None
    game: str | None = None
    sent_from_ms: int | None = None
    sent_to_ms: int | None = None

    def __contains__(self, letter: Letter) -> bool:
        return (
            self.id in (None, letter.id)
            and self.reason in (None, letter.reason)
            and (self.match is None or self.match in letter.matches)
            and (self.game is None or self.game in letter.games)
            and (self.sent_from_ms is None or letter.sent_at_ms >= self.sent_from_ms)
            and (self.sent_to_ms is None or letter.sent_at_ms <= self.sent_to_ms)
        )


def describe(message: Message) -> Letter:
    """A message of the dead-letter queue in words."""
    named = [_names(raw) for raw in _raws(message.body)]
    return Letter(
        place="queue",
        id=message.id,
        reason=message.attributes.get("reason", RECEIVED_TOO_OFTEN),
        detail=message.attributes.get("detail", ""),
        sent_at_ms=message.sent_at_ms,
        receives=message.receives,
        redrives=redrives(message),
        bytes=len(message.body.encode("utf-8", "replace")),
        events=[names["id"] for names in named if "id" in names],
        matches=sorted({names["match"] for names in named if "match" in names}),
        games=sorted({names["game"] for names in named if "game" in names}),
    )


def redrives(message: Message) -> int:
    """How often it has been sent back."""
    text = message.attributes.get(REDRIVES, "0")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def records(body: str) -> list[dict[str, Any]]:
    """A body's records: the readable ones whole, of the others text and error."""
    found: list[dict[str, Any]] = []
    for raw in _raws(body):
        try:
            record = decode_chunk(raw) if is_chunk(raw) else decode_record(raw)
            found.append(msgspec.to_builtins(record))
        except BadBody as error:
            found.append({"error": str(error), "text": raw.decode("utf-8", "replace")})
    return found


def parked_id(body: str) -> str:
    """The id under which a letter is parked: the same letter, delivered twice, has one."""
    return hashlib.sha256(body.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _raws(body: str) -> list[bytes]:
    try:
        return decode_bundle(body)
    except BadBody:
        return []


def _names(raw: bytes) -> dict[str, str]:
    """What a record, perhaps a bad one, says of ``id``, ``match`` and ``game``."""
    try:
        record = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(record, dict):
        return {}
    found = {name: record.get(name) for name in ("id", "match", "game")}
    found["id"] = found["id"] or record.get("chunk")
    return {
        name: text
        for name, text in found.items()
        if isinstance(text, str) and 0 < len(text) <= NAME_CHARS_MAX and text.isprintable()
    }
