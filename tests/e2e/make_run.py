"""``make run`` as a process that a test starts, reads and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gameserver.devstack.settings import variable
from tests.heard import Heard

ROOT = Path(__file__).parents[2]


class Run(Heard):
    """``python -m gameserver.devstack run`` in a directory of its own."""

    def __init__(self, directory: Path, ports: dict[str, int]) -> None:
        self.environ = dict(os.environ, RUN_DIR=str(directory), COLUMNS="200")
        self.environ.update({variable(name): str(port) for name, port in ports.items()})
        self.argv = [sys.executable, "-m", "gameserver.devstack", "run"]
        super().__init__(self.argv, directory=ROOT, environ=self.environ)

    def wait_for(self, text: str, *, timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        while text not in self.output:
            if self.process.poll() is not None:
                self._reader.join(5)
                if text in self.output:
                    return
                pytest.fail(f"it ended with {self.process.returncode}: {self.output}")
            if time.monotonic() > deadline:
                pytest.fail(f"no {text!r} after {timeout_s} s: {self.output}")
            time.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"it did not stop: {self.output}")
        self.close()
        return code

    def close(self) -> None:
        """The process has ended: read what is left of its output."""
        self._reader.join(10)
        assert not self._reader.is_alive(), "somebody still holds the output: a process is left"
