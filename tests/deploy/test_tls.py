"""Everything encrypted: bots play over wss, and no hop takes plaintext.

bots ──wss──► server ──rediss──► Redis        server, worker ──https──► SQS, KMS, DynamoDB,
tests ─https─►   │                                                       Cognito (stand-ins
                 └─https─► SQS ─https─► worker ──verify-full──► PostgreSQL  behind TLS fronts)
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from gameserver.devstack.moto import Moto
from gameserver.devstack.process import LOOPBACK, Service, free_port, run_to_end
from gameserver.devstack.programs import environment
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.devstack.tokens import bot_name, bot_player
from tests.conftest import REDIS_PREFIX, SqsQueue
from tests.deploy.task_definitions import ROOT
from tests.deploy.tls_front import Authority, TlsFront
from tests.postgres_tls import TlsPostgres
from tests.redis_tls import TlsRedis

BOTS = 8
pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


class Program(Service):
    """A program of the project that answers ``/readyz``, over TLS where ``trusting`` is given."""

    stop_timeout_s = 30.0

    def __init__(
        self,
        *words: str,
        log: Path,
        environ: Mapping[str, str],
        url: str,
        trusting: Path | None = None,
    ) -> None:
        super().__init__(name=words[0], log=log)
        self._words = words
        self._own = environ
        self._url = url
        self._trusting = trusting

    def argv(self) -> list[str]:
        return [sys.executable, "-m", *self._words]

    def environ(self) -> Mapping[str, str]:
        return environment(self._own)

    def ready(self) -> bool:
        context = ssl.create_default_context(cafile=self._trusting) if self._trusting else None
        try:
            with urllib.request.urlopen(f"{self._url}/readyz", timeout=5, context=context):
                return True
        except OSError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hops:
    """The system while it runs, and each place that is connected to."""

    ws_port: int
    http_port: int
    redis: TlsRedis
    postgres: TlsPostgres
    fronts: Mapping[str, TlsFront]
    authority: Authority
    tokens: Path
    for_worker: dict[str, str]

    def swarm(self, url: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "botswarm", "--url", url, "--tokens", self.tokens]
        command += ["--bots", str(BOTS), "--mode", "quick", "--duration", "2", "--finish", "60"]
        command += ["--no-rejoin", "--quiet", "--allow-saturation", *words]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    def check(self, ledger: Path) -> subprocess.CompletedProcess[str]:
        """Compare what the bots were told with PostgreSQL."""
        command = [sys.executable, "-m", "botswarm", "check", "--ledger", ledger]
        command += ["--postgres", self.postgres.url(), "--wait", "60"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def authority(devstack_dir: Path) -> Authority:
    directory = devstack_dir / "tls"
    directory.mkdir()
    return Authority(directory)


@pytest.fixture(scope="module")
def fronts(
    authority: Authority, sqs_service: SqsEndpoint, moto: Moto
) -> Iterator[Mapping[str, TlsFront]]:
    """HTTPS for SQS, and for each service that moto stands in for, by name."""
    backends = {"sqs": sqs_service.port} | dict.fromkeys(("cognito", "kms", "dynamodb"), moto.port)
    made = {name: TlsFront(port, authority.context()) for name, port in backends.items()}
    for front in made.values():
        front.start()
    yield made
    for front in made.values():
        front.stop()


@pytest.fixture
def hops(
    authority: Authority,
    fronts: Mapping[str, TlsFront],
    redis_tls: TlsRedis,
    postgres_tls: TlsPostgres,
    sqs_queue: SqsQueue,
    moto: Moto,
    tmp_path: Path,
) -> Iterator[Hops]:
    """Server and worker, each with TLS on every side."""
    cognito = moto.cognito()
    tokens = tmp_path / "tokens"
    names = [(bot_player(index), bot_name(index)) for index in range(1, BOTS + 1)]
    tokens.write_text("\n".join(cognito.token(player, username=name) for player, name in names))
    hops = Hops(
        ws_port=free_port(),
        http_port=free_port(),
        redis=redis_tls,
        postgres=postgres_tls,
        fronts=fronts,
        authority=authority,
        tokens=tokens,
        for_worker={},
    )
    # This machine's own authorities are trusted by nobody here.
    nowhere = tmp_path / "no-authorities"
    nowhere.mkdir()
    trust = {
        "AWS_CA_BUNDLE": str(authority.file),
        "SSL_CERT_FILE": str(authority.file),
        "SSL_CERT_DIR": str(nowhere),
    }
    worker_port = free_port()
    hops.for_worker.update(trust | _worker_settings(hops, sqs_queue, worker_port))
    run_to_end(
        [sys.executable, "-m", "persistence_worker", "migrate"],
        name="The database migration",
        log=tmp_path / "migrate.log",
        environ=environment(hops.for_worker),
    )
    worker = Program(
        *("persistence_worker", "run"),
        log=tmp_path / "worker.log",
        environ=hops.for_worker,
        url=f"http://{LOOPBACK}:{worker_port}",
    )
    server = Program(
        *("gameserver", "run"),
        log=tmp_path / "server.log",
        environ=trust | _server_settings(hops, sqs_queue, moto),
        url=f"https://{LOOPBACK}:{hops.http_port}",
        trusting=authority.file,
    )
    try:
        worker.begin()
        server.begin()
        worker.wait_ready()
        server.wait_ready()
        yield hops
    finally:
        server.stop()
        worker.stop()


def _worker_settings(hops: Hops, queue: SqsQueue, port: int) -> dict[str, str]:
    sqs = hops.fronts["sqs"].url
    return {
        "WORKER_SQS_QUEUE_URL": queue.url.replace(queue.endpoint_url, sqs),
        "WORKER_SQS_DLQ_URL": queue.dlq_url.replace(queue.endpoint_url, sqs),
        "WORKER_SQS_ENDPOINT_URL": sqs,
        "WORKER_KMS_ENDPOINT_URL": hops.fronts["kms"].url,
        "WORKER_POSTGRES_DSN": hops.postgres.url(),
        "WORKER_HTTP_HOST": LOOPBACK,
        "WORKER_HTTP_PORT": str(port),
        "WORKER_DRAIN_MS": "5000",
    }


def _server_settings(hops: Hops, queue: SqsQueue, moto: Moto) -> dict[str, str]:
    cognito = moto.cognito()
    certificate, key = hops.authority.files("server")
    at = {name: front.url for name, front in hops.fronts.items()}
    return {
        "GAMESERVER_WS_HOST": LOOPBACK,
        "GAMESERVER_WS_PORT": str(hops.ws_port),
        "GAMESERVER_HTTP_HOST": LOOPBACK,
        "GAMESERVER_HTTP_PORT": str(hops.http_port),
        "GAMESERVER_TLS_CERT_FILE": str(certificate),
        "GAMESERVER_TLS_KEY_FILE": str(key),
        "GAMESERVER_COGNITO_ISSUER": cognito.issuer,
        "GAMESERVER_COGNITO_JWKS_URL": cognito.jwks_url.replace(
            cognito.endpoint_url, at["cognito"]
        ),
        "GAMESERVER_COGNITO_CLIENT_IDS": cognito.client_id,
        "GAMESERVER_COGNITO_ENDPOINT_URL": at["cognito"],
        "GAMESERVER_REDIS_URL": hops.redis.url,
        "GAMESERVER_REDIS_PREFIX": f"{REDIS_PREFIX}tls",
        "GAMESERVER_SQS_QUEUE_URL": queue.url.replace(queue.endpoint_url, at["sqs"]),
        "GAMESERVER_SQS_ENDPOINT_URL": at["sqs"],
        "GAMESERVER_KMS_KEY_ID": moto.identity["kms_key_id"],
        "GAMESERVER_KMS_ENDPOINT_URL": at["kms"],
        "GAMESERVER_PROFILES_TABLE": moto.identity["profiles_table"],
        "GAMESERVER_SESSIONS_TABLE": moto.identity["sessions_table"],
        "GAMESERVER_DYNAMODB_ENDPOINT_URL": at["dynamodb"],
        "GAMESERVER_POSTGRES_DSN": hops.postgres.url(),
        "GAMESERVER_RECORDINGS_DSN": hops.postgres.url(),
        "GAMESERVER_DRAIN_MS": "5000",
    }


async def test_a_match_is_played_and_stored_with_every_hop_encrypted(
    hops: Hops, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    played = hops.swarm(
        f"wss://{LOOPBACK}:{hops.ws_port}",
        *("--ca", hops.authority.file, "--ledger", ledger, "--min-matches-ended", "1"),
    )
    assert played.returncode == 0, played.stdout + played.stderr
    checked = hops.check(ledger)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert all(front.accepted for front in hops.fronts.values()), "each was reached by TLS"
    connection = await asyncpg.connect(hops.postgres.url())
    try:
        assert await connection.fetchval("SELECT count(*) FROM matches WHERE ended_at IS NOT NULL")
        encrypted = await connection.fetch(
            "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
            "WHERE a.backend_type = 'client backend'"
        )
    finally:
        await connection.close()
    assert len(encrypted) > 1 and all(row["ssl"] for row in encrypted)

    await _plaintext_is_refused(hops)
    # And what is encrypted by somebody else is refused by who connects.
    stranger = Authority(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(hops.ws_port, stranger)
    told = _dead_letters(hops, AWS_CA_BUNDLE=str(stranger.file))
    assert told.returncode == 1 and "CERTIFICATE_VERIFY_FAILED" in told.stderr
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncpg.connect(hops.postgres.url(sslrootcert=str(hops.postgres.other_ca_file)))


async def _plaintext_is_refused(hops: Hops) -> None:
    http = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    ports = {"wss": hops.ws_port, "https": hops.http_port}
    ports |= {name: front.port for name, front in hops.fronts.items()}
    for name, port in ports.items():
        assert not _answer(port, http).startswith(b"HTTP/"), name
    assert b"PONG" not in _answer(hops.redis.port, b"PING\r\n")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(hops.postgres.url(sslmode="disable"))


def _shake_hands(port: int, trusted: Authority) -> None:
    """As a client that trusts this authority alone."""
    context = ssl.create_default_context(cafile=trusted.file)
    with (
        socket.create_connection((LOOPBACK, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=LOOPBACK),
    ):
        pass


def _dead_letters(hops: Hops, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command of the worker that asks SQS."""
    return subprocess.run(
        [sys.executable, "-m", "persistence_worker", "dlq", "stats"],
        cwd=ROOT,
        env=environment(hops.for_worker | environ),
        capture_output=True,
        text=True,
        check=False,
    )


def _answer(port: int, said: bytes) -> bytes:
    """What a service says to plaintext before it hangs up."""
    heard = b""
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        try:
            connection.sendall(said)
            while chunk := connection.recv(4096):
                heard += chunk
        except ConnectionError:
            pass
    return heard
