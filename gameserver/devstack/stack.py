"""The whole system on one machine: services, migrations, worker, server.

    valkey  postgres  sqs  moto        side by side
        └── database, queues, migrations
    worker …  gameserver …  balancer   side by side; stopped in reverse

With one server it listens on the ports for players itself. Several (``Settings.nodes``) have ports
of their own, and a balancer listens on those: ``balancer.py``.

Any of them can be killed and started again by name, on the same port and with its data:
``stack.kill("valkey")``, ``stack.start("valkey")``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from gameserver.devstack import balancer
from gameserver.devstack.moto import Moto
from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import LOOPBACK, Service, free_port, run_to_end
from gameserver.devstack.programs import Extra, Node, Program, environment
from gameserver.devstack.settings import Settings, worker_name
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.devstack.valkey import Valkey

DATABASE = "gameserver"
READER = "gameserver_reader"
"""The server's role: it may read, and write orders about dead letters down."""
QUEUE = "gameserver-events"
DEAD_LETTERS = "gameserver-events-dlq"
ERASURE_KEY = "development-only-and-never-secret"
_RECEIVES_MAX = 10
"""The queue's own limit is a safety net: the worker decides earlier, and says why."""


class Stack:
    """Blocking, for a program's main thread or ``asyncio.to_thread``; one caller at a time."""

    def __init__(
        self,
        settings: Settings,
        *,
        extra: Extra | None = None,
        fsync: bool = True,
        append_fsync: str = "everysec",
    ) -> None:
        """``fsync`` is PostgreSQL's, ``append_fsync`` Valkey's (``always`` | ``everysec``)."""
        self.settings = settings
        self._extra = extra or Extra()
        ports, data = settings.ports, settings.data
        self.valkey = Valkey(
            port=ports["valkey"],
            data=data / "valkey",
            log=self._log("valkey"),
            append_fsync=append_fsync,
        )
        self.postgres = Postgres(
            port=ports["postgres"], data=data / "postgres", log=self._log("postgres"), fsync=fsync
        )
        self.sqs = SqsEndpoint(
            port=ports["sqs"], data=data / "sqs", log=self._log("sqs"), region=settings.region
        )
        self.moto = Moto(
            port=ports["moto"], data=data / "moto", log=self._log("moto"), region=settings.region
        )
        self.queue_url = ""
        self.dead_letters_url = ""
        self.nodes: dict[str, Node] = {}
        self.workers = [worker_name(number) for number in range(1, settings.workers + 1)]
        self.balancer: str | None = None
        self._infrastructure = ("valkey", "postgres", "sqs", "moto")
        self._services: dict[str, Service] = {
            service.name: service for service in (self.valkey, self.postgres, self.sqs, self.moto)
        }
        for name in self.workers:
            self._add_worker(name)
        if settings.nodes == 1:
            self._add_node("gameserver", ws_port=ports["ws"], http_port=ports["http"])
            return
        for number in range(1, settings.nodes + 1):
            self._add_node(
                f"gameserver-{number}",
                ws_port=ports[f"ws-{number}"],
                http_port=ports[f"http-{number}"],
            )
        self._add_balancer()

    # ── starting and stopping ────────────────────────────────────────────────────────────────────

    def start(self, name: str | None = None, *, progress: Callable[[str], None] = print) -> None:
        """Start one service, or everything that does not run. ``progress`` gets a word on each.

        Raises ``DevstackError`` for the first that fails; the others are left as they are."""
        if name is not None:
            self._services[name].start()
            return
        self._start_all(self._infrastructure, progress)
        self._furnish()
        progress("migrations")
        self.migrate()
        self._start_all(
            [one for one in self._services if one not in self._infrastructure], progress
        )

    def stop(self, name: str | None = None) -> None:
        """Stop one service in order, or everything: the doors first, the stores last."""
        if name is not None:
            self._services[name].stop()
            return
        in_front = [self.balancer] if self.balancer is not None else []
        for group in ([*self.nodes], in_front, self.workers, [*self._infrastructure]):
            for one in group:
                self._services[one].ask_to_stop()
            for one in group:
                self._services[one].wait_stopped()

    def kill(self, name: str | None = None) -> None:
        """SIGKILL to one service, or to everything."""
        for one in [name] if name is not None else reversed(self._services):
            self._services[one].kill()

    def pause(self, name: str) -> None:
        """Freeze a service: it holds its sockets and answers nothing."""
        self._services[name].pause()

    def resume(self, name: str) -> None:
        """Let a paused service go on."""
        self._services[name].resume()

    def service(self, name: str) -> Service:
        return self._services[name]

    def fallen(self) -> Service | None:
        """A service that was started, not stopped, and runs no more."""
        return next(iter(self.all_fallen()), None)

    def all_fallen(self) -> list[Service]:
        """All services that were started, not stopped, and run no more."""
        return [
            service
            for service in self._services.values()
            if service.pid is not None and not service.is_running()
        ]

    def add_node(self) -> Node:
        """One more game server, on free ports, over the same stores, not behind the balancer;
        ``start(node.name)`` it."""
        name = f"gameserver-{len(self.nodes) + 1}"
        return self._add_node(name, ws_port=free_port(), http_port=free_port())

    def migrate(self) -> None:
        """Bring the database to the newest revision. Raises ``DevstackError``."""
        run_to_end(
            [sys.executable, "-m", "persistence_worker", "migrate"],
            name="The database migration",
            log=self._log("migrate"),
            environ=self.worker_environ(),
        )
        self.postgres.execute(f'GRANT INSERT ON letter_orders TO "{READER}"', database=DATABASE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self.kill()

    # ── settings of the programs ─────────────────────────────────────────────────────────────────

    @property
    def postgres_dsn(self) -> str:
        return self.postgres.dsn(DATABASE)

    def worker_environ(self, name: str = "worker") -> dict[str, str]:
        """A worker's environment, also for its commands (``dlq list`` and so on)."""
        return environment(
            {
                "WORKER_SQS_QUEUE_URL": self.queue_url,
                "WORKER_SQS_DLQ_URL": self.dead_letters_url,
                "WORKER_SQS_ENDPOINT_URL": self.sqs.endpoint_url,
                "WORKER_AWS_REGION": self.settings.region,
                "WORKER_POSTGRES_DSN": self.postgres_dsn,
                "WORKER_KMS_ENDPOINT_URL": self.moto.endpoint_url,
                "WORKER_ERASURE_KEY": ERASURE_KEY,
                "WORKER_HTTP_HOST": LOOPBACK,
                "WORKER_HTTP_PORT": str(self.settings.ports[name]),
                "WORKER_DRAIN_MS": "5000",
            }
            | dict(self._extra.worker)
        )

    def gameserver_environ(self, *, ws_port: int, http_port: int) -> dict[str, str]:
        """A game server's environment; its user pool is known once moto has started."""
        cognito, games = self.moto.cognito(), self.settings.games
        paths = [*map(str, games.paths), *filter(None, [os.environ.get("PYTHONPATH")])]
        return environment(
            {
                "GAMESERVER_WS_HOST": LOOPBACK,
                "GAMESERVER_WS_PORT": str(ws_port),
                "GAMESERVER_HTTP_HOST": LOOPBACK,
                "GAMESERVER_HTTP_PORT": str(http_port),
                "GAMESERVER_ORIGINS": ",".join(self.settings.origins),
                "GAMESERVER_COGNITO_ISSUER": cognito.issuer,
                "GAMESERVER_COGNITO_JWKS_URL": cognito.jwks_url,
                "GAMESERVER_COGNITO_CLIENT_IDS": cognito.client_id,
                "GAMESERVER_COGNITO_ENDPOINT_URL": cognito.endpoint_url,
                "GAMESERVER_REDIS_URL": self.valkey.url,
                "GAMESERVER_POSTGRES_DSN": self.postgres.dsn(DATABASE, user=READER),
                "GAMESERVER_SQS_QUEUE_URL": self.queue_url,
                "GAMESERVER_SQS_ENDPOINT_URL": self.sqs.endpoint_url,
                "GAMESERVER_AWS_REGION": self.settings.region,
                "GAMESERVER_KMS_KEY_ID": self.moto.identity["kms_key_id"],
                "GAMESERVER_KMS_ENDPOINT_URL": self.moto.endpoint_url,
                "GAMESERVER_PROFILES_TABLE": self.moto.identity["profiles_table"],
                "GAMESERVER_SESSIONS_TABLE": self.moto.identity["sessions_table"],
                "GAMESERVER_FRIENDS_TABLE": self.moto.identity["friends_table"],
                "GAMESERVER_DYNAMODB_ENDPOINT_URL": self.moto.endpoint_url,
                "GAMESERVER_RECORDINGS_DSN": self.postgres_dsn,
                "GAMESERVER_DRAIN_MS": "5000",
            }
            | ({"GAMESERVER_GAMES": ",".join(games.names)} if games.names else {})
            | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})
            | dict(self._extra.gameserver)
        )

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def _log(self, name: str) -> Path:
        return self.settings.logs / f"{name}.log"

    def _add_node(self, name: str, *, ws_port: int, http_port: int) -> Node:
        node = Node(
            name=name,
            ws_url=f"ws://{LOOPBACK}:{ws_port}",
            api_url=f"http://{LOOPBACK}:{http_port}",
        )
        self.nodes[name] = node
        self._services[name] = Program(
            name=name,
            log=self._log(name),
            argv=[sys.executable, "-m", *_program(self.settings)],
            environ=lambda: self.gameserver_environ(ws_port=ws_port, http_port=http_port),
            ready_url=f"{node.api_url}/readyz",
        )
        return node

    def _add_worker(self, name: str) -> None:
        self._services[name] = Program(
            name=name,
            log=self._log(name),
            argv=[sys.executable, "-m", "persistence_worker", "run"],
            environ=lambda: self.worker_environ(name),
            ready_url=f"http://{LOOPBACK}:{self.settings.ports[name]}/readyz",
        )

    def _add_balancer(self) -> None:
        ports = self.settings.ports
        nodes = {
            f"gameserver-{number}": {door: ports[f"{door}-{number}"] for door in ("ws", "http")}
            for number in range(1, self.settings.nodes + 1)
        }
        arguments = balancer.arguments(
            status_port=ports["balancer"],
            doors={door: ports[door] for door in ("ws", "http")},
            nodes=nodes,
        )
        self.balancer = "balancer"
        self._services[self.balancer] = Program(
            name=self.balancer,
            log=self._log(self.balancer),
            argv=[sys.executable, "-m", "gameserver.devstack.balancer", *arguments],
            environ=lambda: environment({}),
            ready_url=f"http://{LOOPBACK}:{ports['balancer']}/",
        )

    def _start_all(
        self, names: tuple[str, ...] | list[str], progress: Callable[[str], None]
    ) -> None:
        services = [self._services[name] for name in names]
        begun = [service for service in services if not service.is_running()]
        for service in begun:
            service.begin()
        for service in begun:
            service.wait_ready()
            progress(service.name)

    def _furnish(self) -> None:
        """What Terraform or CloudFormation does elsewhere: the database and the queues."""
        self.postgres.ensure_database(DATABASE)
        self.postgres.ensure_reader(READER)
        self.dead_letters_url = self.sqs.create_queue(DEAD_LETTERS)
        self.queue_url = self.sqs.create_queue(
            QUEUE, dead_letters_to=DEAD_LETTERS, receives_max=_RECEIVES_MAX
        )


def _program(settings: Settings) -> list[str]:
    if settings.development is None:
        return ["gameserver", "run"]
    return ["gameserver.devstack.node", *settings.development.arguments()]
