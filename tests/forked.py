"""Processes that begin quickly: forks of one that has imported everything already.

Each is a process of its own that does what ``python -m MODULE WORDS…`` does, from ``main`` on, and
can be signalled and killed like it. Only the second of imports is saved.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

WORKER = "persistence_worker.__main__"
PLAYER_DATA = "playerdata.__main__"
_PRELOADED = [
    WORKER,
    "persistence_worker.service",
    "persistence_worker.commands",
    "persistence_worker.migrate",
    "aiobotocore.session",
    PLAYER_DATA,
    "uvloop",
    __name__,
]

_LOCK = threading.Lock()
"""multiprocessing looks at all children when it starts one; an exit code can be read only once."""


class Forked:
    """``main(words)`` of a module in a process of its own, which ends with this one. What it
    prints is appended to the files ``out`` and ``err``."""

    def __init__(
        self,
        module: str,
        words: Sequence[str],
        *,
        environ: Mapping[str, str],
        out: Path,
        err: Path,
        stdin: str = os.devnull,
    ) -> None:
        context: Any = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self._child: BaseProcess = context.Process(
            target=_run,
            args=(module, list(words), dict(environ), str(out), str(err), stdin),
            daemon=True,
        )
        with _LOCK:
            self._child.start()
        assert self._child.pid is not None
        self.pid = self._child.pid

    def is_alive(self) -> bool:
        with _LOCK:
            return self._child.is_alive()

    def signal(self, number: int) -> None:
        """Nothing happens if it has ended."""
        if self.is_alive():
            os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int:
        """The exit code, or the signal's number negative. Raises ``TimeoutError``."""
        if not connection.wait([self._child.sentinel], timeout_s) or self.is_alive():
            raise TimeoutError(f"process {self.pid} has not ended within {timeout_s} s")
        assert self._child.exitcode is not None
        return self._child.exitcode

    def kill(self) -> bool:
        """SIGKILL; false if it had ended before."""
        alive = self.is_alive()
        self.signal(signal.SIGKILL)
        self.wait(60)
        return alive


def run_forked(
    module: str,
    words: Sequence[str],
    *,
    environ: Mapping[str, str],
    stdin: str = os.devnull,
    timeout_s: float = 60.0,
) -> CompletedProcess[str]:
    """To its end, as ``subprocess.run`` does. ``stdin``: a path, which may be a terminal's."""
    with tempfile.TemporaryDirectory() as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        child = Forked(module, words, environ=environ, out=out, err=err, stdin=stdin)
        try:
            code = child.wait(timeout_s)
        finally:
            child.kill()
        return CompletedProcess(
            list(words),
            code,
            stdout=out.read_text(),
            stderr=err.read_text() if err.exists() else "",
        )


def _run(
    module: str, words: list[str], environ: dict[str, str], out: str, err: str, stdin: str
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.dup2(os.open(stdin, os.O_RDONLY), 0)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.stdin = open(0, closefd=False)
    sys.argv[1:] = words
    sys.exit(importlib.import_module(module).main(words))
