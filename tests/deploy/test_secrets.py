"""No secret is written anywhere: what the programs say is searched for what they were given."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from gameclient.client import GameClient
from gameserver.devstack.process import LOOPBACK
from gameserver.devstack.programs import Extra, environment
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import DATABASE, Stack
from gameserver.devstack.tokens import bot_name
from tests.deploy.services import INFRASTRUCTURE, tokens
from tests.deploy.task_definitions import ROOT
from tests.forked import WORKER as WORKER_PROGRAM
from tests.forked import run_forked

BOTS = 8
CANARY = "canary-5b1e8f"
REDIS, POSTGRES, ERASURE, AWS, PASSWORD = (
    f"{CANARY}-{name}-{'x' * 24}" for name in ("redis", "postgres", "erasure", "aws", "password")
)
LINE = "nobody but us may read this 5b1e8f"
"""Said in a chat."""
DEAD = f"{LOOPBACK}:9"
"""Nobody listens there."""

SERVER = {
    "GAMESERVER_COGNITO_ISSUER": "https://cognito.example.com/pool",
    "GAMESERVER_COGNITO_CLIENT_IDS": "client",
    "GAMESERVER_SQS_QUEUE_URL": f"http://{DEAD}/queue",
    "GAMESERVER_PLAINTEXT_AT_REST": "true",
    "GAMESERVER_LOG_LEVEL": "debug",
}
WORKER = {
    "WORKER_SQS_QUEUE_URL": f"http://{DEAD}/queue",
    "WORKER_SQS_DLQ_URL": f"http://{DEAD}/dead",
    "WORKER_POSTGRES_DSN": f"postgresql://worker:{POSTGRES}@{DEAD}/gameserver",
    "WORKER_LOG_LEVEL": "debug",
}


def call(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A program of the project that ends by itself."""
    program, *rest = words
    if program == "persistence_worker":
        return run_forked(WORKER_PROGRAM, rest, environ=environment(environ))
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        # A value that is wrong is not repeated, whatever is wrong with it.
        (("gameserver", "run"), SERVER | {"GAMESERVER_REDIS_URL": f"http://:{REDIS}@{DEAD}"}),
        (("gameserver", "run"), SERVER | {"GAMESERVER_REDIS_URL": f"redis://:{REDIS}"}),
        (("gameserver", "run"), SERVER | {"GAMESERVER_POSTGRES_DSN": f"mysql://u:{POSTGRES}@h/d"}),
        (("persistence_worker", "run"), WORKER | {"WORKER_POSTGRES_DSN": f"my://u:{POSTGRES}@h"}),
        (
            ("persistence_worker", "run"),
            WORKER | {"WORKER_POSTGRES_DSN": f"postgres://u:{POSTGRES}"},
        ),
        (("persistence_worker", "run"), WORKER | {"WORKER_ERASURE_KEY": CANARY}),
        # What cannot be reached is named without the way in.
        (("gameserver", "run"), SERVER | {"GAMESERVER_REDIS_URL": f"redis://:{REDIS}@{DEAD}/0"}),
        (("persistence_worker", "migrate"), WORKER),
        (("persistence_worker", "dlq", "stats"), WORKER | {"AWS_SECRET_ACCESS_KEY": AWS}),
        # What is printed for a person.
        (("gameserver", "config"), SERVER | {"GAMESERVER_REDIS_URL": f"redis://u:{REDIS}@h/0"}),
        (("persistence_worker", "config"), WORKER | {"WORKER_ERASURE_KEY": ERASURE}),
    ],
)
def test_a_program_that_fails_or_explains_itself_keeps_its_secrets(
    words: tuple[str, ...], settings: Mapping[str, str]
) -> None:
    done = call(*words, **settings)
    said = done.stdout + done.stderr
    assert said and (done.returncode != 0 or words[1] == "config")
    assert CANARY not in said


@pytest.fixture
def stack(devstack_dir: Path) -> Iterator[Stack]:
    """All of it, with a password wherever one can be."""
    settings = on_free_ports(devstack_dir / "secrets")
    credentials = {"AWS_SECRET_ACCESS_KEY": AWS}
    port = settings.ports["postgres"]
    dsn = f"postgresql://postgres:{POSTGRES}@{LOOPBACK}:{port}/{DATABASE}"
    extra = Extra(
        gameserver=credentials
        | {
            "GAMESERVER_REDIS_URL": f"redis://:{REDIS}@{LOOPBACK}:{settings.ports['valkey']}/0",
            "GAMESERVER_POSTGRES_DSN": dsn,
            "GAMESERVER_RECORDINGS_DSN": dsn,
            "GAMESERVER_LOG_LEVEL": "debug",
        },
        worker=credentials
        | {
            "WORKER_POSTGRES_DSN": dsn,
            "WORKER_ERASURE_KEY": ERASURE,
            "WORKER_LOG_LEVEL": "debug",
        },
    )
    with Stack(settings, extra=extra, fsync=False) as stack:
        for name in INFRASTRUCTURE:
            stack.service(name).begin()
        for name in INFRASTRUCTURE:
            stack.service(name).wait_ready()
        with redis.Redis.from_url(stack.valkey.url) as client:
            client.config_set("requirepass", REDIS)
        stack.start(progress=lambda name: None)
        yield stack


@pytest.mark.timeout(180)
def test_a_run_with_failures_writes_no_secret_token_or_name(stack: Stack, tmp_path: Path) -> None:
    given = tokens(stack, BOTS)
    command = [sys.executable, "-m", "botswarm", "--url", stack.settings.ws_url, "--tokens", "-"]
    command += ["--bots", str(BOTS), "--mode", "quick", "--duration", "2", "--finish", "0"]
    command += ["--no-rejoin", "--quiet", "--allow-saturation"]
    played = subprocess.run(
        command, cwd=ROOT, input=given, capture_output=True, text=True, timeout=120, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr
    asyncio.run(_say(stack, given.splitlines()[0]))
    _knock(stack)
    # Redis comes back without its password, and PostgreSQL not at all: both programs complain.
    so_far = {
        name: (stack.settings.logs / f"{name}.log").stat().st_size
        for name in ("gameserver", "worker")
    }
    stack.kill("postgres")
    stack.kill("valkey")
    stack.start("valkey")
    for name, size in so_far.items():
        _until_complained(stack, name, since=size)
    stack.stop("gameserver")
    stack.stop("worker")

    said = {path.name: path.read_text() for path in stack.settings.logs.glob("*.log")}
    ours = "".join(said[name] for name in ("gameserver.log", "worker.log", "migrate.log"))
    assert f"***@{LOOPBACK}" in ours, "the settings were written, without their secrets"
    assert CANARY not in ours
    # A token's signature, and its claims, are as good as the token.
    for token in given.splitlines():
        for part in token.split(".")[1:]:
            assert part not in ours + played.stdout + played.stderr
    assert bot_name(1) not in ours
    # What is sealed in the database is told nowhere else: neither what was said, nor its key.
    assert LINE not in ours
    assert not re.search(r"(?i)plaintext_?key|BEGIN [A-Z ]*PRIVATE KEY", ours)


async def _say(stack: Stack, token: str) -> None:
    """A line in a chat, which others hear."""
    url = f"{stack.settings.ws_url}/v1/play"
    async with GameClient(url, token=token) as client:
        await client.join("arena", "quick")
        client.chat(LINE)
        async with asyncio.timeout(30):
            async for happening in client:
                if getattr(happening, "text", None) == LINE:
                    return


def _knock(stack: Stack) -> None:
    """Log-ins and tokens that are refused, in every way that they can be given."""
    api, cognito = stack.settings.api_url, stack.moto.cognito()
    for user in (cognito.demo_username, f"{CANARY}-nobody"):
        body = json.dumps({"username": user, "password": PASSWORD}).encode()
        _post(f"{api}/v1/auth/login", body, {"Content-Type": "application/json"})
    bearer = {"Authorization": f"Bearer {cognito.token(expires_in_s=-5)}.{CANARY}"}
    _post(f"{api}/v1/tickets", b"", bearer)
    # In a place where it does not belong, and on lines that are none: those who parse see it first.
    for path in (f"/v1/matches?token={CANARY}", f"/{CANARY}", f"/v1/admin/matches/{CANARY}"):
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(api + path, timeout=10).close()
    for line in (f"Cookie: session={CANARY}\x01", f"Authorization: Bearer \x00{CANARY}", CANARY):
        for url in (api, stack.settings.ws_url):
            _raw(url, f"GET /v1/play?ticket={CANARY} HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")
    upgrade = {"Sec-WebSocket-Protocol": f"gameserver.v1.json, bearer.{CANARY}"}
    for path in ("/v1/play", f"/v1/play?ticket={CANARY}"):
        headers = upgrade | {"Connection": "Upgrade", "Upgrade": "websocket"}
        request = urllib.request.Request(
            stack.settings.ws_url.replace("ws:", "http:") + path, headers=headers
        )
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=10).close()


def _raw(url: str, request: str) -> None:
    """Bytes, as no library would send them; whatever is answered, it is not repeated there."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = connection.recv(65_536)
    # 1.0 where the version could not be read.
    assert re.match(rb"HTTP/1\.[01] 4", answer) and CANARY.encode() not in answer


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()


def _until_complained(stack: Stack, name: str, *, since: int) -> None:
    """Wait for a warning or an error in a program's log, beyond so many bytes of it."""
    log = stack.settings.logs / f"{name}.log"
    deadline = time.monotonic() + 30
    while not any(word in log.read_bytes()[since:] for word in (b'"warning"', b'"error"')):
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)
