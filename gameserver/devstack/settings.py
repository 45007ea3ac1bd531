"""Where the development stack listens and keeps its things.

Each port has a default and a variable of its own: ``make run WS_PORT=9080``. ``PORT_OFFSET`` moves
all of them, so that two stacks can run side by side: ``make run PORT_OFFSET=100 RUN_DIR=.run2``.
``GAMES`` says what is played: ``make run GAMES=mash:Mash,arena``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gameserver.devstack.process import LOOPBACK, DevstackError, free_port, port_is_taken

DEFAULT_PORTS = {
    "page": 8000,
    "ws": 8080,
    "http": 8081,
    "worker": 8082,
    "valkey": 56379,
    "postgres": 55432,
    "sqs": 59324,
    "moto": 55000,
}
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``ports`` has the keys of ``DEFAULT_PORTS``; ``directory`` holds ``data`` and ``logs``."""

    directory: Path
    ports: Mapping[str, int]
    region: str = "eu-central-1"
    games: str = ""  # as GAMESERVER_GAMES has them; empty = the bundled ones

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


def variable(name: str) -> str:
    """The variable that changes a port: ``WS_PORT``."""
    # The worker refuses variables with its prefix that are none of its own settings.
    return "WORKER_HTTP_PORT" if name == "worker" else f"{name.upper()}_PORT"


def from_environ(environ: Mapping[str, str]) -> Settings:
    """The settings of ``make run``. Raises ``DevstackError`` naming the variable that is wrong."""
    offset = _number(environ, "PORT_OFFSET", default=0)
    ports = {
        name: _number(environ, variable(name), default=default + offset)
        for name, default in DEFAULT_PORTS.items()
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
    return Settings(
        directory=Path(environ.get("RUN_DIR") or ".run").resolve(),
        ports=ports,
        games=environ.get("GAMES", ""),
    )


def on_free_ports(directory: Path) -> Settings:
    """Settings for tests, beside whatever else runs."""
    return Settings(directory=directory, ports={name: free_port() for name in DEFAULT_PORTS})


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
