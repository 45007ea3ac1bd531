"""Programs of the development stack that begin quickly: forks of one that has imported them.

A program is a process of its own, in a session of its own, that can be signalled, frozen and killed
like any other; only the second of CPU for its imports is saved. ``make run``, and whatever is not
started by a ``Stack``, one of its services or ``Forked``, begins as it does elsewhere.
"""

from __future__ import annotations

import json
import math
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gameserver.devstack import process, stack
from gameserver.devstack.emulation import Emulation
from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import DevstackError, Service, log_tail
from gameserver.devstack.programs import Program
from tests.zygote import IMPORTED

_ROOT = Path(__file__).parents[1]
_READ_AT_START = ("PYTHON", "LD_", "MALLOC_")
"""Variables that begin so are read before a program runs: a fork does not heed them."""
_HEEDED = ("PYTHONPATH", "PYTHONUNBUFFERED")


class Child:
    """What ``Service`` uses of ``subprocess.Popen``, of a process that another one started."""

    def __init__(self, args: list[str], told: socket.socket) -> None:
        self.args = args
        self.returncode: int | None = None
        self._told = told
        self._lock = threading.Lock()
        first = told.recv(4)
        if len(first) < 4:
            raise OSError(f"{args} could not be forked")
        [self.pid] = struct.unpack("!i", first)

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None and _readable(self._told.fileno(), 0):
                last = self._told.recv(4)
                self.returncode = struct.unpack("!i", last)[0] if last else -signal.SIGKILL
                self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = math.inf if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            _readable(self._told.fileno(), min(left_s, 1.0))
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _readable(number: int, timeout_s: float) -> bool:
    asked = select.poll()
    if number < 0:
        return True  # Another thread has read it.
    asked.register(number, select.POLLIN)
    return bool(asked.poll(timeout_s * 1000))


class Zygote:
    """Begins when it is first used, and ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: socket.socket | None = None

    def fork(
        self,
        module: str,
        words: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
        stdin: str = os.devnull,
        death_signal: int = signal.SIGKILL,
    ) -> Child:
        """``python -m module words``; what it prints is appended to ``log``, errors too unless
        ``errors`` is a file for them. It gets ``death_signal`` when this process ends."""
        request = {
            "module": module,
            "words": list(words),
            "environ": dict(environ),
            "log": str(log),
            "errors": str(errors or log),
            "stdin": stdin,
            "cwd": os.getcwd(),
            "death_signal": int(death_signal),
        }
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            if self._asked is None:
                self._asked = self._begin()
            message = json.dumps(request).encode()
            socket.send_fds(self._asked, [struct.pack("!i", len(message))], [theirs.fileno()])
            self._asked.sendall(message)
        return Child([sys.executable, "-m", module, *words], ours)

    def close(self) -> None:
        """It ends, and all that it has forked."""
        with self._lock:
            if self._asked is not None:
                self._asked.close()
            self._asked = None

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.zygote", str(theirs.fileno())]
            begun = subprocess.Popen(
                command, cwd=_ROOT, pass_fds=[theirs.fileno()], start_new_session=True
            )
        begun.returncode = 0  # Nobody waits for it: it ends when this process has.
        return ours


class Clusters:
    """PostgreSQL's files as ``initdb`` makes them, which takes most of a second of CPU: made once,
    then copied."""

    def __init__(self, made: Callable[[Postgres], None], *, directory: Path) -> None:
        self._made = made
        self._lock = threading.Lock()
        self._directory = tempfile.TemporaryDirectory(prefix="gameserver-tests-", dir=directory)
        self._first = Path(self._directory.name) / "cluster"

    def initialise(self, service: Postgres) -> None:
        """See ``Postgres``; its kinds have files of their own."""
        if type(service) is not Postgres:
            self._made(service)
            return
        with self._lock:
            if self._first.exists():
                _copy(self._first, service.cluster)
            else:
                self._made(service)
                _copy(service.cluster, self._first)

    def close(self) -> None:
        self._directory.cleanup()


def _copy(source: Path, target: Path) -> None:
    """With owners."""
    shutil.rmtree(target, ignore_errors=True)  # left by an interrupted first start
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@cache
def zygote() -> Zygote:
    """The one of this process."""
    return Zygote()


def _known(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """The module and its words, if a fork does the same."""
    if list(argv[:2]) != [sys.executable, "-m"] or argv[2] not in IMPORTED:
        return None
    if _read_at_start(environ) != _read_at_start(os.environ):
        return None
    return argv[2], list(argv[3:])


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(_READ_AT_START) and name not in _HEEDED
    }


@contextmanager
def forking(directory: Path) -> Iterator[None]:
    """Meanwhile the programs of this repository that a stack starts are forks, and its databases
    copies of one in ``directory``."""
    clusters = Clusters(Postgres._initialise, directory=directory)
    as_usual, to_end_as_usual = Service._popen, process.run_to_end

    def popen(service: Service, argv: list[str]) -> Any:
        environ = service.environ()
        known = _known(service.argv(), environ)
        if known is None:
            return as_usual(service, argv)
        return zygote().fork(
            *known,
            environ=environ,
            log=service.log,
            death_signal=service.death_signal,
        )

    def to_end(
        argv: list[str], *, name: str, log: Path, environ: Mapping[str, str], timeout_s: float = 60
    ) -> None:
        known = _known(argv, environ)
        if known is None:
            return to_end_as_usual(argv, name=name, log=log, environ=environ, timeout_s=timeout_s)
        log.parent.mkdir(parents=True, exist_ok=True)
        child = zygote().fork(*known, environ=environ, log=log)
        try:
            code = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            raise DevstackError(f"{name} did not end within {timeout_s} s") from None
        if code != 0:
            raise DevstackError(f"{name} failed (exit code {code}):\n{log_tail(log)}")

    with pytest.MonkeyPatch.context() as patch:
        for kind in (Program, Emulation):
            patch.setattr(kind, "_popen", popen, raising=False)
        patch.setattr(stack, "run_to_end", to_end)
        patch.setattr(Postgres, "_initialise", lambda service: clusters.initialise(service))
        try:
            yield
        finally:
            zygote().close()
            clusters.close()
