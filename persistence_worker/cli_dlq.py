"""``dlq list | show | redrive``: tables for people, ``--json`` for programs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from persistence_worker import dlq
from persistence_worker.config import Config
from persistence_worker.dlq import Letter, Redriven, Selection
from persistence_worker.errors import UsageError
from persistence_worker.messages import Message

EVENTS_SHOWN = 3


def add_verbs(parser: argparse.ArgumentParser, *, command: Callable[..., int]) -> None:
    """The verbs below ``dlq``."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    listing = verbs.add_parser("list", help="list dead letters without consuming them")
    _add_selection(listing, limit=100)
    listing.set_defaults(command=command, verb=_list)

    show = verbs.add_parser("show", help="show one dead letter with its records")
    show.add_argument("message_id", metavar="MESSAGE_ID", help="as `dlq list` prints it")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(command=command, verb=_show)

    redrive = verbs.add_parser(
        "redrive", help="send dead letters back to the queue; harmless if repeated"
    )
    _add_selection(redrive, limit=1_000)
    redrive.add_argument("--id", metavar="MESSAGE_ID", help="only this one")
    redrive.add_argument("--dry-run", action="store_true", help="say what would be sent back")
    redrive.set_defaults(command=command, verb=_redrive)


def _add_selection(parser: argparse.ArgumentParser, *, limit: int) -> None:
    parser.add_argument(
        "--limit",
        type=_limit,
        default=limit,
        metavar="N",
        help=f"at most N messages, 1 to {dlq.SCAN_MAX} (default {limit})",
    )
    parser.add_argument("--reason", metavar="WORD", help="only those with this reason")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= dlq.SCAN_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {dlq.SCAN_MAX}")
    return int(text)


async def run(arguments: argparse.Namespace, config: Config) -> int:
    """Carry out a verb; raises ``UsageError`` and ``QueueUnavailable``."""
    from persistence_worker.queues import open_queues  # loads the AWS libraries

    started_ms = time.time_ns() // 1_000_000
    async with open_queues(config) as (queue, dead_letters):
        return int(await arguments.verb(arguments, queue, dead_letters, started_ms))


async def _list(arguments: argparse.Namespace, _: Any, dead_letters: Any, __: int) -> int:
    selection = Selection(reason=arguments.reason)
    messages = await dlq.peek(dead_letters, limit=arguments.limit, selection=selection)
    letters = [dlq.describe(message) for message in messages]
    if arguments.json:
        _print_json(letters)
    else:
        _print_letters(letters, limit=arguments.limit)
    return 0


async def _show(arguments: argparse.Namespace, _: Any, dead_letters: Any, __: int) -> int:
    selection = Selection(message_id=arguments.message_id)
    found = await dlq.peek(dead_letters, limit=1, selection=selection)
    if not found:
        raise UsageError(
            f"no dead letter {arguments.message_id!r} can be seen now; "
            "`dlq list` prints those that can"
        )
    message = found[0]
    shown = {
        "letter": dlq.describe(message),
        "attributes": message.attributes,
        "records": dlq.records(message),
        "body": message.body,
    }
    if arguments.json:
        _print_json(shown)
    else:
        _print_letter(message)
    return 0


async def _redrive(
    arguments: argparse.Namespace, queue: Any, dead_letters: Any, started_ms: int
) -> int:
    done = await dlq.redrive(
        dead_letters,
        queue,
        limit=arguments.limit,
        selection=Selection(reason=arguments.reason, message_id=arguments.id),
        started_ms=started_ms,
        dry_run=arguments.dry_run,
    )
    if arguments.json:
        _print_json(done)
    else:
        _print_redriven(done)
    return 1 if done.failed else 0


def _print_json(value: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _print_letters(letters: Sequence[Letter], *, limit: int) -> None:
    if not letters:
        print("no dead letters")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("MESSAGE ID", "SENT", "REASON", "REDRIVES", "EVENTS", "DETAIL"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        more = len(letter.events) - EVENTS_SHOWN
        events = " ".join(letter.events[:EVENTS_SHOWN]) + (f" +{more}" if more > 0 else "")
        cells = (letter.id, _moment(letter.sent_at_ms), letter.reason, str(letter.redrives))
        # As Text: what came over the wire may hold rich's markup.
        table.add_row(*(Text(cell) for cell in (*cells, events, letter.detail)))
    Console().print(table)
    if len(letters) == limit:
        print(f"the first {limit}; --limit shows more")


def _print_letter(message: Message) -> None:
    letter = dlq.describe(message)
    table = Table(box=None, pad_edge=False, show_header=False)
    rows = {
        "message id": letter.id,
        "reason": letter.reason,
        "detail": letter.detail,
        "sent": _moment(letter.sent_at_ms),
        "receives": str(letter.receives),
        "redrives": str(letter.redrives),
        "source": message.attributes.get("source_message_id", ""),
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    Console().print(table)
    found = dlq.records(message)
    for record in found:
        print(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())
    if not found:
        print(message.body.encode("utf-8", "backslashreplace").decode())


def _print_redriven(done: Redriven) -> None:
    if done.dry_run:
        print(f"{len(done.moved)} would be sent back")
    else:
        print(f"{len(done.moved)} sent back")
    for message_id in done.moved:
        print(f"  {message_id}")
    for message_id in done.failed:
        print(f"  {message_id}: not moved completely; repeat the command")


def _moment(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000))
