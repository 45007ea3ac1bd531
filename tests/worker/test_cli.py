"""The command line as people use it: in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gameserver.devstack.process import free_port
from persistence_worker.messages import Outgoing
from tests.worker.builders import bundle, raw
from tests.worker.conftest import Queues, WorkerProcess, environment, fetch, until

NOBODY = "http://127.0.0.1:9"


async def call(*words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "persistence_worker", *words],
        env=environment(**settings) | {"COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["walk"], "invalid choice: 'walk'"),
        (["run", "fast"], "unrecognized arguments: fast"),
        (["dlq"], "the following arguments are required: VERB"),
        (["dlq", "list", "--limit", "0"], "'0' is not a number from 1 to 10000"),
        (["dlq", "list", "--limit", "10001"], "'10001' is not a number from 1 to 10000"),
        (["dlq", "list", "--limit", "x"], "'x' is not a number from 1 to 10000"),
        (["dlq", "show"], "the following arguments are required: MESSAGE_ID"),
        (["migrate", "--to"], "expected one argument"),
        (["migrate", "--to", "base", "--down"], "not allowed with argument"),
    ],
)
async def test_wrong_usage(words: list[str], said: str) -> None:
    done = await call(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_help_is_for_people() -> None:
    done = await call("--help")
    assert done.returncode == 0
    for word in ("run", "migrate", "dlq", "healthcheck"):
        assert word in done.stdout


UNREACHABLE = {
    "sqs_queue_url": f"{NOBODY}/0/q",
    "sqs_dlq_url": f"{NOBODY}/0/d",
    "sqs_endpoint_url": NOBODY,
    "postgres_dsn": "postgresql://u:hunter2@127.0.0.1:9/x",
    "postgres_connect_ms": 1000,
    "sqs_timeout_ms": 1000,
}


@pytest.mark.parametrize(
    ("words", "changes", "code", "said"),
    [
        (["run"], {"sqs_queue_url": ""}, 2, "WORKER_SQS_QUEUE_URL is required"),
        (["run"], {"recievers": 1}, 2, "WORKER_RECIEVERS is not a setting"),
        (["run"], {"postgres_dsn": "postgresql://h:x/d"}, 2, "WORKER_POSTGRES_DSN"),
        (["dlq", "list"], {"sqs_dlq_url": ""}, 2, "WORKER_SQS_DLQ_URL is required"),
        (["migrate"], {"postgres_dsn": ""}, 2, "WORKER_POSTGRES_DSN is required"),
        (["migrate"], {}, 1, "PostgreSQL: "),
        (["dlq", "list"], {}, 1, "Could not connect to the endpoint URL"),
        (["dlq", "show", "x"], {}, 1, "Could not connect to the endpoint URL"),
        (["dlq", "redrive", "--dry-run"], {}, 1, "Could not connect to the endpoint URL"),
        (["healthcheck"], {"http_port": 9}, 1, "no answer from 127.0.0.1:9"),
    ],
)
async def test_one_clear_sentence(
    words: list[str], changes: dict[str, Any], code: int, said: str
) -> None:
    done = await call(*words, **(UNREACHABLE | changes))
    line = done.stderr.strip().splitlines()[-1]
    assert (done.returncode, line.startswith("persistence_worker: error: ")) == (code, True)
    assert said in line
    assert "Traceback" not in done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr


async def test_a_port_that_is_taken(start_worker: Callable[..., WorkerProcess]) -> None:
    worker = start_worker()
    await worker.until_status("/healthz", 200)
    done = await call("run", **(UNREACHABLE | {"http_port": worker.port}))
    assert done.returncode == 1
    assert "address already in use" in done.stderr


async def test_healthcheck(start_worker: Callable[..., WorkerProcess]) -> None:
    worker = start_worker()
    await worker.until_status("/healthz", 200)
    assert (await call("healthcheck", http_port=worker.port)).returncode == 0
    assert (await call("healthcheck", http_port=free_port())).returncode == 1


async def test_config_is_printed_without_secrets() -> None:
    done = await call("config", **UNREACHABLE)
    shown = json.loads(done.stdout)
    assert shown["postgres_dsn"] == "postgresql://***@127.0.0.1:9/x"


async def test_migrate(postgres_dsn: str) -> None:
    assert (await call("migrate", postgres_dsn=postgres_dsn)).stdout == (
        "schema from empty to 0001\n"
    )
    assert (await call("migrate", postgres_dsn=postgres_dsn)).stdout == "schema at 0001\n"
    done = await call("migrate", "--to", "7777", postgres_dsn=postgres_dsn)
    assert (done.returncode, "7777" in done.stderr) == (2, True)
    done = await call("migrate", "--down", postgres_dsn=postgres_dsn)
    assert done.stdout == "schema from 0001 to empty\n"


async def put(queues: Queues, count: int, **attributes: str) -> None:
    letters = [
        Outgoing(
            body=bundle(raw("m1", n)),
            attributes={"reason": "fork", "detail": f"[bold]{n}", "records": "1"} | attributes,
        )
        for n in range(1, count + 1)
    ]
    assert await queues.dead_letters.send(letters) == []


async def test_list_and_show_do_not_consume(queues: Queues, settings: dict[str, Any]) -> None:
    done = await call("dlq", "list", **settings)
    assert (done.returncode, done.stdout) == (0, "no dead letters\n")
    await put(queues, 15)
    await queues.dead_letters.send([Outgoing(body="[red]not json[/]", attributes={})])
    for _ in range(2):
        listed = json.loads((await call("dlq", "list", "--json", **settings)).stdout)
        assert len(listed) == 16
    assert {each["reason"] for each in listed} == {"fork", "received_too_often"}
    assert sorted(each["events"] for each in listed)[1:3] == [["m1/1"], ["m1/10"]]
    table = (await call("dlq", "list", "--limit", "20", **settings)).stdout
    assert "[bold]15" in table
    assert "m1/15" in table
    few = json.loads((await call("dlq", "list", "--json", "--limit", "3", **settings)).stdout)
    assert len(few) == 3
    words = ("dlq", "list", "--json", "--reason", "received_too_often")
    odd = json.loads((await call(*words, **settings)).stdout)
    assert len(odd) == 1

    shown = await call("dlq", "show", odd[0]["id"], **settings)
    assert "[red]not json[/]" in shown.stdout
    one = next(each for each in listed if each["events"] == ["m1/7"])
    shown = await call("dlq", "show", one["id"], "--json", **settings)
    found = json.loads(shown.stdout)
    assert found["body"] == bundle(raw("m1", 7))
    assert found["records"][0]["data"] == {"points": 7}
    missing = await call("dlq", "show", "no-such-id", **settings)
    assert (missing.returncode, "no dead letter" in missing.stderr) == (2, True)


async def test_redrive(
    queues: Queues,
    settings: dict[str, Any],
    migrated_dsn: str,
    start_worker: Callable[..., WorkerProcess],
) -> None:
    await put(queues, 12)
    await put(queues, 1, reason="bad_body")
    done = json.loads((await call("dlq", "redrive", "--dry-run", "--json", **settings)).stdout)
    assert (len(done["moved"]), done["dry_run"]) == (13, True)
    assert await queues.counts() == (0, 0)
    words = ("dlq", "redrive", "--reason", "fork", "--limit", "5", "--json")
    done = json.loads((await call(*words, **settings)).stdout)
    assert (len(done["moved"]), done["failed"]) == (5, [])
    assert await queues.counts() == (5, 0)
    done2 = await call("dlq", "redrive", "--reason", "fork", **settings)
    assert done2.stdout.startswith("7 sent back\n")
    assert (await call("dlq", "redrive", "--reason", "fork", **settings)).stdout == "0 sent back\n"
    left = json.loads((await call("dlq", "list", "--json", **settings)).stdout)
    assert [each["reason"] for each in left] == ["bad_body"]
    start_worker()
    await until(queues.empty, what="queue is empty")
    assert (await fetch(migrated_dsn, "SELECT count(*) FROM events"))[0][0] == 12


async def test_a_letter_that_comes_back_counts_its_redrives(
    queues: Queues,
    settings: dict[str, Any],
    migrated_dsn: str,
    start_worker: Callable[..., WorkerProcess],
) -> None:
    start_worker()
    await queues.send(bundle(raw("m1", 1, data={"text": "\0"})))

    async def listed(redrives: int) -> Any:
        answer = await call("dlq", "list", "--json", **settings)
        letters = json.loads(answer.stdout)
        return [each["id"] for each in letters if each["redrives"] == redrives]

    first = await until(lambda: listed(0), what="it is a dead letter")
    await call("dlq", "redrive", "--id", first[0], **settings)
    await until(lambda: listed(1), what="it is back, and counted")
