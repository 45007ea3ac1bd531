"""Dead letters, as operators reach them through the server: orders that a worker carries out.

HTTP API ──order──► letter_orders (PostgreSQL) ──► persistence_worker.orders ──► SQS, parked_events
        ◄─outcome──                            ◄── what came of it

The server may write orders down and read what came of them. It can neither read nor empty a queue,
and the worker, which can, listens to nobody from outside.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

import msgspec


class Verb(StrEnum):
    """What is done to letters; the first two only look."""

    LIST = "list"
    SHOW = "show"
    REDRIVE = "redrive"
    PARK = "park"
    DISCARD = "discard"


class Place(StrEnum):
    """Where letters lie."""

    QUEUE = "queue"
    PARKED = "parked"
    ALL = "all"


class LetterOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker shall do. Empty parts of the selection match all. ``dry_run``: only say which
    letters are meant. ``who`` and ``why`` are kept with what was done."""

    verb: Verb
    place: Place = Place.ALL
    letter: str = ""
    code: str = ""
    game: str = ""
    match: str = ""
    limit: int = 100
    dry_run: bool = False
    who: str = ""
    why: str = ""


class OrderState(StrEnum):
    """How far a worker is with an order."""

    ASKED = "asked"  # none has taken it
    TAKEN = "taken"
    DONE = "done"
    FAILED = "failed"


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """An order and what came of it. ``answer``: the worker's, once it is done and for as long as it
    is kept; ``failure``: why it is not done. Wall times in ms."""

    id: str
    order: LetterOrder
    asked_ms: int
    done_ms: int | None
    state: OrderState
    answer: dict[str, Any] | None
    failure: str


class QueueSample(msgspec.Struct, frozen=True, kw_only=True):
    """What workers saw at ``at_ms`` (wall time). ``visible``, ``held`` and ``delayed``: messages of
    the queue; ``oldest_age_ms``: of the oldest event that is not stored, 0 if there is none."""

    at_ms: int
    workers: int
    visible: int
    held: int
    delayed: int
    dead_letters: int
    parked: int
    oldest_age_ms: int


class LetterDesk(Protocol):
    """Every method raises ``RecordsUnavailable``."""

    async def order(self, order_id: str, order: LetterOrder) -> None:
        """Ask the workers; the same id again has no effect. Raises ``LettersNotAllowed`` too."""

    async def outcome(self, order_id: str) -> Ordered | None:
        """How far it is; ``None`` for one that is not known."""

    async def orders(self, limit: int) -> list[Ordered]:
        """Those that change something, newest first, without answers."""

    async def samples(self, after_ms: int) -> list[QueueSample]:
        """Of the last hour, younger than ``after_ms``, oldest first."""
