"""How dead letters are printed: tables on a terminal, lines with tabs elsewhere, or JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from persistence_worker.dlq import Done
from persistence_worker.letters import Letter
from persistence_worker.messages import Depth
from persistence_worker.parked import Count

EVENTS_SHOWN = 3


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One letter whole; the last three are known of parked ones."""

    letter: Letter
    attributes: dict[str, str]
    records: list[dict[str, Any]]
    body: str
    first_at_ms: int | None = None
    parked_at_ms: int | None = None
    schema: str | None = None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What waits: the two queues' depths, and dead letters by reason and games."""

    queue: Depth
    dead_letters: Depth
    in_queue: list[Count]
    parked: list[Count]


def as_json(value: Any) -> None:
    """Print for programs."""
    # A lone surrogate in a body is no character; it is written out as an escape.
    text = msgspec.json.format(msgspec.json.encode(_printable(value)), indent=2).decode()
    print(text)


def letters(found: Sequence[Letter], *, limit: int) -> None:
    """Print a list."""
    if not found:
        print("no dead letters")
        return
    rows = []
    for each in found:
        more = len(each.events) - EVENTS_SHOWN
        events = " ".join(each.events[:EVENTS_SHOWN]) + (f" +{more}" if more > 0 else "")
        rows.append(
            (
                each.place,
                each.id,
                _moment(each.sent_at_ms),
                each.reason,
                str(each.redrives),
                events,
                each.detail,
            )
        )
    _table(("PLACE", "ID", "SENT", "REASON", "REDRIVES", "EVENTS", "DETAIL"), rows)
    places = [each.place for each in found]
    if any(places.count(place) == limit for place in set(places)):
        print(f"the first {limit} of a place; --limit shows more")


def letter(shown: Shown, *, json: bool) -> None:
    """Print one letter with its records, or its body where there are none to be read."""
    if json:
        as_json(shown)
        return
    found = shown.letter
    rows = [
        ("place", found.place),
        ("id", found.id),
        ("reason", found.reason),
        ("detail", found.detail),
        ("sent", _moment(found.sent_at_ms)),
        ("redrives", str(found.redrives)),
        ("source", shown.attributes.get("source_message_id", "")),
    ]
    if shown.first_at_ms is not None and shown.parked_at_ms is not None:
        rows.append(("first sent", _moment(shown.first_at_ms)))
        rows.append(("parked", _moment(shown.parked_at_ms)))
        rows.append(("schema", shown.schema or ""))
    else:
        rows.append(("receives", str(found.receives)))
    _table((), rows)
    for record in shown.records:
        as_json(record)
    if not shown.records:
        print(_printable(shown.body))


def stats(found: Stats, *, json: bool) -> None:
    """Print counts."""
    if json:
        as_json(found)
        return
    depths = [
        (name, str(depth.visible), str(depth.held), str(depth.delayed))
        for name, depth in (("queue", found.queue), ("dead letters", found.dead_letters))
    ]
    _table(("MESSAGES", "VISIBLE", "HELD", "DELAYED"), depths)
    rows = [
        (place, each.reason, " ".join(each.games), str(each.letters), _moment(each.oldest_ms))
        for place, counts in (("queue", found.in_queue), ("parked", found.parked))
        for each in counts
    ]
    if rows:
        print()
        _table(("PLACE", "REASON", "GAMES", "LETTERS", "OLDEST"), rows)


def done(did: Done, what: str, *, json: bool) -> int:
    """Print what a command did; its exit code."""
    if json:
        as_json(did)
    else:
        print(f"{len(did.moved)} {'would be ' if did.dry_run else ''}{what}")
        for letter_id in did.moved:
            print(f"  {letter_id}")
        for letter_id in did.failed:
            print(f"  {letter_id}: not done completely; repeat the command")
    return 1 if did.failed else 0


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console = Console()
    if not console.is_terminal:
        for row in (head, *rows) if head else rows:
            print("\t".join(_one_line(cell) for cell in row))
        return
    table = Table(box=None, pad_edge=False, show_header=bool(head))
    for name in head or rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        # As Text: what came over the wire may hold rich's markup.
        table.add_row(*(Text(_one_line(cell)) for cell in row))
    console.print(table)


def _one_line(text: str) -> str:
    """Without what would move the cursor or break the line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Shown):
        return msgspec.structs.replace(value, body=_printable(value.body))
    return value


def _moment(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000))
