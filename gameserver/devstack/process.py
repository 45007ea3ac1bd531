"""A service as a child process: started, waited for, stopped, killed and started again.

    start() ──► argv() runs ──► ready() polled ──► stop() (signal, then SIGKILL) | kill()

Nothing is left behind: each child is in a session of its own, so that Ctrl-C in a terminal reaches
only the supervisor, which stops them in order; and if the supervisor itself is killed, the kernel
ends them (see ``exec_child``).
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
_POLL_S = 0.02
_LOG_BYTES_KEPT = 4 * 1024 * 1024
_LOG_TAIL_LINES = 8
_EXEC_CHILD = Path(__file__).with_name("exec_child.py")


class DevstackError(Exception):
    """Something a person has to know, in one sentence that says what to do."""


_FREE_PORTS = range(12_000, 30_000)
_BLOCK = 100
_free_port_lock = threading.Lock()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment.

    Below the range from which systems take ports for outgoing connections, and never one that
    another process has got here: so it is still free when a service gets to use it."""
    with _free_port_lock:
        for port in itertools.islice(_own_ports(os.getpid()), len(_FREE_PORTS)):
            with socket.socket() as probe:
                try:
                    probe.bind((LOOPBACK, port))
                except OSError:
                    continue
            return port
    raise DevstackError(
        f"No port from {_FREE_PORTS.start} to {_FREE_PORTS.stop - 1} is free: end other programs."
    )


@cache
def _own_ports(pid: int) -> Iterator[int]:
    """Blocks of ports, each guarded by its first one: it is bound until this process ends. When no
    block is left, the own ones come again."""
    guarded: list[int] = []
    count = len(_FREE_PORTS) // _BLOCK
    for number in range(count):
        # From a place that differs by process: what one has just used is left alone for a while.
        first = _FREE_PORTS[(pid * 7 + number) % count * _BLOCK]
        guard = socket.socket()
        try:
            guard.bind((LOOPBACK, first))
        except OSError:
            guard.close()
            continue
        guard.detach()
        guarded.append(first)
        yield from range(first + 1, first + _BLOCK)
    while guarded:
        for first in guarded:
            yield from range(first + 1, first + _BLOCK)


def port_is_taken(port: int) -> bool:
    """Whether another process listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
        return False


def log_tail(log: Path, *, lines: int = _LOG_TAIL_LINES) -> str:
    """The last lines of a log, indented, for an error message; empty where there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


class Service(ABC):
    """One program under supervision. Not safe for use from two threads at once."""

    start_timeout_s = 60.0
    stop_timeout_s = 10.0
    stop_signal = signal.SIGTERM
    death_signal = signal.SIGTERM
    """What the child gets if the supervisor vanishes."""
    user: tuple[int, int] | None = None
    """(uid, gid) to run as; ``None`` keeps the supervisor's."""

    def __init__(self, *, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None
        self._spawner: ThreadPoolExecutor | None = None
        self._last_exit: int | None = None

    @abstractmethod
    def argv(self) -> list[str]:
        """The program (an absolute path) and its arguments."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers; asked again and again until it does."""

    def prepare(self) -> None:
        """Called before each start; extended where a first initialisation is needed."""
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def environ(self) -> Mapping[str, str]:
        """The environment of the program; by default that of the supervisor."""
        return os.environ

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start and wait until it is ready; nothing happens if it runs already.

        Raises ``DevstackError`` with the end of the log if it dies or is not ready in time."""
        if not self.is_running():
            self.begin()
            self.wait_ready()

    def begin(self) -> None:
        """The first half of ``start``: returns at once, so that several can start side by side."""
        self.prepare()
        self._spawn()

    def wait_ready(self) -> None:
        """The second half of ``start``; a service that fails is killed."""
        deadline = time.monotonic() + self.start_timeout_s
        try:
            while not self.ready():
                if not self.is_running():
                    raise DevstackError(self.obituary())
                if time.monotonic() > deadline:
                    raise DevstackError(
                        f"{self.name} was not ready within {self.start_timeout_s:.0f} s; "
                        f"its log is {self.log}:\n{log_tail(self.log)}"
                    )
                time.sleep(_POLL_S)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end, then insist. Its data stays."""
        self.ask_to_stop()
        self.wait_stopped()

    def ask_to_stop(self) -> None:
        """The first half of ``stop``: returns at once, so that several can end side by side."""
        if self._child is not None and self.is_running():
            self._child.send_signal(self.stop_signal)

    def wait_stopped(self) -> None:
        """The second half of ``stop``."""
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(self.stop_timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to it and all its descendants, as when a machine is lost."""
        if self._child is not None:
            for process in self._family():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._last_exit = self._child.wait()
            self._child = None
        if self._spawner is not None:
            self._spawner.shutdown()
            self._spawner = None

    def pause(self) -> None:
        """SIGSTOP: it still exists and holds its sockets, but answers nothing."""
        for process in self._family():
            process.suspend()

    def resume(self) -> None:
        """Undo ``pause``."""
        for process in self._family():
            process.resume()

    def ending(self) -> str:
        """How it ended, if it did: ``signal 9`` or ``exit code 1``; of its last life, if it has
        been stopped or killed since."""
        code = self._child.poll() if self._child is not None else self._last_exit
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def obituary(self) -> str:
        """What to tell a person about a service that ended by itself."""
        return f"{self.name} ended ({self.ending()}); its log is {self.log}:\n{log_tail(self.log)}"

    def _family(self) -> list[psutil.Process]:
        # PostgreSQL's backends make sessions of their own, so a process group would not hold them.
        if self._child is None:
            return []
        try:
            process = psutil.Process(self._child.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _spawn(self) -> None:
        self.kill()
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_KEPT:
            self.log.replace(self.log.with_suffix(".log.1"))
        uid, gid = self.user or (-1, -1)
        wrapper = [sys.executable, "-I", "-S", str(_EXEC_CHILD), str(os.getpid())]
        wrapper += [str(int(self.death_signal)), str(uid), str(gid)]
        # The kernel watches the *thread* that forked, and callers may use short-lived ones: so the
        # fork is done by a thread that lives exactly as long as the child is wanted.
        self._spawner = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix=f"parent-of-{self.name}"
        )
        self._child = self._spawner.submit(self._popen, wrapper + self.argv()).result()

    def _popen(self, argv: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environ()),
                start_new_session=True,
            )


def run_to_end(
    argv: list[str], *, name: str, log: Path, environ: Mapping[str, str], timeout_s: float = 60.0
) -> None:
    """Run a program that ends by itself. Raises ``DevstackError`` if it fails or takes longer."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DevstackError(
                f"{name} did not end within {timeout_s:.0f} s; its log is {log}:\n{log_tail(log)}"
            ) from None
    if done.returncode != 0:
        raise DevstackError(
            f"{name} failed (exit code {done.returncode}); its log is {log}:\n{log_tail(log)}"
        )
