"""``/healthz`` (the loop turns), ``/readyz`` (it does its work), ``/metrics``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from persistence_worker.health import Health
from persistence_worker.metrics import Metrics

logger = logging.getLogger(__name__)


@asynccontextmanager
async def serve(host: str, port: int, *, health: Health, metrics: Metrics) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port in use. Raises ``OSError`` if it is taken."""

    async def healthz(_: web.Request) -> web.Response:
        # Independent of PostgreSQL and SQS: a restart would mend neither of them.
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        complaints = health.complaints()
        status = "not ready" if complaints else "ready"
        return web.json_response(
            {"status": status, **complaints}, status=503 if complaints else 200
        )

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    app = web.Application(client_max_size=1024)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", show_metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound: int = runner.addresses[0][1]
        logger.info("listening", extra={"host": host, "port": bound})
        yield bound
    finally:
        await runner.cleanup()
