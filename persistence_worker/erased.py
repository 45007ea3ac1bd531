"""Which players of a batch were erased, asked within the transaction that writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from persistence_worker.erasure import Pseudonymizer, mentioned, without
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import Event
from persistence_worker.retry import ErrorKind


class Erased:
    """``pseudonyms`` are needed as soon as a player was erased."""

    def __init__(self, statements: Mapping[str, str], pseudonyms: Pseudonymizer | None) -> None:
        self._statements = statements
        self._pseudonyms = pseudonyms

    async def left_out(self, connection: Any, events: list[Event]) -> list[Event]:
        """The events as they may be stored and counted. Reading the table also locks it a little:
        who erases a player waits for the transactions that have not seen it.

        Raises ``DatabaseUnavailable`` where nobody can tell who was erased."""
        if not events or not await connection.fetchval(self._statements["any_erased"]):
            return events
        if self._pseudonyms is None:
            raise DatabaseUnavailable(
                "players were erased: without WORKER_ERASURE_KEY nobody can tell which",
                kind=ErrorKind.DATABASE_SCHEMA,
            )
        pseudonyms = {self._pseudonyms.of(player): player for player in mentioned(events)}
        rows = await connection.fetch(self._statements["erased_among"], list(pseudonyms))
        erased = {pseudonyms[row["pseudonym"]]: row["pseudonym"] for row in rows}
        return [without(event, erased) for event in events] if erased else events
