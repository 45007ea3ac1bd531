"""Metrics as lines of the log, in CloudWatch's embedded metric format."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time

from gameserver import emf
from persistence_worker.config import Config
from persistence_worker.metrics import Metrics

logger = logging.getLogger(__name__)


async def tell_cloudwatch(metrics: Metrics, config: Config) -> None:
    """A line on standard output at every interval, and a last one when cancelled; returns at once
    where no namespace is set."""
    if not config.emf_namespace:
        return
    writer = emf.EmfWriter(
        emf.WORKER, namespace=config.emf_namespace, service="worker", node=socket.gethostname()
    )
    try:
        while True:
            await asyncio.sleep(config.emf_interval_s)
            _write(writer, metrics)
    finally:
        _write(writer, metrics)


def _write(writer: emf.EmfWriter, metrics: Metrics) -> None:
    try:
        line = writer.line(metrics.registry.collect(), time.time_ns() // 1_000_000)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except Exception:  # Events are worth more than what is told of them.
        logger.exception("no line for CloudWatch")
