"""Orders about dead letters, by way of PostgreSQL; see ``gameserver.letters``.

They go over the connections of ``postgres_reads``, whose transactions are read-only unless they say
otherwise. The one that writes does; beside that the role needs INSERT on one table.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.errors import LettersNotAllowed, RecordsUnavailable
from gameserver.letters import LetterOrder, Ordered, OrderState, QueueSample
from gameserver.records.statements import statements_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATEMENTS = statements_of("gameserver.records", "letters.sql")


class PostgresLetters:
    """Implements ``letters.LetterDesk``."""

    def __init__(self, reads: PostgresReads) -> None:
        self._reads = reads

    async def order(self, order_id: str, order: LetterOrder) -> None:
        """See ``LetterDesk``."""
        given = msgspec.to_builtins(order)
        for name in ("verb", "who", "why"):
            del given[name]
        try:
            await self._reads.write(
                _STATEMENTS["order"],
                order_id,
                order.verb.value,
                msgspec.json.encode(given).decode(),
                order.who,
                order.why,
            )
        except RecordsUnavailable as error:
            if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
                raise LettersNotAllowed(str(error.__cause__)) from error
            raise

    async def outcome(self, order_id: str) -> Ordered | None:
        """See ``LetterDesk``."""
        rows = await self._reads.fetch(_STATEMENTS["outcome"], order_id)
        return _ordered(rows[0]) if rows else None

    async def orders(self, limit: int) -> list[Ordered]:
        """See ``LetterDesk``."""
        return [_ordered(row) for row in await self._reads.fetch(_STATEMENTS["orders"], limit)]

    async def samples(self, after_ms: int) -> list[QueueSample]:
        """See ``LetterDesk``."""
        after = _EPOCH + timedelta(milliseconds=max(0, after_ms))
        return [
            QueueSample(
                at_ms=_ms(row["at"]),
                workers=row["workers"],
                visible=row["visible"],
                held=row["held"],
                delayed=row["delayed"],
                dead_letters=row["dead_letters"],
                parked=row["parked"],
                oldest_age_ms=round(row["oldest_age_s"] * 1000),
            )
            for row in await self._reads.fetch(_STATEMENTS["samples"], after)
        ]


def _ordered(row: Any) -> Ordered:
    if row["failure"]:
        state = OrderState.FAILED
    elif row["done_at"] is not None:
        state = OrderState.DONE
    else:
        state = OrderState.ASKED if row["taken_at"] is None else OrderState.TAKEN
    given = msgspec.json.decode(row["given"])
    order = {"verb": row["verb"], "who": row["who"], "why": row["why"], **given}
    return Ordered(
        id=row["order_id"],
        order=msgspec.convert(order, LetterOrder),
        asked_ms=_ms(row["asked_at"]),
        done_ms=None if row["done_at"] is None else _ms(row["done_at"]),
        state=state,
        answer=None if row["answer"] is None else msgspec.json.decode(row["answer"]),
        failure=row["failure"],
    )


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
