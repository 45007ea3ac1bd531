"""deploy/compose/compose.yaml, brought up without Docker: each service is a process here.

    host:port of the file ──► 127.0.0.1 and a free port     image ──► the programs of this checkout
    depends_on, health check, command, environment: as they stand in the file

Valkey and PostgreSQL are those of the development stack. What is not tried by this is Docker: that
images are pulled and built, volumes, names on a network, a read-only root.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import LOOPBACK, Service, free_port, run_to_end
from gameserver.devstack.valkey import Valkey
from tests.deploy.task_definitions import ROOT

LISTEN = {
    "valkey": (6379,),
    "postgres": (5432,),
    "sqs": (9324,),
    "moto": (5000,),
    "server": (8080, 8081),
    "worker": (8082,),
}
"""The ports that services have for one another, and for people, as the file has them."""
OWN_PORTS = {
    "server": {"GAMESERVER_WS_PORT": 8080, "GAMESERVER_HTTP_PORT": 8081},
    "worker": {"WORKER_HTTP_PORT": 8082},
}


class Composed:
    """``logs``: a file a service."""

    def __init__(self, compose: Mapping[str, Any], directory: Path) -> None:
        self.services: Mapping[str, Mapping[str, Any]] = compose["services"]
        self.logs = directory / "logs"
        self._directory = directory
        self._ports = {
            (name, port): free_port() for name, ports in LISTEN.items() for port in ports
        }
        scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
        self._programs = {name: place.partition(":")[0] for name, place in scripts.items()}
        self._running: dict[str, Service] = {}
        self._done: set[str] = set()

    def port(self, name: str, port: int) -> int:
        """Where the service's port is on this machine."""
        return self._ports[name, port]

    def words(self, name: str, given: Sequence[str]) -> list[str]:
        """A command of the file, for this machine."""
        first, *rest = (self._here(name, word) for word in given)
        if "--host" in rest:  # What it listens on.
            rest[rest.index("--host") + 1] = LOOPBACK
        if first in self._programs:
            return [sys.executable, "-m", self._programs[first], *rest]
        assert first == "python", f"{name} runs {first}, which is in neither image"
        return [sys.executable, *rest]

    def environ(self, name: str) -> dict[str, str]:
        """What the container would be given, and nothing else; its own ports besides."""
        given = self.services[name].get("environment", {})
        own = {key: str(self.port(name, port)) for key, port in OWN_PORTS.get(name, {}).items()}
        said = {key: self._here(name, str(value)) for key, value in given.items()}
        return said | own | {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}

    def _here(self, name: str, text: str) -> str:
        for (host, port), here in self._ports.items():
            text = re.sub(rf"\b{host}:{port}\b", f"{LOOPBACK}:{here}", text)
            if host == name:
                text = text.replace(f"{LOOPBACK}:{port}", f"{LOOPBACK}:{here}")
                text = str(here) if text == str(port) else text
        data = self._directory / name
        return str(data) if text == "/data" else text

    def start(self, name: str) -> None:
        """With all that it waits for, in the way in which it waits."""
        service = self.services[name]
        for other, wish in service.get("depends_on", {}).items():
            if wish["condition"] != "service_completed_successfully":
                self.start(other)
            elif other not in self._done:
                self.run(other)
        if name not in self._running:
            self._running[name] = part = self._part(name)
            part.start()
            if isinstance(part, Postgres):
                part.ensure_database(service["environment"]["POSTGRES_DB"])

    def run(self, name: str, *more: str) -> None:
        """A service that ends by itself. Raises ``DevstackError`` unless its exit code is 0."""
        for other in self.services[name].get("depends_on", {}):
            self.start(other)
        self._done.add(name)
        run_to_end(
            [*self.words(name, self.services[name]["command"]), *more],
            name=name,
            log=self.logs / f"{name}.log",
            environ=self.environ(name),
        )

    def down(self) -> dict[str, str]:
        """Stop all in reverse; how each ended."""
        endings = {}
        for name, part in reversed(self._running.items()):
            part.stop()
            endings[name] = part.ending()
        self._running.clear()
        return endings

    def _part(self, name: str) -> Service:
        log, data = self.logs / f"{name}.log", self._directory / name
        if name == "valkey":
            return Valkey(port=self.port(name, 6379), data=data, log=log)
        if name == "postgres":
            return Postgres(port=self.port(name, 5432), data=data, log=log, fsync=False)
        data.mkdir(parents=True, exist_ok=True)
        return _Part(self, name, log)


class _Part(Service):
    stop_timeout_s = 30.0

    def __init__(self, composed: Composed, name: str, log: Path) -> None:
        super().__init__(name=name, log=log)
        self._composed = composed
        self._service = composed.services[name]

    def argv(self) -> list[str]:
        return self._composed.words(self.name, self._service.get("command") or _command())

    def environ(self) -> Mapping[str, str]:
        return self._composed.environ(self.name)

    def ready(self) -> bool:
        """Its health check, as the file has it."""
        kind, *test = self._service["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            self._composed.words(self.name, test),
            env=self.environ(),
            capture_output=True,
            timeout=30,
            check=False,
        )
        return done.returncode == 0


def _command() -> list[str]:
    """Of the stand-ins' Dockerfile."""
    [line] = re.findall(
        r"^CMD \[(.*)\]$", (ROOT / "deploy/compose/Dockerfile").read_text(), re.MULTILINE
    )
    return [word.rstrip(",") for word in shlex.split(line)]


@contextmanager
def up(compose: Mapping[str, Any], directory: Path) -> Iterator[Composed]:
    """``docker compose up``, and ``down`` at the end."""
    composed = Composed(compose, directory)
    with ExitStack() as stack:
        stack.callback(composed.down)
        for name, service in composed.services.items():
            if "profiles" not in service and "healthcheck" in service:
                composed.start(name)
        yield composed
