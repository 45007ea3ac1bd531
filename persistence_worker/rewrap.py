"""Wraps data keys anew under another KMS key: the way off a key that is to be retired.

KMS rotates a key's material by itself, and still unwraps what it wrapped before: that needs
nothing. This is for another key. What is sealed stays as it is; only ``data_keys`` changes, a key
at a time, so that it may be cut short anywhere and done again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gameserver.wire.envelope import key_id_of
from persistence_worker.kms import Kms
from persistence_worker.postgres import Database

KEYS_AT_ONCE = 100


class Rewrapped(msgspec.Struct, kw_only=True):
    """What was done, or with ``dry_run`` would be."""

    under: str
    keys: int = 0
    dry_run: bool = False


async def rewrap(
    database: Database, kms: Kms, *, under: str, older_than: timedelta, dry_run: bool
) -> Rewrapped:
    """Wrap every data key under the KMS key ``under`` that is not, and was wrapped longer ago.

    Raises ``KeysUnavailable`` and ``DatabaseUnavailable``; what is done until then is done.
    """
    done = Rewrapped(under=await kms.arn(under), dry_run=dry_run)
    async with database.chore() as (connection, _):
        before: datetime = await connection.fetchval("SELECT now()") - older_than
    last = ""
    while True:
        async with database.chore() as (connection, statements):
            rows = await connection.fetch(
                statements["keys_to_rewrap"], last, before, done.under, KEYS_AT_ONCE
            )
        for row in rows:
            if not dry_run:
                key_id = key_id_of(row["key_id"])
                wrapped = await kms.rewrap(key_id, row["wrapped"], under=done.under)
                async with database.chore() as (connection, statements):
                    await connection.execute(
                        statements["rewrap_key"], row["key_id"], wrapped, done.under
                    )
            done.keys += 1
        if len(rows) < KEYS_AT_ONCE:
            return done
        last = rows[-1]["key_id"]
