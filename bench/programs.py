"""Servers under measurement as processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import on_cores
from bench.toolbox import ROOT
from gameserver.devstack.process import free_port

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0


class Failed(Exception):
    """A server or the load generator did not do its part; the text says what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that is ready. ``pids`` are its processes, ``services`` those that it leans on;
    ``options`` are for the load generator."""

    port: int
    pids: list[int]
    services: Mapping[str, int] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    metrics_url: str = ""
    """Where a server shows its own counters, if it does."""


@contextmanager
def program(
    argv: list[str], *, core: int, log: Path, environ: Mapping[str, str]
) -> Iterator[Running]:
    """A program that takes its port in place of the word ``PORT`` and prints ``ready``.

    Raises ``Failed`` with the end of its output if it does not get that far."""
    port = free_port()
    command = [str(port) if word == "PORT" else word for word in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with on_cores(frozenset({core})), log.open("w") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **environ},
        )
    try:
        _wait_ready(child, log)
        yield Running(port=port, pids=[child.pid])
    finally:
        child.terminate()
        try:
            child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_ready(child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while "ready" not in log.read_text():
        if child.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"{child.args!r} is not ready:\n{log.read_text()[-1000:]}")
        time.sleep(0.02)
