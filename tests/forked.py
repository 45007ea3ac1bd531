"""Commands that begin quickly: forks of a process that has imported everything already.

Each is a process of its own that does what ``python -m MODULE WORDS…`` does, from ``main`` on, and
can be signalled and killed like it. Only the second of imports is saved: see ``zygote``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from tests.quick_start import zygote

SERVER = "gameserver"
WORKER = "persistence_worker"
PLAYER_DATA = "playerdata"


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
        self._child = zygote().fork(
            module, words, environ=environ, log=out, errors=err, stdin=stdin
        )
        self.pid = self._child.pid

    def is_alive(self) -> bool:
        return self._child.poll() is None

    def signal(self, number: int) -> None:
        """Nothing happens if it has ended."""
        self._child.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """The exit code, or the signal's number negative. Raises ``TimeoutError``."""
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            message = f"process {self.pid} has not ended within {timeout_s} s"
            raise TimeoutError(message) from None

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
        return CompletedProcess(list(words), code, stdout=out.read_text(), stderr=err.read_text())
