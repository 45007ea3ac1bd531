"""The container image: linted anywhere; built, run and stopped where buildah is installed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gameserver.devstack.process import LOOPBACK
from gameserver.devstack.stack import Stack
from tests.deploy.bases import NotHere, check
from tests.deploy.image import ROOT, Container, Image, built
from tests.deploy.services import infrastructure, own_settings, tokens

APPLICATION_BYTES_MAX = 180_000_000
"""Of what is put on the base; 154 MB when this was written."""
BUILD_S = 1_200


def test_the_dockerfile_has_no_findings() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_only_what_the_image_is_built_of_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "all else is left out"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert all((ROOT / name).exists() for name in sent)
    assert sent >= {"requirements.lock", "requirements-build.lock", "pyproject.toml"}
    assert "deploy/trust" in sent
    assert not sent & {".git", ".venv", "tests", "docs", "deploy", ".run"}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Built of this checkout. Its bases are kept between runs; the first takes minutes."""
    try:
        check()
    except NotHere as why:
        if os.environ.get("CI") == "true":
            pytest.fail(str(why))
        pytest.skip(f"the Dockerfile was linted only: {why}")
    with built() as image:
        yield image


@pytest.fixture(scope="module")
def around(devstack_dir: Path) -> Iterator[Stack]:
    with infrastructure(devstack_dir / "image") as stack:
        yield stack


@pytest.mark.system
@pytest.mark.timeout(BUILD_S)
def test_what_the_image_says_of_itself(image: Image) -> None:
    config = image.config
    assert config["User"] == "65532:65532"
    assert config["Cmd"] == ["gameserver", "run"], "no shell stands before the process"
    assert not config.get("Entrypoint")
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "gameserver.healthcheck"]
    assert set(config["Volumes"]) == {"/tls"}
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp", "8082/tcp"}
    assert not [entry for entry in config["Env"] if "PIP" in entry or "AWS" in entry]
    assert image.bytes - image.base_bytes < APPLICATION_BYTES_MAX
    shipped = {path.name for path in (image.root / "opt/gameserver/bin").iterdir()}
    assert shipped >= {"gameserver", "persistence-worker", "botswarm", "playerdata"}
    assert not [name for name in shipped if name.startswith("pip")], "nothing can be installed"


@pytest.mark.system
@pytest.mark.timeout(BUILD_S)
def test_the_root_is_read_only_the_user_ordinary_and_the_hot_loops_compiled(image: Image) -> None:
    script = (
        "import os, gameserver.wire._shown\n"
        "from gameserver import hot\n"
        "from gameserver.games import arena\n"
        "assert arena.COMPILED and hot.COMPILED\n"
        "assert os.getpid() == 1 and os.getuid() == 65532, (os.getpid(), os.getuid())\n"
        "assert os.statvfs('/').f_flag & os.ST_RDONLY\n"
        "assert not os.access('/opt/gameserver', os.W_OK)\n"
    )
    for words in (("python", "-c", script), ("gameserver", "certificate", "--in", "/tls")):
        done = image.run(*words)
        assert done.returncode == 0, done.stderr


@pytest.mark.system
@pytest.mark.timeout(BUILD_S)
async def test_server_worker_and_swarm_of_one_image_play_a_match(
    image: Image, around: Stack, tmp_path: Path
) -> None:
    ports = around.settings.ports
    for_worker = own_settings(around.worker_environ())
    migrated = image.run("persistence-worker", "migrate", **for_worker)
    assert migrated.returncode == 0, migrated.stderr

    for_server = own_settings(
        around.gameserver_environ(ws_port=ports["ws"], http_port=ports["http"])
    )
    server = Container(
        image,
        *("gameserver", "run"),
        log=tmp_path / "server.log",
        environ=for_server,
        ready=lambda: (
            image.run("python", "-m", "gameserver.healthcheck", **for_server).returncode == 0
        ),
    )
    worker = Container(
        image,
        *("persistence-worker", "run"),
        log=tmp_path / "worker.log",
        environ=for_worker,
        ready=lambda: image.run("persistence-worker", "healthcheck", **for_worker).returncode == 0,
    )
    programs = (server, worker)
    try:
        for program in programs:
            program.begin()
        for program in programs:
            program.wait_ready()
        swarm = await asyncio.to_thread(
            subprocess.run,
            image.command(
                *("botswarm", "--url", f"ws://{LOOPBACK}:{ports['ws']}", "--tokens", "-"),
                *("--bots", "8", "--mode", "quick", "--duration", "2", "--finish", "40"),
                *("--no-rejoin", "--quiet", "--allow-saturation"),
            ),
            env=image.environ({}),
            input=tokens(around, 8),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert swarm.returncode == 0, swarm.stdout + swarm.stderr
    finally:
        for program in programs:
            program.stop()
    for program in programs:
        # A signal that did not reach the process would end it by SIGKILL, after the time limit.
        assert program.ending() == "exit code 0", program.log.read_text()[-3000:]
    connection = await asyncpg.connect(around.postgres_dsn)
    try:
        assert await connection.fetchval("SELECT count(*) FROM events") > 0
    finally:
        await connection.close()
