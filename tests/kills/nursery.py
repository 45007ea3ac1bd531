"""Workers that start quickly, and all die with the campaign."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.forked import WORKER, Forked


class Nursery:
    """``start`` gives a worker that runs; what they log is appended to ``log``."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._children: list[Forked] = []

    def start(self, environ: Mapping[str, str]) -> Forked:
        """A worker with these variables."""
        child = Forked(WORKER, ["run"], environ=environ, out=self._log, err=self._log)
        self._children.append(child)
        return child

    def close(self) -> None:
        """Kill those that are left; asked to end, they would take their time."""
        for child in self._children:
            child.kill()
