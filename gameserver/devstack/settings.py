"""Where the development stack listens and keeps its things.

Each port has a default and a variable of its own: ``make run WS_PORT=9080``. ``PORT_OFFSET`` moves
all of them, so that two stacks can run side by side: ``make run PORT_OFFSET=100 RUN_DIR=.run2``.
``GAMES``, or ``GAME``, says what is played: ``make run GAMES=mash:Mash,arena``, ``make run
GAME=./star_race``. ``NODES`` and ``WORKERS`` say how many servers and workers there are: ``make run
NODES=3 WORKERS=2``. ``RELOAD=1`` reloads games when their source changes;
``LATENCY_MS``, ``JITTER_MS`` and ``STALL_PERCENT`` make all connections that bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gameserver.adapters.network_sim import Conditions
from gameserver.devstack.game_paths import Games, resolve
from gameserver.devstack.options import Options
from gameserver.devstack.process import LOOPBACK, DevstackError, free_port, port_is_taken

DEFAULT_PORTS = {
    "page": 8000,
    "ws": 8080,
    "http": 8081,
    "worker": 8082,
    "valkey": 30379,
    "postgres": 30432,
    "sqs": 30324,
    "moto": 30500,
}
"""Below 32768: from there on, systems take ports for outgoing connections, at times just the one
that is wanted here. The last four lie beyond those that ``free_port`` gives away."""
_PORT_MAX = 65_535
NODES_MAX = 8
WORKERS_MAX = 4
_NODES_PORT = 18_080
"""Above it each node has two ports of its own, so few that an offset of 100 passes them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``ports`` has the keys of ``default_ports``; ``directory`` holds ``data`` and ``logs``."""

    directory: Path
    ports: Mapping[str, int]
    region: str = "eu-central-1"
    games: Games = field(default_factory=Games)  # without a name: the bundled ones
    nodes: int = 1  # more than one stand behind a balancer
    workers: int = 1
    development: Options | None = None  # ``None``: the servers are those of production

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def page_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['page']}"

    @property
    def ws_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.ports['ws']}"

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['http']}"

    @property
    def origins(self) -> tuple[str, ...]:
        """The page's origin, under both names that a browser may know it by."""
        return (self.page_url, f"http://localhost:{self.ports['page']}")


def worker_name(number: int) -> str:
    """``worker``, ``worker-2``, ``worker-3`` …"""
    return "worker" if number == 1 else f"worker-{number}"


def default_ports(*, nodes: int, workers: int) -> dict[str, int]:
    """What listens where if nothing else is said: ``DEFAULT_PORTS``, for several nodes also
    ``ws-1``, ``http-1`` … and ``balancer`` (its status), for several workers ``worker-2`` …"""
    ports = dict(DEFAULT_PORTS)
    for number in range(2, workers + 1):
        ports[worker_name(number)] = DEFAULT_PORTS["worker"] + number - 1
    if nodes > 1:
        ports["balancer"] = DEFAULT_PORTS["worker"] + WORKERS_MAX
        for number in range(1, nodes + 1):
            for place, door in enumerate(("ws", "http")):
                ports[f"{door}-{number}"] = _NODES_PORT + 2 * number + place
    return ports


def variable(name: str) -> str:
    """The variable that changes a port: ``WS_PORT``, ``WS_1_PORT``."""
    if name == "worker":
        return "WORKER_HTTP_PORT"
    # The worker refuses variables with its prefix that are none of its own settings.
    word = name.replace("worker-", "HTTP_OF_WORKER_").replace("-", "_")
    return f"{word.upper()}_PORT"


def from_environ(environ: Mapping[str, str], *, games: Sequence[str] = ()) -> Settings:
    """The settings of ``make run``; ``games`` stands for ``GAMES``. Raises ``DevstackError`` naming
    the variable that is wrong."""
    offset = _number(environ, "PORT_OFFSET", default=0)
    nodes = _count(environ, "NODES", most=NODES_MAX)
    workers = _count(environ, "WORKERS", most=WORKERS_MAX)
    ports = {
        name: _number(environ, variable(name), default=default + offset)
        for name, default in default_ports(nodes=nodes, workers=workers).items()
    }
    names: dict[int, str] = {}
    for name, port in ports.items():
        if not 1 <= port <= _PORT_MAX:
            raise DevstackError(
                f"{variable(name)} is {port}; a port lies between 1 and {_PORT_MAX}."
            )
        if port in names:
            raise DevstackError(
                f"{variable(names[port])} and {variable(name)} are both {port}; change one of them."
            )
        names[port] = name
    directory = Path(environ.get("RUN_DIR") or ".run").resolve()
    return Settings(
        directory=directory,
        ports=ports,
        games=resolve(games or _listed(environ)),
        nodes=nodes,
        workers=workers,
        development=_development(environ, directory, nodes=nodes),
    )


def _development(environ: Mapping[str, str], directory: Path, *, nodes: int) -> Options:
    reload = _switch(environ, "RELOAD")
    if reload and nodes > 1:
        raise DevstackError(
            "RELOAD goes with one server: several would change their rules at different moments. "
            "Leave NODES or RELOAD out."
        )
    return Options(
        reload_log=directory / "logs" / "reload.log" if reload else None,
        end_unfit=_switch(environ, "RELOAD_END_UNFIT"),
        conditions=_conditions(environ),
    )


def _conditions(environ: Mapping[str, str]) -> Conditions:
    given = {
        name: environ[name.upper()]
        for name in Conditions.__struct_fields__
        if environ.get(name.upper())
    }
    try:
        return msgspec.convert(given, Conditions, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise DevstackError(f"{where.rstrip('`').upper()}: {what.replace('`', '')}.") from None


def _switch(environ: Mapping[str, str], key: str) -> bool:
    text = environ.get(key, "").lower()
    if text in ("", "0", "no", "off", "false"):
        return False
    if text in ("1", "yes", "on", "true"):
        return True
    raise DevstackError(f"{key} is {text!r}; it has to be 1 or 0.")


def _listed(environ: Mapping[str, str]) -> list[str]:
    given = (environ.get(key, "") for key in ("GAMES", "GAME"))
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def on_free_ports(directory: Path, *, nodes: int = 1, workers: int = 1) -> Settings:
    """Settings for tests, beside whatever else runs."""
    ports = {name: free_port() for name in default_ports(nodes=nodes, workers=workers)}
    return Settings(directory=directory, ports=ports, nodes=nodes, workers=workers)


def check_ports_are_free(settings: Settings) -> None:
    """Raises ``DevstackError`` for the first port that somebody listens on."""
    for name, port in settings.ports.items():
        if port_is_taken(port):
            raise DevstackError(
                f"Port {port} ({name}) is taken by another program: end that one, or choose "
                f"another port, as in `make run {variable(name)}={port + 100}`, or move all of "
                "them, as in `make run PORT_OFFSET=100`."
            )


def _number(environ: Mapping[str, str], key: str, *, default: int) -> int:
    text = environ.get(key) or str(default)
    try:
        return int(text)
    except ValueError:
        raise DevstackError(f"{key} is {text!r}; it has to be a whole number.") from None


def _count(environ: Mapping[str, str], key: str, *, most: int) -> int:
    count = _number(environ, key, default=1)
    if not 1 <= count <= most:
        raise DevstackError(f"{key} is {count}; it lies between 1 and {most}.")
    return count
