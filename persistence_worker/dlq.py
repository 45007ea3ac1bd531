"""The dead-letter queue: look without consuming, send back, park, throw away.

SQS has no way to look at a queue: a message is received, and given back at once when the walk is
over. Whoever receives meanwhile does not see it for ``PEEK_S`` at most.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import msgspec

from persistence_worker.errors import QueueUnavailable
from persistence_worker.letters import Letter, Selection, describe
from persistence_worker.messages import REDRIVES, Message, MessageQueue, Outgoing
from persistence_worker.pace import Pace

logger = logging.getLogger(__name__)

PEEK_S = 60
SCAN_MAX = 10_000
"""So many messages are looked at, whatever is searched for."""

EMPTY_MAX = 2
"""So many receives in a row without anything new end a walk: one alone may miss messages."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter and the message that it is."""

    letter: Letter
    message: Message


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did, or with ``dry_run`` would have done: ids. ``failed``: not completely;
    a repetition does the rest."""

    moved: list[str]
    failed: list[str]
    dry_run: bool


Act = Callable[[Found], Awaitable[bool]]
"""Does one thing with a letter and takes it out of the queue; whether all of it was done."""


async def peek(
    queue: MessageQueue, *, limit: int, selection: Selection | None = None, wait_s: int = 1
) -> list[Found]:
    """Up to ``limit`` selected letters, oldest first; all are given back."""
    wanted = selection or Selection()
    found: list[Found] = []
    async with walk(queue, keep=lambda _: True, wait_s=wait_s) as batches:
        async for batch in batches:
            found += [each for each in batch if each.letter in wanted]
            if len(found) >= limit:
                break
    return sorted(found[:limit], key=lambda each: each.letter.sent_at_ms)


async def for_each(
    dead_letters: MessageQueue,
    act: Act,
    *,
    limit: int,
    selection: Selection,
    started_ms: int,
    dry_run: bool,
    pace: Pace,
    wait_s: int = 1,
) -> Done:
    """``act`` on up to ``limit`` selected letters, one after the other.

    A message that comes back as a dead letter while this runs (``started_ms``: wall time of the
    start) is not taken again.
    """
    if dry_run:
        found = await peek(dead_letters, limit=limit, selection=selection, wait_s=wait_s)
        return Done(moved=[each.letter.id for each in found], failed=[], dry_run=True)
    moved: list[str] = []
    failed: list[str] = []
    gone: set[str] = set()
    async with walk(
        dead_letters, keep=lambda message: message.id not in gone, wait_s=wait_s
    ) as batches:
        async for batch in batches:
            for each in batch:
                if each.letter not in selection or each.letter.sent_at_ms > started_ms:
                    continue
                await pace()
                if await act(each):
                    moved.append(each.letter.id)
                    gone.add(each.message.id)
                else:
                    failed.append(each.letter.id)
                if len(moved) + len(failed) == limit:
                    return Done(moved=moved, failed=failed, dry_run=False)
    return Done(moved=moved, failed=failed, dry_run=False)


async def send_back(dead_letters: MessageQueue, queue: MessageQueue, found: Found) -> bool:
    """To the queue again: sent first, then deleted. Raises ``QueueUnavailable``.

    Repeating it does no harm, and neither does an interruption: what was sent but not deleted is
    applied once and found a duplicate the second time.
    """
    outgoing = redriven(found.message.body, found.letter.redrives)
    return not (await queue.send([outgoing]) or await dead_letters.delete([found.message]))


def redriven(body: str, redrives: int) -> Outgoing:
    """A dead letter on its way back, for the ``redrives + 1``-th time."""
    return Outgoing(body=body, attributes={REDRIVES: str(redrives + 1)})


@asynccontextmanager
async def walk(
    queue: MessageQueue, *, keep: Callable[[Message], bool], wait_s: int = 1, scan: int = SCAN_MAX
) -> AsyncIterator[AsyncIterator[list[Found]]]:
    """Each letter once, in the batches of the receives; at the end those that ``keep`` names are
    given back. ``scan``: so many are looked at."""
    seen: dict[str, Message] = {}

    async def batches() -> AsyncIterator[list[Found]]:
        empty = 0
        while empty < EMPTY_MAX and len(seen) < scan:
            received = await queue.receive(wait_s=wait_s, visibility_s=PEEK_S)
            new = [message for message in received if message.id not in seen]
            empty = 0 if new else empty + 1
            # The newest receipt is the one that counts, for those seen before as well.
            seen.update((message.id, _without_body(message)) for message in received)
            if new:
                yield [Found(letter=describe(message), message=message) for message in new]

    walking = batches()
    try:
        yield walking
    finally:
        await walking.aclose()  # type: ignore[attr-defined]
        await _give_back(queue, [message for message in seen.values() if keep(message)])


def _without_body(message: Message) -> Message:
    return msgspec.structs.replace(message, body="")


async def _give_back(queue: MessageQueue, messages: Iterable[Message]) -> None:
    try:
        await queue.set_visibility(list(messages), 0)
    except QueueUnavailable as error:
        # They come back by themselves after PEEK_S; what was found is worth more.
        logger.warning("not given back, invisible for a while", extra={"error": str(error)})
