"""Which workers live, and which of them does what only one need do: rows in PostgreSQL.

Rows and no advisory locks, which belong to a session and are lost on the way through a pooling
proxy. Two workers at one duty, for a moment, do no harm.
"""

from __future__ import annotations

from persistence_worker.postgres import Database

FORGET_S = 3_600.0
"""A row is kept for so long after its worker was last heard of."""


class Heartbeat:
    """This worker among the others. A worker lives if it beat within ``live_s``. Every method
    raises ``DatabaseUnavailable``."""

    def __init__(self, database: Database, *, worker_id: str, live_s: float) -> None:
        self._database = database
        self._worker_id = worker_id
        self._live_s = live_s

    async def beat(self) -> int:
        """Say that this worker lives; how many do, this one among them."""
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["beat"], self._worker_id)
            await connection.execute(statements["forget_workers"], FORGET_S)
            return int(await connection.fetchval(statements["live_workers"], self._live_s))

    async def take_duty(self, name: str, *, for_s: float) -> bool:
        """Take or renew a duty; whether it is ours for ``for_s`` from now."""
        async with self._database.chore() as (connection, statements):
            taken = await connection.fetch(statements["take_duty"], name, self._worker_id, for_s)
        return bool(taken)

    async def leave_duty(self, name: str) -> None:
        """Let another take it at once."""
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["leave_duty"], name, self._worker_id)

    async def end(self) -> None:
        """This worker is counted no longer."""
        async with self._database.chore() as (connection, statements):
            await connection.execute(statements["forget_worker"], self._worker_id)
