"""One trace from a player's connect to the rows in PostgreSQL, over real services."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import asyncpg
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets.asyncio.client import connect

from gameserver import spans
from gameserver.adapters.json_log import JsonFormatter
from gameserver.adapters.otel import OtelSpans
from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.app.parts import Base
from gameserver.app.root import App
from gameserver.app.watch import build_traced
from gameserver.config import Config
from gameserver.config import load as load_config
from gameserver.errors import ConfigError
from gameserver.metrics import Metrics
from persistence_worker.config import Config as WorkerConfig
from persistence_worker.config import load as load_worker_config
from persistence_worker.errors import ConfigError as WorkerConfigError
from persistence_worker.migrate import migrate
from persistence_worker.service import serve
from persistence_worker.traced import open_spans
from tests.conftest import SqsQueue

JOIN = '{"type": "join", "ref": 1, "game": "echo"}'


class Kept:
    """What the server and the worker have told, each by itself."""

    def __init__(self, *, per_10000: int = 10_000) -> None:
        self.exporter = InMemorySpanExporter()
        self.server, self.worker = (
            OtelSpans(
                SimpleSpanProcessor(self.exporter), service=service, node="n", per_10000=share
            )
            for service, share in (("gameserver", per_10000), ("persistence_worker", 0))
        )

    def spans(self) -> dict[str, list[ReadableSpan]]:
        found: dict[str, list[ReadableSpan]] = {}
        for span in self.exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found

    async def close(self) -> None:
        await self.server.close()
        await self.worker.close()


@pytest.fixture
def settings(
    valkey_url: str, redis_prefix: str, sqs_queue: SqsQueue, moto: Any, cognito: Any
) -> dict[str, str]:
    return {
        "GAMESERVER_WS_HOST": "127.0.0.1",
        "GAMESERVER_WS_PORT": "0",
        "GAMESERVER_HTTP_HOST": "127.0.0.1",
        "GAMESERVER_HTTP_PORT": "0",
        "GAMESERVER_COGNITO_ISSUER": cognito.issuer,
        "GAMESERVER_COGNITO_JWKS_URL": cognito.jwks_url,
        "GAMESERVER_COGNITO_CLIENT_IDS": cognito.client_id,
        "GAMESERVER_COGNITO_ENDPOINT_URL": cognito.endpoint_url,
        "GAMESERVER_REDIS_URL": valkey_url,
        "GAMESERVER_REDIS_PREFIX": redis_prefix,
        "GAMESERVER_SQS_QUEUE_URL": sqs_queue.url,
        "GAMESERVER_SQS_ENDPOINT_URL": sqs_queue.endpoint_url,
        "GAMESERVER_KMS_KEY_ID": moto.identity["kms_key_id"],
        "GAMESERVER_KMS_ENDPOINT_URL": moto.endpoint_url,
        "GAMESERVER_GAMES": "echo",
        "GAMESERVER_GRACE_MS": "200",
        "GAMESERVER_EMPTY_MATCH_MS": "200",
    }


@asynccontextmanager
async def worker(dsn: str, queue: SqsQueue, kept: Kept) -> AsyncIterator[None]:
    await migrate(dsn)
    config = load_worker_config(
        {
            "WORKER_SQS_QUEUE_URL": queue.url,
            "WORKER_SQS_DLQ_URL": queue.dlq_url,
            "WORKER_SQS_ENDPOINT_URL": queue.endpoint_url,
            "WORKER_POSTGRES_DSN": dsn,
            "WORKER_HTTP_HOST": "127.0.0.1",
            "WORKER_HTTP_PORT": "0",
            "WORKER_RECEIVE_WAIT_S": "1",
        }
    )
    stop = asyncio.Event()
    task = asyncio.create_task(serve(config, stop, spans=kept.worker))
    try:
        yield
    finally:
        stop.set()
        await task


async def play(app: App, token: str) -> str:
    """Join, leave, and the match's id."""
    async with connect(
        f"ws://127.0.0.1:{app.ws_port}/v1/play",
        subprotocols=["gameserver.v1.json"],
        additional_headers={"Authorization": f"Bearer {token}"},
    ) as ws:
        await ws.send(JOIN)
        while (said := json.loads(await ws.recv()))["type"] != "joined":
            assert said["type"] != "error", said
        match: str = said["match"]
        await ws.send('{"type": "leave", "ref": 2}')
        while json.loads(await ws.recv())["type"] != "left":
            pass
        return match


async def until_row(dsn: str, match: str, kind: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(60):
            query = "SELECT 1 FROM events WHERE match_id = $1 AND kind = $2"
            while True:
                if await connection.fetchval(query, match, kind):
                    return
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def test_a_trace_leads_from_the_connect_to_the_rows(
    settings: dict[str, str], sqs_queue: SqsQueue, postgres_dsn: str, cognito: Any
) -> None:
    kept = Kept()
    async with App(load_config(settings), node_name="n", spans=kept.server) as app:
        async with worker(postgres_dsn, sqs_queue, kept):
            match = await play(app, cognito.token("traced"))
            await until_row(postgres_dsn, match, "match_ended")
    await kept.close()

    found = kept.spans()
    [handshake] = found["handshake"]
    [join] = found["join"]
    assert handshake.parent is None
    assert join.parent.span_id == handshake.context.span_id
    assert join.attributes == {"match": match, "game": "echo"}
    by_kind = {event.attributes["kind"]: event for event in found["event"]}
    assert {"match_started", "player_joined", "player_left", "match_ended"} <= by_kind.keys()
    parents = {span.context.span_id: span for each in found.values() for span in each}
    rows = {row.attributes["event"]: row for row in found["row"]}
    for event in by_kind.values():
        row = rows[event.attributes["event"]]
        assert row.attributes["outcome"] == "applied"
        way, span = [row.name], row
        while span.parent is not None:
            span = parents[span.parent.span_id]
            way.append(span.name)
        assert way == ["row", "worker batch", "relay", "event", "join", "handshake"]
        assert row.end_time >= event.start_time >= handshake.start_time
    assert {c.parent.span_id for c in found["commit"]} == {
        e.context.span_id for e in found["event"]
    }
    every = kept.exporter.get_finished_spans()
    assert {span.context.trace_id for span in every} == {handshake.context.trace_id}
    services = {span.resource.attributes["service.name"] for span in every}
    assert services == {"gameserver", "persistence_worker"}
    assert "traced" not in "".join(span.to_json() for span in every), "players are not named"


async def test_without_luck_nothing_is_kept_and_messages_carry_nothing(
    settings: dict[str, str], sqs_queue: SqsQueue, sqs_service: Any, cognito: Any
) -> None:
    kept = Kept(per_10000=0)
    async with App(load_config(settings), node_name="n", spans=kept.server) as app:
        await play(app, cognito.token("untraced"))
        received = await asyncio.to_thread(
            sqs_service.call,
            "ReceiveMessage",
            QueueUrl=sqs_queue.url,
            WaitTimeSeconds=20,
            MessageAttributeNames=["All"],
        )
    await kept.close()
    assert received["Messages"] and not any(
        message.get("MessageAttributes") for message in received["Messages"]
    )
    assert not kept.spans()


async def test_a_refused_join_says_why(settings: dict[str, str], cognito: Any) -> None:
    kept = Kept()
    async with App(load_config(settings), node_name="n", spans=kept.server) as app:
        async with connect(
            f"ws://127.0.0.1:{app.ws_port}/v1/play",
            subprotocols=["gameserver.v1.json"],
            additional_headers={"Authorization": f"Bearer {cognito.token('lost')}"},
        ) as ws:
            await ws.send(JOIN.replace("echo", "chess"))
            while json.loads(await ws.recv())["type"] != "error":
                pass
    await kept.close()
    [join] = kept.spans()["join"]
    assert join.status.description == "unknown_game"


def test_logs_name_the_trace_that_is_followed() -> None:
    record = logging.makeLogRecord({"msg": "said", "levelname": "INFO"})
    formatter = JsonFormatter("gameserver")
    assert "trace" not in json.loads(formatter.format(record))
    with spans.following("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        assert json.loads(formatter.format(record))["trace"] == "0af7651916cd43dd8448eb211c80319c"
    assert "trace" not in json.loads(formatter.format(record))


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Takes what is exported: its URL, and the paths and sizes of what came."""
    taken: list[tuple[str, int]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, len(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()
        thread.join()


async def test_spans_leave_by_otlp(collector: tuple[str, list[tuple[str, int]]]) -> None:
    url, taken = collector
    kept = OtelSpans.to(url, service="gameserver", node="n", per_10000=10_000)
    span = kept.start("handshake")
    assert span is not None
    span.end()
    await kept.close()
    assert [path for path, size in taken if size] == ["/v1/traces"]


async def test_what_is_no_traceparent_begins_no_trace_of_the_worker() -> None:
    kept = Kept()
    for broken in ("", "00-1-2", "zz-zz-zz-zz", f"00-{'0' * 32}-{'0' * 16}-01"):
        assert kept.worker.start("worker batch", parent=broken) is None
    assert spans.decode("not json") == {} == spans.decode("[1]")
    await kept.close()


def test_no_part_that_makes_spans_is_loaded_unless_it_is_wanted() -> None:
    assert Config().traces_endpoint == "" == Config().emf_namespace
    code = "import sys, gameserver.app.root, persistence_worker.service as s; "
    # redis-py loads its metrics, wherever the extra is installed, and does nothing with them.
    code += "print({'gameserver.adapters.otel', 'opentelemetry.sdk.trace'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_without_the_extra_the_setting_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gameserver.adapters.otel", None)
    url = "http://127.0.0.1:4318"
    with pytest.raises(ConfigError, match=r"GAMESERVER_TRACES_ENDPOINT.*otel"):
        async with AsyncExitStack() as stack:
            base = Base(
                Config(traces_endpoint=url),
                node="n",
                clock=WallClock(),
                entropy=SystemEntropy(),
                metrics=Metrics(),
            )
            build_traced(stack, base, kept=None)
    with pytest.raises(WorkerConfigError, match=r"WORKER_TRACES_ENDPOINT.*otel"):
        async with open_spans(WorkerConfig(traces_endpoint=url), node="n"):
            pass
