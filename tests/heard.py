"""A program that runs beside a test, and all that it has printed."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


class Heard:
    """It begins at once, in a session of its own. ``output`` grows as it prints, errors too."""

    def __init__(self, argv: Sequence[str], *, directory: Path, environ: Mapping[str, str]) -> None:
        self.output = ""
        self.process = subprocess.Popen(
            argv,
            cwd=directory,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.output += line
