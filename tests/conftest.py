"""Real services for all tests: each once per run, on a free port, ended with the run."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import psutil
import pytest

from gameserver.devstack.moto import Cognito, Moto
from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import free_port
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.devstack.valkey import Valkey
from persistence_worker.migrate import migrate
from tests import aws_models
from tests.deploy.recorder import check_known, watching
from tests.postgres_tls import TlsPostgres
from tests.quick_start import forking
from tests.redis_cluster import RedisCluster
from tests.redis_tls import TlsRedis

# botocore refuses to sign without credentials, and must never find real ones here.
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="eu-central-1",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
)
os.environ.pop("AWS_SESSION_TOKEN", None)
os.environ.pop("AWS_PROFILE", None)

aws_models.share()

REDIS_PREFIX = "t"
MEMORY_FREE_MIN = 12 * 2**30

SLOW_FIRST = (
    "tests/e2e/test_swarm.py",
    "tests/deploy/test_image.py",
    "tests/playerdata",
    "tests/chaos",
    "tests/fuzz",
    "tests/kills",
    "tests/e2e",
    "tests/sim",
    "tests/worker",
    "tests/browser",
    "tests/deploy",
    "tests/devstack",
    "tests/scaffold",
    "tests/docs",
    "tests/botswarm",
)
"""Whole files go to a process: one that takes minutes and begins last is waited for by all."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that wait for processes of their own begin first."""

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(config.rootpath).as_posix()
        return next((i for i, slow in enumerate(SLOW_FIRST) if path.startswith(slow)), 99)

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded by now stays until the end: to look through all of it for garbage again, at
    the end of every file and whenever much was made, would take half a second each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def leaves_nothing_open() -> Iterator[None]:
    """What a file forgot to close is an error of its own, not of the test that happens to run
    when it is collected."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def calls_are_known() -> Iterator[None]:
    """A program calls nothing on AWS that its role's policies were not compared with."""
    with watching(check_known):
        yield


@pytest.fixture(scope="session", autouse=True)
def programs_are_forks(devstack_dir: Path) -> Iterator[None]:
    """Of a process that has imported them: they begin within a tenth of the CPU time."""
    with forking(devstack_dir):
        yield


def needs_system(program: str, *, elsewhere: str = "") -> str:
    """The path of a system program; without it the test is skipped, or fails where CI=true.
    ``elsewhere``: a pattern of directories beside those of PATH, of which the last is taken."""
    places = [*sorted(glob(elsewhere), reverse=True), os.environ.get("PATH", "")]
    path = shutil.which(program, path=os.pathsep.join(places))
    if path is not None:
        return path
    message = f"{program} is not installed (.ci/run installs it)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def needs_compiled(compiled: bool) -> None:
    """Skip a test of compiled code where it could not be compiled; it fails where CI=true."""
    if compiled:
        return
    message = "nothing is compiled: `make setup` says why (.ci/run installs a C compiler)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _memory_files() -> str | None:
    """A directory in memory, where there is plenty of both: each database is a thousand files."""
    place = "/dev/shm"
    try:
        there = os.statvfs(place)
    except OSError:
        return None
    free = min(there.f_bavail * there.f_frsize, psutil.virtual_memory().available)
    runs_programs = not there.f_flag & os.ST_NOEXEC
    return place if runs_programs and free > MEMORY_FREE_MIN else None


@pytest.fixture(scope="session")
def devstack_dir() -> Iterator[Path]:
    """Data and logs of this run's services: ``<dir>/<service>`` and ``<dir>/logs``."""
    # Not pytest's own directory: only root may enter that one, and PostgreSQL does not run as root.
    path = Path(tempfile.mkdtemp(prefix="gameserver-tests-", dir=_memory_files()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey(devstack_dir: Path) -> Iterator[Valkey]:
    """The Valkey behind ``valkey_url``. Shared: a test that kills one starts its own."""
    service = Valkey(
        port=free_port(), data=devstack_dir / "valkey", log=devstack_dir / "logs" / "valkey.log"
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def valkey_url(valkey: Valkey) -> str:
    """``redis://127.0.0.1:PORT/0``; keep apart by ``redis_prefix``."""
    return valkey.url


@pytest.fixture(scope="session")
def redis_tls(devstack_dir: Path) -> Iterator[TlsRedis]:
    """A Redis with TLS only, and a user with few rights. Needs Debian's redis-server."""
    program = needs_system("redis-server")
    directory = devstack_dir / "redis-tls"
    directory.mkdir(parents=True)
    service = TlsRedis(program, port=free_port(), directory=directory, prefix=REDIS_PREFIX)
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def redis_cluster_url(devstack_dir: Path) -> Iterator[str]:
    """A Redis Cluster of three masters, by the URL of one of them."""
    with RedisCluster(devstack_dir / "redis-cluster", prefix=REDIS_PREFIX) as cluster:
        yield cluster.url


@pytest.fixture(scope="session")
def redis_cluster_tls(devstack_dir: Path) -> Iterator[RedisCluster]:
    """A Redis Cluster of three masters with TLS only. Needs Debian's redis-server."""
    program = needs_system("redis-server")
    directory = devstack_dir / "redis-cluster-tls"
    with RedisCluster(directory, prefix=REDIS_PREFIX, tls_program=program) as cluster:
        yield cluster


@pytest.fixture
def redis_prefix() -> str:
    """A key prefix of this test alone."""
    return REDIS_PREFIX + uuid.uuid4().hex[:8]


@pytest.fixture(scope="session")
def postgres(devstack_dir: Path) -> Iterator[Postgres]:
    """The PostgreSQL behind ``postgres_dsn``; without fsync."""
    service = Postgres(
        port=free_port(),
        data=devstack_dir / "postgres",
        log=devstack_dir / "logs" / "postgres.log",
        fsync=False,
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """A migrated database that others are copies of: that takes a third of the time."""
    name = "t_migrated"
    postgres.ensure_database(name)
    with ThreadPoolExecutor(max_workers=1) as thread:  # beside a loop that may run here
        thread.submit(lambda: asyncio.run(migrate(postgres.dsn(name)))).result()
    return name


@pytest.fixture
def postgres_dsn(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    """``postgresql://postgres@127.0.0.1:PORT/NAME``: an empty database, dropped after the test;
    migrated if the test asks for ``migrated_dsn`` as well."""
    migrated = "migrated_dsn" in request.fixturenames
    template = request.getfixturevalue("migrated_template") if migrated else "template1"
    name = "t_" + uuid.uuid4().hex[:12]
    # Copying files takes half the CPU time of writing them by way of the log.
    postgres.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield postgres.dsn(name)
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgres_tls(devstack_dir: Path) -> Iterator[TlsPostgres]:
    """A PostgreSQL with TLS only and passwords. Needs Debian's postgresql."""
    program = needs_system("postgres", elsewhere="/usr/lib/postgresql/*/bin")
    service = TlsPostgres(
        program,
        port=free_port(),
        data=devstack_dir / "postgres-tls",
        log=devstack_dir / "logs" / "postgres-tls.log",
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def sqs_service(devstack_dir: Path) -> Iterator[SqsEndpoint]:
    """The SQS endpoint behind ``sqs_endpoint``; faults can be ordered from it."""
    service = SqsEndpoint(
        port=free_port(), data=devstack_dir / "sqs", log=devstack_dir / "logs" / "sqs.log"
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def sqs_endpoint(sqs_service: SqsEndpoint) -> str:
    """``http://127.0.0.1:PORT``"""
    return sqs_service.endpoint_url


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsQueue:
    """A queue of one test, and its dead-letter queue (maxReceiveCount 5)."""

    name: str
    url: str
    dlq_url: str
    endpoint_url: str


@pytest.fixture
def sqs_queue(sqs_service: SqsEndpoint) -> Iterator[SqsQueue]:
    """A fresh queue with a dead-letter queue; both are deleted after the test."""
    name = "t-" + uuid.uuid4().hex[:12]
    dlq_url = sqs_service.create_queue(f"{name}-dlq")
    url = sqs_service.create_queue(name, dead_letters_to=f"{name}-dlq", receives_max=5)
    yield SqsQueue(name=name, url=url, dlq_url=dlq_url, endpoint_url=sqs_service.endpoint_url)
    sqs_service.delete_queue(url)
    sqs_service.delete_queue(dlq_url)


@pytest.fixture(scope="session")
def moto(devstack_dir: Path) -> Iterator[Moto]:
    """moto's server with the user pool, the KMS key and the tables of the development stack."""
    service = Moto(
        port=free_port(), data=devstack_dir / "moto", log=devstack_dir / "logs" / "moto.log"
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def moto_endpoint(moto: Moto) -> str:
    """``http://127.0.0.1:PORT``"""
    return moto.endpoint_url


@pytest.fixture(scope="session")
def cognito(moto: Moto) -> Cognito:
    """The user pool: ``issuer``, ``jwks_url``, ``client_id``, … and ``token(player)``."""
    return moto.cognito()
