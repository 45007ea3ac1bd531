"""The worker that one would write first: a message is one event, an INSERT, a commit, a delete.

    python -m bench.plain_worker QUEUE_URL ENDPOINT_URL DSN MESSAGES

It has the same libraries under it (uvloop, aiobotocore, asyncpg with prepared statements) and
stores nothing but the event. Ends after MESSAGES and prints how long they took, in s.
"""

from __future__ import annotations

import sys
import time

import asyncpg
import uvloop

from gameserver.wire import event_record as wire
from persistence_worker import intake
from persistence_worker.apply import event_columns
from persistence_worker.sqs import open_client

INSERT = """
INSERT INTO events (match_id, seq, kind, player, game, mode, epoch, tick, at, data, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9::bigint / 1000.0), $10::jsonb, $11)
ON CONFLICT (match_id, seq) DO NOTHING
"""


async def run(queue_url: str, endpoint_url: str, dsn: str, messages: int) -> float:
    """Seconds for so many messages."""
    connection = await asyncpg.connect(dsn)
    async with open_client(
        endpoint_url=endpoint_url, region="eu-central-1", connections_max=1, timeout_s=10, wait_s=5
    ) as sqs:
        began = time.perf_counter()
        for _ in range(messages):
            answer = await sqs.receive_message(
                QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=5
            )
            (message,) = answer["Messages"]
            (raw,) = wire.decode_bundle(message["Body"])
            row = [column[0] for column in event_columns([intake.prepare(raw)])]
            await connection.execute(INSERT, *row)
            await sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        spent = time.perf_counter() - began
    await connection.close()
    return spent


if __name__ == "__main__":
    queue_url, endpoint_url, dsn, messages = sys.argv[1:]
    print(uvloop.run(run(queue_url, endpoint_url, dsn, messages=int(messages))))
