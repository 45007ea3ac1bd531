"""Amazon SQS for development and tests: the AWS JSON protocol over HTTP, durable over a restart.

    python -m gameserver.devstack.sqs_endpoint --port 30324 --data .run/data/sqs

    POST /                     X-Amz-Target: AmazonSQS.<operation>; signatures are not checked
    GET  /_devstack/health     200 once the queues are there
    POST /_devstack/faults     {"operation","times","entries"|"status"|"delay_ms","applied"}: the
                               next ``times`` calls of the operation fail: so many entries of a
                               batch, or as a whole with a status, after having done it (a lost
                               reply) where ``applied`` is true; or they come late
    DELETE /_devstack/faults   forgets all of them
    GET  /_devstack/calls      {"<operation>": how often it was called}

Standard queues only. What it does it does as AWS (see tests/contract/sqs_suite.py); what it does
not have: FIFO queues, tags, permissions, encryption, the limit of 120,000 messages in flight.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gameserver.devstack import emulation_options, sqs_errors
from gameserver.devstack.sqs_broker import Broker
from gameserver.devstack.sqs_journal import Journal
from gameserver.devstack.sqs_operations import Operations

_TARGET = "AmazonSQS."
_REQUEST_BYTES_MAX = 8 * 1024 * 1024  # JSON may escape each byte of a 1 MiB batch as \u00xx
_FAULTS_MAX = 100


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next ``times`` calls of ``operation`` (``*``: of any)."""

    operation: str
    times: Annotated[int, Meta(ge=1)] = 1
    entries: Annotated[int, Meta(ge=0, le=10)] = 0
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    delay_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    applied: bool = False


class Endpoint:
    """The HTTP side."""

    def __init__(self, broker: Broker, operations: Operations) -> None:
        self._broker = broker
        self._operations = operations
        self._faults: list[Fault] = []
        self._calls: Counter[str] = Counter()
        self._encoder = msgspec.json.Encoder()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_REQUEST_BYTES_MAX)
        app.router.add_get("/_devstack/health", self._health)
        app.router.add_get("/_devstack/calls", self._say_calls)
        app.router.add_post("/_devstack/faults", self._order_fault)
        app.router.add_delete("/_devstack/faults", self._forget_faults)
        app.router.add_post("/{path:.*}", self._call)
        app.on_shutdown.append(self._shut_down)
        return app

    async def _call(self, request: web.Request) -> web.Response:
        name = request.headers.get("X-Amz-Target", "").removeprefix(_TARGET)
        payload = await request.read()
        self._calls[name] += 1
        fault = self._next_fault(name)
        try:
            if fault is not None and fault.delay_ms:
                await asyncio.sleep(fault.delay_ms / 1000)
            if fault is not None and fault.status is not None and not fault.applied:
                raise sqs_errors.service_unavailable(fault.status)
            failing = fault.entries if fault is not None else 0
            reply = await self._operations.run(name, payload, fail_entries=failing)
            self._broker.flush()
            if fault is not None and fault.status is not None:
                raise sqs_errors.service_unavailable(fault.status)
        except sqs_errors.SqsError as error:
            self._broker.flush()
            return self._refusal(error)
        return web.Response(
            body=self._encoder.encode(reply), content_type="application/x-amz-json-1.0"
        )

    def _refusal(self, error: sqs_errors.SqsError) -> web.Response:
        who = "Sender" if error.sender_fault else "Receiver"
        return web.Response(
            status=error.status,
            body=self._encoder.encode({"__type": error.kind, "message": error.message}),
            content_type="application/x-amz-json-1.0",
            headers={"x-amzn-query-error": f"{error.query_code};{who}"},
        )

    def _next_fault(self, operation: str) -> Fault | None:
        for fault in self._faults:
            if fault.operation in (operation, "*"):
                fault.times -= 1
                if fault.times == 0:
                    self._faults.remove(fault)
                return fault
        return None

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _say_calls(self, request: web.Request) -> web.Response:
        return web.Response(body=self._encoder.encode(self._calls))

    async def _order_fault(self, request: web.Request) -> web.Response:
        try:
            fault = msgspec.json.decode(await request.read(), type=Fault)
        except msgspec.DecodeError as error:
            return web.Response(status=400, text=f"{error}\n")
        if len(self._faults) >= _FAULTS_MAX:
            return web.Response(status=409, text="too many faults are waiting; DELETE them\n")
        self._faults.append(fault)
        return web.Response(text="ok\n")

    async def _forget_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return web.Response(text="ok\n")

    async def _shut_down(self, app: web.Application) -> None:
        self._operations.close()
        self._broker.close()


async def serve(*, host: str, port: int, data: Path, region: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    broker = Broker(
        journal=Journal(data / "journal.jsonl"),
        region=region,
        wall_ms=lambda: time.time_ns() // 1_000_000,
    )
    operations = Operations(broker, base_url=f"http://{host}:{port}")
    # A client that goes away must not be handed the messages of its long poll.
    runner = web.AppRunner(
        Endpoint(broker, operations).app(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=2.0,
    )
    await runner.setup()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await web.TCPSite(runner, host, port).start()
        await stopping.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    options = emulation_options.parse("Amazon SQS for development and tests")
    asyncio.run(
        serve(host=options.host, port=options.port, data=options.data, region=options.region)
    )


if __name__ == "__main__":
    main()
