"""What the worker's measurements stand on: a queue, PostgreSQL on the disk, and who runs where."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.database import postgres
from bench.machine import Place, on_cores, place
from bench.toolbox import ROOT
from gameserver.adapters.sqs import SqsQueue
from gameserver.config import Config
from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import free_port
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.ids import MatchId
from gameserver.match.bundles import BODIES_MAX, Packer
from gameserver.match.outbox import Outbox, Unrelayed
from gameserver.metrics import Metrics
from gameserver.ports import OutboxEntry

DATABASE = "worker"
TABLES = (
    "events, matches, participants, results, players, ratings, rating_changes, "
    "boards, board_scores, board_buckets, board_bands"
)
READY_S = 30.0


class Stack:
    """The services on one core; what is measured runs on another, started by ``worker`` and
    ``program``."""

    def __init__(self, service: Postgres, sqs: SqsEndpoint, cores: Place, directory: Path) -> None:
        self.postgres = service
        self.sqs = sqs
        self.cores = cores
        self.directory = directory
        self.dsn = service.dsn(DATABASE)
        self.dlq_url = sqs.create_queue("dead")
        self.queue_url = sqs.create_queue("events", dead_letters_to="dead")

    def cpu_s(self) -> dict[str, float]:
        """What the services have used so far."""
        main = psutil.Process(self.postgres.pid)
        parts = [main, *main.children()]
        return {
            "PostgreSQL": sum(_cpu_s(part) for part in parts),
            "SQS stand-in": _cpu_s(psutil.Process(self.sqs.pid)),
        }

    def own_s(self) -> float:
        """What the services and this process have used so far: all but what is measured."""
        return sum(self.cpu_s().values()) + _cpu_s(psutil.Process())

    def restart_postgres(self) -> None:
        """As settings of a file want it."""
        services = self.cores.services | {self.cores.generator}
        with on_cores(services):
            self.postgres.stop()
            self.postgres.start()

    @contextmanager
    def worker(self, **settings: object) -> Iterator[WorkerProcess]:
        """``python -m persistence_worker run`` as it is shipped; killed in the end."""
        port = free_port()
        given: dict[str, object] = {
            "sqs_queue_url": self.queue_url,
            "sqs_dlq_url": self.dlq_url,
            "sqs_endpoint_url": self.sqs.endpoint_url,
            "postgres_dsn": self.dsn,
            "http_host": "127.0.0.1",
            "http_port": port,
            **settings,
        }
        environ = {f"WORKER_{name.upper()}": str(value) for name, value in given.items()}
        argv = [sys.executable, "-m", "persistence_worker", "run"]
        log = self.directory / "worker.log"
        with on_cores(frozenset({self.cores.server})), log.open("ab") as output:
            child = subprocess.Popen(
                argv, cwd=ROOT, env={**os.environ, **environ}, stdout=output, stderr=output
            )
        try:
            yield WorkerProcess(child, port, log)
        finally:
            child.kill()
            child.wait()

    def program(self, *argv: str) -> str:
        """What a program on the measured core prints."""
        with on_cores(frozenset({self.cores.server})):
            done = subprocess.run(
                [sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return done.stdout


class WorkerProcess:
    """The real worker, asked over HTTP as a scraper would."""

    def __init__(self, child: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = psutil.Process(child.pid)
        self.child = child
        self._port = port
        self._log = log

    def wait_ready(self) -> None:
        """Until ``/readyz`` says 200."""
        deadline = time.monotonic() + READY_S
        while self._get("/readyz")[0] != 200:
            if time.monotonic() > deadline or self.child.poll() is not None:
                raise RuntimeError(f"the worker is not ready:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def metric(self, name: str) -> float:
        """The sum of a metric's values."""
        lines = self._get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def cpu_s(self) -> float:
        return _cpu_s(self.process)

    def rss_mib(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # a helper of PostgreSQL that comes and goes
        return 0.0
    return float(times.user + times.system)


def machine_s() -> float:
    """What everybody has used so far, on all cores."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


@contextmanager
def stack() -> Iterator[Stack]:
    """The services run on the generator's core and those between; all is removed in the end."""
    cores = place()
    services = cores.services | {cores.generator}
    with tempfile.TemporaryDirectory(prefix="bench-worker-") as name, on_cores(services):
        directory = Path(name)
        sqs = SqsEndpoint(port=free_port(), data=directory / "sqs", log=directory / "sqs.log")
        with postgres() as service:
            service.ensure_database(DATABASE)
            sqs.start()
            try:
                yield Stack(service, sqs, cores, directory)
            finally:
                sqs.stop()


def relay(sqs: SqsEndpoint, queue_url: str) -> SqsQueue:
    """The server's own adapter."""
    config = Config(
        sqs_queue_url=queue_url, sqs_endpoint_url=sqs.endpoint_url, aws_region=sqs.region
    )
    return SqsQueue(config, metrics=Metrics())


def bodies(records: Iterable[bytes], *, records_max: int | None = None) -> Iterator[str]:
    """Messages as the relay packs them: full ones, or of so many records, as from a relay that
    has no more within its linger time."""
    outbox = Outbox(MatchId("m"), last_seq=0, wake=lambda outbox: None)
    packer, packed = Packer(), 0
    for record in records:
        one = Unrelayed(OutboxEntry(1, record), 0.0)
        if packed == records_max or not packer.add(outbox, one):
            yield from (bundle.body for bundle in packer.finish())
            packer, packed = Packer(), 0
            packer.add(outbox, one)
        packed += 1
    yield from (bundle.body for bundle in packer.finish())


async def fill(queue: SqsQueue, given: Iterable[str]) -> int:
    """Send all; the number of messages."""
    sent, size = 0, 0
    batch: list[str] = []
    for body in given:
        if batch and (len(batch) == BODIES_MAX or size + len(body) > 1_000_000):
            sent += await _send(queue, batch)
            batch, size = [], 0
        batch.append(body)
        size += len(body)
    return sent + (await _send(queue, batch) if batch else 0)


async def _send(queue: SqsQueue, batch: Sequence[str]) -> int:
    taken = await queue.send(batch)
    assert all(taken)
    return len(batch)
