"""The dead-letter queue for people: look without consuming, and send back.

SQS has no way to look at a queue: a message is received, and given back at once when the listing
is done. Whoever receives meanwhile does not see it for ``PEEK_S`` at most.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gameserver.wire.event_record import BadBody, decode_bundle, decode_record
from persistence_worker.errors import QueueUnavailable
from persistence_worker.messages import REDRIVES, Message, MessageQueue, Outgoing

logger = logging.getLogger(__name__)

PEEK_S = 60
SCAN_MAX = 10_000
"""So many messages are looked at, whatever is searched for."""

EMPTY_MAX = 2
"""So many receives in a row without anything new end a walk: one alone may miss messages."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter as shown. ``events``: the ids of its records that can be read."""

    id: str
    reason: str
    detail: str
    sent_at_ms: int
    receives: int
    redrives: int
    bytes: int
    events: list[str]


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """What a redrive did, or with ``dry_run`` would have done."""

    moved: list[str]
    failed: list[str]
    dry_run: bool


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters are meant; unset parts match all."""

    reason: str | None = None
    message_id: str | None = None

    def __contains__(self, message: Message) -> bool:
        if self.reason is not None and reason_of(message) != self.reason:
            return False
        return self.message_id is None or message.id == self.message_id


def reason_of(message: Message) -> str:
    """Why it is here; SQS itself moves messages without saying why."""
    return message.attributes.get("reason", "received_too_often")


def describe(message: Message) -> Letter:
    """A message in words."""
    return Letter(
        id=message.id,
        reason=reason_of(message),
        detail=message.attributes.get("detail", ""),
        sent_at_ms=message.sent_at_ms,
        receives=message.receives,
        redrives=_redrives(message),
        bytes=len(message.body.encode("utf-8", "replace")),
        events=[part["id"] for part in records(message) if "id" in part],
    )


def records(message: Message) -> list[dict[str, Any]]:
    """The message's records: the readable ones whole, of the others text and error."""
    try:
        raws = decode_bundle(message.body)
    except BadBody:
        return []
    found: list[dict[str, Any]] = []
    for raw in raws:
        try:
            found.append(msgspec.to_builtins(decode_record(raw)))
        except BadBody as error:
            found.append({"error": str(error), "text": raw.decode("utf-8", "replace")})
    return found


async def peek(
    queue: MessageQueue, *, limit: int, selection: Selection | None = None
) -> list[Message]:
    """Up to ``limit`` selected messages, oldest first; all are given back."""
    wanted = selection or Selection()
    async with _walk(queue, keep=lambda _: True) as messages:
        found: list[Message] = []
        async for message in messages:
            if message in wanted:
                found.append(message)
            if len(found) == limit:
                break
    return sorted(found, key=lambda message: message.sent_at_ms)


async def redrive(
    dead_letters: MessageQueue,
    queue: MessageQueue,
    *,
    limit: int,
    selection: Selection,
    started_ms: int,
    dry_run: bool = False,
) -> Redriven:
    """Send selected messages back to the queue, one after the other: sent first, then deleted.

    Repeating it does no harm, and neither does an interruption: what was sent but not deleted is
    applied once and found a duplicate the second time. A message that comes back as a dead letter
    while this runs (``started_ms``: wall time of the start) is not taken again.
    """
    if dry_run:
        letters = await peek(dead_letters, limit=limit, selection=selection)
        return Redriven(moved=[each.id for each in letters], failed=[], dry_run=True)
    moved: list[str] = []
    failed: list[str] = []
    gone: set[str] = set()
    async with _walk(dead_letters, keep=lambda message: message.id not in gone) as messages:
        async for message in messages:
            if message not in selection or message.sent_at_ms > started_ms:
                continue
            attributes = {REDRIVES: str(_redrives(message) + 1)}
            outgoing = Outgoing(body=message.body, attributes=attributes)
            if await queue.send([outgoing]) or await dead_letters.delete([message]):
                failed.append(message.id)
            else:
                moved.append(message.id)
                gone.add(message.id)
            if len(moved) + len(failed) == limit:
                break
    return Redriven(moved=moved, failed=failed, dry_run=False)


def _redrives(message: Message) -> int:
    text = message.attributes.get(REDRIVES, "0")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


@asynccontextmanager
async def _walk(
    queue: MessageQueue, *, keep: Callable[[Message], bool]
) -> AsyncIterator[AsyncIterator[Message]]:
    """Each message once; at the end those that ``keep`` names are given back."""
    seen: dict[str, Message] = {}

    async def messages() -> AsyncIterator[Message]:
        empty = 0
        while empty < EMPTY_MAX and len(seen) < SCAN_MAX:
            received = await queue.receive(wait_s=1, visibility_s=PEEK_S)
            new = [message for message in received if message.id not in seen]
            empty = 0 if new else empty + 1
            # The newest receipt is the one that counts, for those seen before as well.
            seen.update(
                (message.id, msgspec.structs.replace(message, body="")) for message in received
            )
            for message in new:
                yield message

    walk = messages()
    try:
        yield walk
    finally:
        await walk.aclose()  # type: ignore[attr-defined]
        left = [message for message in seen.values() if keep(message)]
        try:
            await queue.set_visibility(left, 0)
        except QueueUnavailable as error:
            # They come back by themselves after PEEK_S; what was found is worth more.
            logger.warning("not given back, invisible for a while", extra={"error": str(error)})
