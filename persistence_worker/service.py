"""Puts the worker together and ends it in order; the only place that knows all parts."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import socket
import time
import uuid
from collections.abc import Coroutine
from typing import Any

from gameserver.spans import Spans
from persistence_worker.apply import PostgresSink
from persistence_worker.cloudwatch import tell_cloudwatch
from persistence_worker.config import Config, redacted, rules
from persistence_worker.databases import open_database
from persistence_worker.erasure import Pseudonymizer
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.health import Health
from persistence_worker.heartbeat import Heartbeat
from persistence_worker.http_status import serve as serve_http
from persistence_worker.maintain import Limits as MaintainLimits
from persistence_worker.maintain import Maintainer
from persistence_worker.metrics import Metrics
from persistence_worker.monitor import Monitor
from persistence_worker.orders import Clerk, Orders
from persistence_worker.parked import Parked
from persistence_worker.postgres import Database
from persistence_worker.queues import open_queues
from persistence_worker.recordings import Recordings, drop_due
from persistence_worker.redriver import DUTY, RedriveLimits, Redriver
from persistence_worker.samples import Samples
from persistence_worker.traced import open_spans
from persistence_worker.worker import Limits, Worker

logger = logging.getLogger(__name__)

EXIT_AT_ONCE = 130
APPLIERS_PER_CONNECTION = 2
MISSED_MAX = 3
DAY_S = 86_400.0
GARBAGE_MIN = 20_000
"""New containers before they are looked through for cycles. A batch makes a few lists that are
thousands long, and tens of thousands of short ones that need no collector: with Python's 700 the
long ones are looked through again and again."""
LIVE_MIN_S = 30.0
"""A worker lives until it has missed so many heartbeats, and for so long at least."""


async def run(config: Config) -> int:
    """Work until SIGTERM or SIGINT, then drain; a second signal ends at once. The exit code."""
    gc.freeze()  # What is loaded stays, and need not be looked through.
    gc.set_threshold(GARBAGE_MIN, 10, 10)
    stop, now = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: now.set() if stop.is_set() else stop.set())
    logger.info("starting", extra={"settings": redacted(config)})
    work = asyncio.create_task(serve(config, stop))
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


async def serve(config: Config, stop: asyncio.Event, *, spans: Spans | None = None) -> None:
    """Work until ``stop``, then drain. ``spans``: where traces are kept, in the place of what the
    settings say."""
    metrics = Metrics()
    health = Health(metrics)
    async with (
        open_database(config, connections_max=config.pool_connections_max) as database,
        # Connections of their own, so that they neither wait for batches nor delay them; two, so
        # that a long step of the maintenance does not hold up the heartbeat.
        open_database(config, connections_max=2) as chores,
        open_queues(config) as (queue, dead_letters),
        open_spans(config, node=socket.gethostname()) as kept,
        serve_http(config.http_host, config.http_port, health=health, metrics=metrics),
    ):
        worker = Worker(
            queue=queue,
            dead_letters=dead_letters,
            sink=PostgresSink(
                database,
                jitter=random.random,
                rules=rules(config),
                pseudonyms=pseudonymizer(config),
            ),
            ping=database.ping,
            limits=limits(config),
            health=health,
            metrics=metrics,
            now_ms=wall_ms,
            jitter=random.random,
            spans=spans or kept,
        )
        heartbeat = Heartbeat(
            chores, worker_id=_worker_id(), live_s=max(MISSED_MAX * config.watch_s, LIVE_MIN_S)
        )
        parked = Parked(chores)
        monitor = Monitor(
            queue=queue,
            dead_letters=dead_letters,
            parked=parked,
            heartbeat=heartbeat,
            oldest_age_s=worker.take_oldest_age_s,
            database_failed=health.database_failed,
            metrics=metrics,
            samples=Samples(chores),
        )
        clerk = Clerk(
            Orders(chores),
            queue=queue,
            dead_letters=dead_letters,
            parked=parked,
            per_s=config.redrive_per_s,
            now_ms=wall_ms,
        )
        redriver = Redriver(
            queue=queue,
            dead_letters=dead_letters,
            parked=parked,
            heartbeat=heartbeat,
            limits=redrive_limits(config),
            health=health,
            metrics=metrics,
            now_ms=wall_ms,
            jitter=random.random,
        )
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(monitor.run(config.watch_s))
            side = maintainer(chores, config).run_forever(metrics, jitter=random.random)
            maintaining = group.create_task(side)
            dropping = group.create_task(
                drop_due(
                    Recordings(chores),
                    heartbeat,
                    kept_s=config.recordings_kept_days * DAY_S,
                    jitter=random.random,
                )
            )
            telling = group.create_task(tell_cloudwatch(metrics, config))
            group.create_task(_until(stop, redriver.run(), wanted=config.redrive_every_s > 0))
            every_s = config.orders_every_ms / 1000
            group.create_task(_until(stop, clerk.run(every_s), wanted=every_s > 0))
            await worker.run(stop)
            telling.cancel()
            watching.cancel()
            maintaining.cancel()
            dropping.cancel()
        await _say_goodbye(heartbeat)
    logger.info("stopped")


async def _until(stop: asyncio.Event, running: Coroutine[Any, Any, None], *, wanted: bool) -> None:
    """Run until ``stop``: no dead letter is taken up while the worker drains."""
    if not wanted:
        running.close()
        return
    work = asyncio.create_task(running)
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        work.cancel()
        waiting.cancel()
        await asyncio.wait({work, waiting})


async def _say_goodbye(heartbeat: Heartbeat) -> None:
    """Be counted no longer, so that the others' figures are right at once."""
    try:
        await heartbeat.leave_duty(DUTY)
        await heartbeat.end()
    except DatabaseUnavailable as error:
        # Without it the rows run out by themselves.
        logger.warning("not signed off", extra={"error": str(error)})


def wall_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def _worker_id() -> str:
    return f"{socket.gethostname()[:80]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def redrive_limits(config: Config) -> RedriveLimits:
    """The automatic redrive's share of the settings."""
    return RedriveLimits(
        every_s=config.redrive_every_s,
        per_s=config.redrive_per_s,
        redrives_max=config.redrives_max,
        first_s=config.redrive_first_s,
    )


def pseudonymizer(config: Config) -> Pseudonymizer | None:
    """``None`` where no secret is set: then no player can be erased."""
    return Pseudonymizer(config.erasure_key) if config.erasure_key else None


def maintainer(database: Database, config: Config) -> Maintainer:
    """Of the worker, and of the command ``maintain``."""
    return Maintainer(
        database,
        rules=rules(config),
        limits=MaintainLimits(
            retention_days=config.retention_days,
            daily_boards_days=config.daily_boards_days,
            every_s=config.maintain_every_s,
        ),
        now_ms=wall_ms,
    )


def limits(config: Config) -> Limits:
    """The worker's share of the settings."""
    return Limits(
        receivers=config.receivers,
        # A batch under way needs one connection at most: none while it waits to be counted, which
        # happens for several together.
        appliers=APPLIERS_PER_CONNECTION * config.pool_connections_max,
        receive_wait_s=config.receive_wait_s,
        visibility_s=config.visibility_s,
        buffer_messages_max=config.buffer_messages_max,
        buffer_bytes_max=config.buffer_bytes_max,
        batch_records_max=config.batch_records_max,
        attempts_max=config.attempts_max,
        drain_ms=config.drain_ms,
    )
