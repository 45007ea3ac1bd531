"""The commands ``maintain``, ``rebuild``, ``rewrap``, ``carry`` and ``compare``: what is printed,
and whether all is well."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from persistence_worker import carry as carrying
from persistence_worker import rebuild as anew
from persistence_worker import rewrap as rewrapping
from persistence_worker.apply import PostgresSink
from persistence_worker.config import Config, rules
from persistence_worker.databases import open_database
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.kms import open_kms
from persistence_worker.postgres import Database
from persistence_worker.service import maintainer, pseudonymizer

STATEMENT_S = 86_400.0
"""Of one statement: these may have a lot to move."""


class Said(NamedTuple):
    """What a command prints, and whether its exit code is 0."""

    text: str
    well: bool = True


async def maintain(config: Config) -> Said:
    """Do all that is due, now."""
    async with _opened(config) as database:
        done = await maintainer(database, config).run()
    told = (
        f"partitions: {done.partitions_added} added, {done.partitions_dropped} dropped, "
        f"{done.partitions} in all; {done.events_expired} other events and "
        f"{done.boards_expired} daily boards expired; {done.matches_caught_up} matches caught up"
    )
    return Said(f"{told}; cut short, because a worker is at it as well" if done.busy else told)


async def rebuild(config: Config) -> Said:
    """Count everything anew."""
    async with _opened(config) as database:
        count = await anew.rebuild(database, rules(config))
    return Said(f"{count} matches counted anew")


async def rewrap(config: Config, *, under: str, older_than: timedelta, dry_run: bool) -> Said:
    """Wrap data keys anew."""
    async with _opened(config) as database, open_kms(config) as kms:
        done = await rewrapping.rewrap(
            database, kms, under=under, older_than=older_than, dry_run=dry_run
        )
    would = "would be wrapped" if dry_run else "wrapped"
    return Said(f"{done.keys} data keys {would} anew under {done.under}")


async def carry(config: Config, *, since: datetime, json: bool) -> Said:
    """Store what the other database holds and this one does not."""
    async with _opened(_other(config)) as source, _opened(config) as database:
        sink = PostgresSink(
            database,
            jitter=random.random,
            rules=rules(config),
            pseudonyms=pseudonymizer(config),
        )
        await carrying.carry_erasures(source, database)
        done = await carrying.carry(source, sink, since=since)
    if json:
        return Said(_json(done), not done.refused)
    lines = [
        f"{done.read} events read: {done.stored} stored now, {done.present} were there, "
        f"{done.refused} refused",
        *(f"  {refusal}" for refusal in done.refusals),
    ]
    return Said("\n".join(lines), not done.refused)


async def compare(config: Config, *, json: bool) -> Said:
    """Look whether this and the other database say the same."""
    async with _opened(_other(config)) as there, _opened(config) as here:
        tables = await carrying.compare(here, there)
    well = all(each.equal for each in tables)
    if json:
        return Said(_json(tables), well)
    lines = [f"{'TABLE':<14}{'HERE':>12}{'THERE':>12}  ROWS"]
    lines += [
        f"{each.table:<14}{each.rows_here:>12}{each.rows_there:>12}  "
        f"{'the same' if each.equal else 'differ'}"
        for each in tables
    ]
    return Said("\n".join(lines), well)


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _other(config: Config) -> Config:
    return msgspec.structs.replace(config, postgres_dsn=config.other_postgres_dsn)


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Database]:
    try:
        async with open_database(config, connections_max=1, timeout_s=STATEMENT_S) as database:
            yield database
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"PostgreSQL: {error}", kind=error.kind) from error
