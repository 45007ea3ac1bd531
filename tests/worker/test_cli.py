"""The command line as people use it: in a process of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from gameserver.devstack.process import free_port
from persistence_worker.intake import prepare
from persistence_worker.postgres import load_statements
from tests.worker.builders import story
from tests.worker.conftest import WorkerProcess, call, call_anew
from tests.worker.old_worker import old_sink
from tests.worker.test_migrate import HEAD

NOBODY = "http://127.0.0.1:9"


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
        (["dlq", "show"], "the following arguments are required: ID"),
        (["dlq", "list", "--place", "attic"], "invalid choice: 'attic'"),
        (["dlq", "list", "--older", "2 weeks"], "'2 weeks' is not an age"),
        (["dlq", "redrive", "--rate", "0"], "'0' is not a number above 0"),
        (["dlq", "discard", "--yes"], "the following arguments are required: --why"),
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
    done = await call_anew("--help")
    assert done.returncode == 0
    for word in ("run", "migrate", "maintain", "rebuild", "dlq", "healthcheck"):
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
        (["maintain"], {"postgres_dsn": ""}, 2, "WORKER_POSTGRES_DSN is required"),
        (["maintain"], {"seasons": "x"}, 2, "WORKER_SEASONS: 'x' is not of the form"),
        (["maintain"], {}, 1, "PostgreSQL: "),
        (["rebuild"], {}, 1, "PostgreSQL: "),
        (["dlq", "list"], {}, 1, "Could not connect to the endpoint URL"),
        (["dlq", "list", "--place", "parked"], {"sqs_dlq_url": ""}, 1, "PostgreSQL: "),
        (["dlq", "list", "--place", "parked"], {"postgres_dsn": ""}, 2, "WORKER_POSTGRES_DSN"),
        (["dlq", "show", "x"], {}, 1, "`--place queue` needs no database"),
        (["dlq", "show", "x", "--place", "queue"], {"postgres_dsn": ""}, 1, "Could not connect"),
        (["dlq", "park"], {"postgres_dsn": ""}, 2, "WORKER_POSTGRES_DSN is required"),
        (["dlq", "discard", "--why", "x"], {"postgres_dsn": ""}, 2, "WORKER_POSTGRES_DSN is"),
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


async def test_maintain_and_rebuild(migrated_dsn: str) -> None:
    async with old_sink(migrated_dsn) as old:
        await old.apply([prepare(record) for record in story("m1")])
    done = await call("maintain", postgres_dsn=migrated_dsn)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"partitions: [12] added, 0 dropped, [23] in all; 0 other events and 0 daily boards "
        r"expired; 1 matches caught up\n",
        done.stdout,
    )
    again = await call("maintain", postgres_dsn=migrated_dsn)
    assert again.stdout.startswith("partitions: 0 added, 0 dropped")
    assert again.stdout.endswith("; 0 matches caught up\n")
    blocker = await asyncpg.connect(migrated_dsn)
    async with blocker.transaction():
        await blocker.execute(load_statements()["try_maintain_lock"])
        busy = await call("maintain", postgres_dsn=migrated_dsn)
    await blocker.close()
    assert busy.stdout.endswith("; cut short, because a worker is at it as well\n")
    rebuilt = await call("rebuild", postgres_dsn=migrated_dsn)
    assert (rebuilt.returncode, rebuilt.stdout) == (0, "1 matches counted anew\n")


async def test_migrate(postgres_dsn: str) -> None:
    assert (await call("migrate", postgres_dsn=postgres_dsn)).stdout == (
        f"schema from empty to {HEAD}\n"
    )
    assert (await call("migrate", postgres_dsn=postgres_dsn)).stdout == f"schema at {HEAD}\n"
    done = await call("migrate", "--to", "7777", postgres_dsn=postgres_dsn)
    assert (done.returncode, "7777" in done.stderr) == (2, True)
    done = await call("migrate", "--to", "base", postgres_dsn=postgres_dsn)
    assert done.stdout == f"schema from {HEAD} to empty\n"
