"""An emulation of AWS that is a module of this package, as a service."""

from __future__ import annotations

import sys
from pathlib import Path

from gameserver.devstack.emulation_options import EmulationOptions
from gameserver.devstack.process import LOOPBACK, Service


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
        options = EmulationOptions(port=self.port, data=self.data, region=self.region)
        return [sys.executable, "-m", self.module, *options.arguments()]
