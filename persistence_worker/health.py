"""What the worker knows of the services it stands between."""

from __future__ import annotations

import asyncio
import logging

from persistence_worker.errors import DatabaseUnavailable, QueueUnavailable
from persistence_worker.metrics import Metrics
from persistence_worker.retry import ErrorKind

logger = logging.getLogger(__name__)


class Health:
    """PostgreSQL counts as down until it has answered once; SQS as up until it has failed."""

    def __init__(self, metrics: Metrics) -> None:
        self.draining = False
        self._metrics = metrics
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._down.set()
        self._database_error = "not yet connected"
        self._queue_error = ""
        metrics.queue_up.set(1)

    def database_failed(self, error: DatabaseUnavailable) -> None:
        """Stop receiving until ``database_answered``."""
        if self._up.is_set() or self._database_error != str(error):
            level = logging.ERROR if error.kind is ErrorKind.DATABASE_SCHEMA else logging.WARNING
            logger.log(
                level,
                "database unavailable, receiving nothing more",
                extra={"kind": error.kind.value, "error": str(error)},
            )
        self._database_error = str(error)
        self._up.clear()
        self._down.set()
        self._metrics.database_up.set(0)

    def database_answered(self) -> None:
        """Events can be stored again."""
        if not self._up.is_set():
            logger.info("database available")
        self._database_error = ""
        self._down.clear()
        self._up.set()
        self._metrics.database_up.set(1)

    @property
    def database_is_up(self) -> bool:
        """Whether PostgreSQL took events when it was last asked."""
        return self._up.is_set()

    async def database_up(self) -> None:
        """Wait until PostgreSQL answers."""
        await self._up.wait()

    async def database_down(self) -> None:
        """Wait until PostgreSQL does not answer."""
        await self._down.wait()

    def queue_failed(self, error: QueueUnavailable) -> None:
        """Note that SQS did not answer."""
        if not self._queue_error:
            logger.warning("queue unavailable", extra={"error": str(error)})
        self._queue_error = str(error)
        self._metrics.queue_up.set(0)

    def queue_answered(self) -> None:
        """Note that SQS answered."""
        if self._queue_error:
            logger.info("queue available")
            self._queue_error = ""
        self._metrics.queue_up.set(1)

    def complaints(self) -> dict[str, str]:
        """Why the worker does not do its work just now; empty = it does."""
        found = {"database": self._database_error, "queue": self._queue_error}
        if self.draining:
            found["worker"] = "draining"
        return {name: why for name, why in found.items() if why}
