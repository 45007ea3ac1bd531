"""Workers that start quickly: children of a process that has imported everything already.

Each is a process of its own that does what ``python -m persistence_worker run`` does, from reading
its settings on, and can be killed like it. Only the half second of imports is saved.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_PRELOADED = ["persistence_worker.service", "persistence_worker.__main__", "uvloop", __name__]


class Nursery:
    """``start`` gives a child that runs; the nursery itself ends with this process."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._children: list[BaseProcess] = []
        self._context: Any = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)

    def start(self, environ: Mapping[str, str]) -> BaseProcess:
        """A worker with these variables."""
        child: BaseProcess = self._context.Process(
            target=_run, args=(dict(environ), str(self._log)), daemon=True
        )
        child.start()
        self._children.append(child)
        return child

    def close(self) -> None:
        """Kill those that are left; asked to end, they would take their time."""
        for child in self._children:
            kill(child)


def kill(child: BaseProcess) -> bool:
    """SIGKILL; false if it had ended before."""
    alive = child.is_alive()
    if alive and child.pid is not None:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    return alive


def _run(environ: dict[str, str], log: str) -> None:
    from persistence_worker.__main__ import main

    os.environ.clear()
    os.environ.update(environ)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.exit(main(["run"]))
