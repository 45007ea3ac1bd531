"""``dlq list | show | redrive | park | discard | stats``, for the queue and the parked table.

Verbs that look see both places; verbs that change something change the queue's letters unless
``--place`` says otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec

from persistence_worker import cli_show, dlq
from persistence_worker.config import DATABASE, QUEUES, Config, need
from persistence_worker.dlq import Done, Found
from persistence_worker.errors import DatabaseUnavailable, UsageError
from persistence_worker.letters import Letter, Selection, records
from persistence_worker.pace import Pace
from persistence_worker.parked import Count, Discarding, Parked

PLACES = ("queue", "parked", "all")
_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb works on; what it has no use for is ``None``."""

    queue: Any = None
    dead_letters: Any = None
    parked: Any = None
    opener: Any = None
    started_ms: int


Verb = Callable[[argparse.Namespace, Open], Awaitable[int]]


def add_verbs(parser: argparse.ArgumentParser, *, command: Callable[..., int]) -> None:
    """The verbs below ``dlq``."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(name: str, verb: Verb, meaning: str, *, queue: bool, database: bool) -> Any:
        one = verbs.add_parser(name, help=meaning, description=meaning)
        # `queue` and `database`: needed whatever the place.
        one.set_defaults(command=command, verb=verb, needs=(queue, database), place="queue")
        one.add_argument("--json", action="store_true", help="print JSON")
        return one

    one = add("list", _list, "list dead letters, consuming none", queue=False, database=False)
    _add_place(one, default="all")
    _add_selection(one, limit=100)
    one = add("show", _show, "show one dead letter whole", queue=False, database=False)
    _add_place(one, default="all")
    one.add_argument("id", metavar="ID", help="as `dlq list` prints it")
    one.add_argument(
        "--open", action="store_true", help="open sealed fields; needs the right to the KMS key"
    )
    one = add("stats", _stats, "count what waits, by reason", queue=True, database=False)
    _add_place(one, default="all")
    one = add(
        "redrive", _redrive, "send letters to the queue again: harmless", queue=True, database=False
    )
    _add_place(one, default="queue")
    _add_selection(one, limit=1_000)
    _add_change(one)
    one = add(
        "park", _park, "move letters from the queue into the table", queue=True, database=True
    )
    _add_selection(one, limit=1_000)
    _add_change(one)
    one = add("discard", _discard, "throw letters away for good", queue=False, database=True)
    _add_place(one, default="queue")
    _add_selection(one, limit=1_000)
    _add_change(one)
    one.add_argument("--why", required=True, metavar="TEXT", help="kept in discarded_letters")
    one.add_argument("--who", default=_whoami(), metavar="NAME", help="default %(default)s")
    one.add_argument("--yes", action="store_true", help="do not ask")


def _add_place(parser: argparse.ArgumentParser, *, default: str) -> None:
    parser.add_argument("--place", choices=PLACES, default=default, help=f"default {default}")


def _add_selection(parser: argparse.ArgumentParser, *, limit: int) -> None:
    parser.add_argument(
        "--limit",
        type=_limit,
        default=limit,
        metavar="N",
        help=f"at most N letters of a place, 1 to {dlq.SCAN_MAX} (default {limit})",
    )
    parser.add_argument("--id", metavar="ID", help="only this one")
    parser.add_argument("--reason", metavar="WORD", help="only those with this reason")
    parser.add_argument("--game", metavar="NAME", help="only those with a record of this game")
    parser.add_argument("--match", metavar="ID", help="only those with a record of this match")
    parser.add_argument(
        "--older", type=_age_ms, metavar="AGE", help="only those older than 90s, 15m, 2h, 3d, …"
    )
    parser.add_argument("--newer", type=_age_ms, metavar="AGE", help="only those newer than that")


def _add_change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--rate", type=_rate, metavar="N", help="at most N letters a second (default: no bound)"
    )


def _limit(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text[:9]) <= dlq.SCAN_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {dlq.SCAN_MAX}")
    return int(text)


def _rate(text: str) -> float:
    if not (re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) and float(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, such as 5 or 0.5")
    return float(text)


def _age_ms(text: str) -> int:
    parts = _AGE.fullmatch(text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age such as 90s, 15m, 2h or 3d")
    return int(parts[1]) * _UNITS_S[parts[2]] * 1000


def age(text: str) -> timedelta:
    """``90s``, ``15m``, ``2h``, ``3d``. Raises ``ArgumentTypeError``."""
    return timedelta(milliseconds=_age_ms(text))


def _whoami() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        # In a container there may be a user without a name.
        return f"unknown@{socket.gethostname()}"


async def run(arguments: argparse.Namespace, config: Config) -> int:
    """Carry out a verb; raises ``ConfigError``, ``UsageError`` and ``Unavailable``."""
    queue, database = arguments.needs
    queue = queue or arguments.place != "parked"
    hint = "" if database else "; `--place queue` needs no database"
    database = database or arguments.place != "queue"
    need(config, (QUEUES if queue else ()) + (DATABASE if database else ()))
    opening = bool(getattr(arguments, "open", False))
    async with _opened(config, queue=queue, database=database, opening=opening) as places:
        try:
            return int(await arguments.verb(arguments, places))
        except DatabaseUnavailable as error:
            raise DatabaseUnavailable(f"PostgreSQL: {error}{hint}", kind=error.kind) from error


@asynccontextmanager
async def _opened(
    config: Config, *, queue: bool, database: bool, opening: bool
) -> AsyncIterator[Open]:
    # They load libraries that other commands have no use for.
    from persistence_worker.databases import open_database
    from persistence_worker.kms import open_kms
    from persistence_worker.opener import Opener
    from persistence_worker.queues import open_queues

    started_ms = time.time_ns() // 1_000_000
    async with AsyncExitStack() as stack:
        pair: tuple[Any, Any] = (None, None)
        parked = opener = None
        if opening:
            # Letters carry their keys themselves.
            opener = Opener(await stack.enter_async_context(open_kms(config)), None)
        if queue:
            pair = await stack.enter_async_context(open_queues(config))
        if database:
            opened = await stack.enter_async_context(open_database(config, connections_max=1))
            parked = Parked(opened)
        yield Open(
            queue=pair[0],
            dead_letters=pair[1],
            parked=parked,
            opener=opener,
            started_ms=started_ms,
        )


def _selection(arguments: argparse.Namespace, now_ms: int) -> Selection:
    return Selection(
        id=arguments.id,
        reason=arguments.reason,
        match=arguments.match,
        game=arguments.game,
        sent_from_ms=None if arguments.newer is None else now_ms - arguments.newer,
        sent_to_ms=None if arguments.older is None else now_ms - arguments.older,
    )


async def _found(places: Open, place: str, selection: Selection, *, limit: int) -> list[Letter]:
    letters: list[Letter] = []
    if place != "parked":
        found = await dlq.peek(places.dead_letters, limit=limit, selection=selection)
        letters += [each.letter for each in found]
    if place != "queue":
        letters += await places.parked.letters(selection, limit=limit)
    return letters


async def _list(arguments: argparse.Namespace, places: Open) -> int:
    selection = _selection(arguments, places.started_ms)
    letters = await _found(places, arguments.place, selection, limit=arguments.limit)
    if arguments.json:
        cli_show.as_json(letters)
    else:
        cli_show.letters(letters, limit=arguments.limit)
    return 0


async def _show(arguments: argparse.Namespace, places: Open) -> int:
    if arguments.place != "queue":
        whole = await places.parked.show(arguments.id)
        if whole is not None:
            shown = cli_show.Shown(
                letter=whole.letter,
                attributes=whole.attributes,
                records=await _read(whole.body, places),
                body=whole.body,
                first_at_ms=whole.first_at_ms,
                parked_at_ms=whole.parked_at_ms,
                schema=whole.schema,
            )
            cli_show.letter(shown, json=arguments.json)
            return 0
    found: list[Found] = []
    if arguments.place != "parked":
        selection = Selection(id=arguments.id)
        found = await dlq.peek(places.dead_letters, limit=1, selection=selection)
    if not found:
        raise UsageError(
            f"no dead letter {arguments.id!r} can be seen now; `dlq list` prints those that can"
        )
    message = found[0].message
    shown = cli_show.Shown(
        letter=found[0].letter,
        attributes=dict(message.attributes),
        records=await _read(message.body, places),
        body=message.body,
    )
    cli_show.letter(shown, json=arguments.json)
    return 0


async def _read(body: str, places: Open) -> list[dict[str, Any]]:
    """A body's records, opened if that was asked for."""
    found = records(body)
    if places.opener is not None:
        for record in found:
            if "data" in record:
                key = record.get("key")
                record["data"] = await places.opener.data(record["data"], record["id"], key)
    return found


async def _stats(arguments: argparse.Namespace, places: Open) -> int:
    groups: dict[tuple[str, tuple[str, ...]], list[Letter]] = {}
    if arguments.place != "parked":
        for each in await dlq.peek(places.dead_letters, limit=dlq.SCAN_MAX):
            groups.setdefault((each.letter.reason, tuple(each.letter.games)), []).append(
                each.letter
            )
    in_queue = [
        Count(
            reason=reason,
            games=list(games),
            letters=len(letters),
            oldest_ms=min(letter.sent_at_ms for letter in letters),
        )
        for (reason, games), letters in sorted(groups.items())
    ]
    stats = cli_show.Stats(
        queue=await places.queue.depths(),
        dead_letters=await places.dead_letters.depths(),
        in_queue=in_queue,
        parked=await places.parked.counts() if arguments.place != "queue" else [],
    )
    cli_show.stats(stats, json=arguments.json)
    return 0


async def _redrive(arguments: argparse.Namespace, places: Open) -> int:
    async def act(found: Found) -> bool:
        return await dlq.send_back(places.dead_letters, places.queue, found)

    pace = Pace(arguments.rate)
    done = Done(moved=[], failed=[], dry_run=arguments.dry_run)
    if arguments.place != "parked":
        done = await _in_queue(arguments, places, act, pace)
    if arguments.place != "queue":
        more = await places.parked.redrive(
            places.queue,
            limit=arguments.limit,
            selection=_selection(arguments, places.started_ms),
            dry_run=arguments.dry_run,
            pace=pace,
        )
        done = _both(done, more)
    return cli_show.done(done, "sent back", json=arguments.json)


async def _park(arguments: argparse.Namespace, places: Open) -> int:
    async def act(found: Found) -> bool:
        await places.parked.park([found])
        return not await places.dead_letters.delete([found.message])

    done = await _in_queue(arguments, places, act, Pace(arguments.rate))
    return cli_show.done(done, "parked", json=arguments.json)


async def _discard(arguments: argparse.Namespace, places: Open) -> int:
    selection = _selection(arguments, places.started_ms)
    if not (arguments.yes or arguments.dry_run):
        letters = await _found(places, arguments.place, selection, limit=arguments.limit)
        if letters and not await asyncio.to_thread(_confirmed, len(letters)):
            raise UsageError("nothing was discarded")
    discarding = Discarding(who=arguments.who, why=arguments.why)

    async def act(found: Found) -> bool:
        await places.parked.note_discarded(found, discarding)
        return not await places.dead_letters.delete([found.message])

    pace = Pace(arguments.rate)
    done = Done(moved=[], failed=[], dry_run=arguments.dry_run)
    if arguments.place != "parked":
        done = await _in_queue(arguments, places, act, pace)
    if arguments.place != "queue":
        more = await places.parked.discard(
            discarding,
            limit=arguments.limit,
            selection=selection,
            dry_run=arguments.dry_run,
            pace=pace,
        )
        done = _both(done, more)
    return cli_show.done(done, "discarded", json=arguments.json)


def _confirmed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: discarding needs --yes")
    # On the error stream, so that --json stays JSON.
    print(f"Throw {count} dead letters away for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def _in_queue(arguments: argparse.Namespace, places: Open, act: dlq.Act, pace: Pace) -> Done:
    return await dlq.for_each(
        places.dead_letters,
        act,
        limit=arguments.limit,
        selection=_selection(arguments, places.started_ms),
        started_ms=places.started_ms,
        dry_run=arguments.dry_run,
        pace=pace,
    )


def _both(one: Done, other: Done) -> Done:
    return Done(
        moved=one.moved + other.moved, failed=one.failed + other.failed, dry_run=one.dry_run
    )
