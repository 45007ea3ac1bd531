"""Puts the worker together and ends it in order; the only place that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import time

from persistence_worker.apply import PostgresSink
from persistence_worker.config import Config, redacted
from persistence_worker.health import Health
from persistence_worker.http_status import serve as serve_http
from persistence_worker.metrics import Metrics
from persistence_worker.postgres import Database
from persistence_worker.queues import open_queues
from persistence_worker.worker import Limits, Worker

logger = logging.getLogger(__name__)

EXIT_AT_ONCE = 130


async def run(config: Config) -> int:
    """Work until SIGTERM or SIGINT, then drain; a second signal ends at once. The exit code."""
    stop, now = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: now.set() if stop.is_set() else stop.set())
    logger.info("starting", extra={"settings": redacted(config)})
    work = asyncio.create_task(_work(config, stop))
    hurry = asyncio.create_task(now.wait())
    try:
        await asyncio.wait({work, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            logger.warning("second signal: ending at once")
            work.cancel()
            await asyncio.wait({work})
            return EXIT_AT_ONCE
        work.result()
        return 0
    finally:
        hurry.cancel()


async def _work(config: Config, stop: asyncio.Event) -> None:
    metrics = Metrics()
    health = Health(metrics)
    database = await Database.open(
        config.postgres_dsn,
        connections_max=config.pool_connections_max,
        timeout_s=config.postgres_timeout_ms / 1000,
        connect_s=config.postgres_connect_ms / 1000,
        statement_cache=config.statement_cache,
    )
    try:
        async with (
            open_queues(config) as (queue, dead_letters),
            serve_http(config.http_host, config.http_port, health=health, metrics=metrics),
        ):
            worker = Worker(
                queue=queue,
                dead_letters=dead_letters,
                sink=PostgresSink(database, jitter=random.random),
                ping=database.ping,
                limits=limits(config),
                health=health,
                metrics=metrics,
                now_ms=lambda: time.time_ns() // 1_000_000,
                jitter=random.random,
            )
            await worker.run(stop)
    finally:
        await database.close()
    logger.info("stopped")


def limits(config: Config) -> Limits:
    """The worker's share of the settings."""
    return Limits(
        receivers=config.receivers,
        # A batch under way needs one connection, and a waiting one would only delay the others.
        appliers=config.pool_connections_max,
        receive_wait_s=config.receive_wait_s,
        visibility_s=config.visibility_s,
        buffer_messages_max=config.buffer_messages_max,
        buffer_bytes_max=config.buffer_bytes_max,
        batch_records_max=config.batch_records_max,
        attempts_max=config.attempts_max,
        drain_ms=config.drain_ms,
    )
