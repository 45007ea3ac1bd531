"""Whole systems for end-to-end tests: every process is the real one, on free ports."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from gameserver.devstack.game_paths import Games
from gameserver.devstack.process import free_port
from gameserver.devstack.settings import DEFAULT_PORTS, on_free_ports
from gameserver.devstack.stack import Extra, Node, Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.e2e.make_run import ROOT

GAMES = Games(names=("tests.e2e.games:PatientArena", "liars_dice", "echo"))
PATIENCE_S = 60.0
"""For whatever another process is to do: the machine may have much else to do."""


@pytest.fixture(scope="module")
def stack(devstack_dir: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Everything running; a test that stops a part starts it again. Of one file: a stack that idles
    beside the others' tests costs more than to start another."""
    directory = devstack_dir / request.module.__name__
    settings = replace(on_free_ports(directory), games=GAMES)
    extra = Extra(
        gameserver={"GAMESERVER_EMPTY_MATCH_MS": "2000", "GAMESERVER_GRACE_MS": "15000"},
        # Retries of the worker would otherwise wait longer than a test should.
        worker={"WORKER_VISIBILITY_S": "10"},
    )
    with Stack(settings, extra=extra, fsync=False) as running:
        running.start(progress=lambda name: None)
        yield running
        running.kill()  # Nothing of it is looked at any more.
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def settings_of_nodes() -> dict[str, str]:
    """What ``nodes`` are started with beside the usual; a test's module may have its own."""
    return {}


@pytest.fixture
def nodes(
    tmp_path: Path, devstack_dir: Path, settings_of_nodes: dict[str, str]
) -> Iterator[tuple[Stack, Node, Node]]:
    """Two nodes in a stack of their own, for tests that kill them or let nobody in."""
    settings = on_free_ports(devstack_dir / tmp_path.name)
    with Stack(settings, extra=Extra(gameserver=settings_of_nodes), fsync=False) as stack:
        stack.start(progress=lambda name: None)
        first = next(iter(stack.nodes.values()))
        second = stack.add_node()
        stack.start(second.name)
        yield stack, first, second
        stack.kill()  # Nothing of it is looked at any more.
    shutil.rmtree(settings.directory, ignore_errors=True)


@pytest.fixture
def ports() -> dict[str, int]:
    """Free ports for a ``make run``."""
    return {name: free_port() for name in DEFAULT_PORTS}


class Swarm:
    """``python -m botswarm`` against the stack, with a ledger to be checked afterwards."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        self.stack = stack
        self.ledger = directory / "ledger.jsonl"
        self.report = directory / "report.json"
        self._tokens = directory / "tokens"

    def start(
        self, *, bots: int, seconds: float, mode: str, arguments: tuple[str, ...] = ()
    ) -> Any:
        """The running process; output is piped."""
        cognito = self.stack.moto.cognito()
        self._tokens.write_text(
            "\n".join(
                cognito.token(bot_player(index), username=bot_name(index))
                for index in range(1, bots + 1)
            )
        )
        command = [sys.executable, "-m", "botswarm", "--url", self.stack.settings.ws_url]
        command += ["--tokens", str(self._tokens), "--bots", str(bots), "--mode", mode]
        command += ["--duration", str(seconds), "--finish", "25", "--quiet", "--allow-saturation"]
        command += ["--ledger", str(self.ledger), "--report", str(self.report), *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def figures(self) -> dict[str, Any]:
        """The report."""
        return dict(json.loads(self.report.read_text()))

    def check(self, *, wait_s: float = 45) -> subprocess.CompletedProcess[str]:
        """Compare the ledger with PostgreSQL."""
        command = [sys.executable, "-m", "botswarm", "check", "--ledger", str(self.ledger)]
        command += ["--postgres", self.stack.postgres_dsn, "--wait", str(wait_s)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def swarm(stack: Stack, tmp_path: Path) -> Swarm:
    """A swarm with files of its own."""
    return Swarm(stack, tmp_path)


async def until(condition: Callable[[], Any], *, within_s: float = PATIENCE_S) -> None:
    """Poll ``condition`` until it holds. Raises ``TimeoutError``."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)


async def hears_of(stack: Stack, node: Node, *, nodes: int = 2, matches: int = 0) -> None:
    """Until ``node`` knows of so many nodes and matches, itself and its own among them."""
    headers = {"Authorization": f"Bearer {stack.moto.cognito().admin_token()}"}
    url = f"{node.api_url}/v1/admin/nodes"
    async with aiohttp.ClientSession(headers=headers) as http, asyncio.timeout(PATIENCE_S):
        while True:
            async with http.get(url) as answer:
                known = (await answer.json())["nodes"]
            if len(known) >= nodes and sum(each["matches"] for each in known) >= matches:
                return
            await asyncio.sleep(0.05)


async def rows(
    dsn: str, query: str, *arguments: object, until: int = 1, within_s: float = PATIENCE_S
) -> list[asyncpg.Record]:
    """The rows of ``query`` once there are ``until`` of them; fails after ``within_s``."""
    connection = await asyncpg.connect(dsn)
    found: list[asyncpg.Record] = []
    try:
        async with asyncio.timeout(within_s):
            while len(found) < until:
                found = await connection.fetch(query, *arguments)
                if len(found) < until:
                    await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"{len(found)} of {until} rows after {within_s} s: {query}")
    finally:
        await connection.close()
    return found
