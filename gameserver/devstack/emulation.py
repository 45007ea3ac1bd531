"""An emulation of AWS that is a module of this package, as a service."""

from __future__ import annotations

import sys
from pathlib import Path

from gameserver.devstack.process import LOOPBACK, Service

REGION = "eu-central-1"


class Emulation(Service):
    """``python -m <module>``; ``endpoint_url`` is what clients connect to, ``data`` outlives it."""

    module: str

    def __init__(self, *, port: int, data: Path, log: Path, region: str, name: str) -> None:
        super().__init__(name=name, log=log)
        self.port = port
        self.data = data
        self.region = region
        self.endpoint_url = f"http://{LOOPBACK}:{port}"

    def argv(self) -> list[str]:
        options = {"--port": str(self.port), "--data": str(self.data), "--region": self.region}
        words = (word for pair in options.items() for word in pair)
        return [sys.executable, "-m", self.module, *words]
