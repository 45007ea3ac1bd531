"""A process that has imported programs and forks them, so that each saves its second of imports.

    tests ──(socket pair)──► zygote, which imports a module when it is first asked for
                               └── warden: tells how the program ended
                                     └── program: what ``python -m MODULE …`` does from ``main``

It has a single thread, so that a fork is safe. ``quick_start`` is the other side.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, cast

IMPORTED = {
    "gameserver": ["gameserver.__main__", "tests.aws_read"],
    "gameserver.devstack.node": ["gameserver.devstack.node", "tests.aws_read"],
    "gameserver.devstack.balancer": ["gameserver.devstack.balancer"],
    "gameserver.devstack.moto_host": ["gameserver.devstack.moto_host"],
    "gameserver.devstack.sqs_endpoint": ["gameserver.devstack.sqs_endpoint"],
    "persistence_worker": [
        "persistence_worker.__main__",
        "persistence_worker.service",
        "persistence_worker.commands",
        "persistence_worker.migrate",
        "tests.aws_read",
        "uvloop",
    ],
    "playerdata": ["playerdata.__main__", "tests.aws_read"],
}
"""The programs: the module with ``main``, and what that one imports when it has begun to run."""
_PR_SET_PDEATHSIG = 1


def _serve(asked: socket.socket) -> dict[str, Any]:
    """Fork whenever it is asked to; returns in each program, with what it is."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # No warden is waited for.
    while True:
        size, fds, _, _ = socket.recv_fds(asked, 4, 1)
        if not size:
            os._exit(0)
        message = asked.recv(*struct.unpack("!i", size), socket.MSG_WAITALL)
        request = cast(dict[str, Any], json.loads(message))
        for name in IMPORTED[request["module"]]:
            if name not in sys.modules:
                importlib.import_module(name)
                gc.collect()
                gc.freeze()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asked.close()
            _ends_with_its_parent(signal.SIGKILL)
            if _fork_and_tell(fds[0], request):
                return request
        os.close(fds[0])


def _fork_and_tell(told: int, request: dict[str, Any]) -> bool:
    """True in the program; the warden ends here."""
    warden = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.setsid()
        _ends_with_its_parent(request["death_signal"])
        if os.getppid() != warden:
            os._exit(1)
        return True
    os.write(told, struct.pack("!i", child))
    _, status = os.waitpid(child, 0)
    with suppress(OSError):  # Nobody wants to know.
        os.write(told, struct.pack("!i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _ends_with_its_parent(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _become(request: dict[str, Any]) -> None:
    """What the interpreter does before a program runs."""
    environ = request["environ"]
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(request["cwd"])
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, name, flags in (
        (0, "stdin", os.O_RDONLY),
        (1, "log", append),
        (2, "errors", append),
    ):
        opened = os.open(request[name], flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)
    for stream in (sys.stdout, sys.stderr):
        cast(Any, stream).reconfigure(write_through=True)
    paths = [*filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path[:1] = [request["cwd"], *(each for each in paths if each not in sys.path)]


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        request = _serve(asked)
    _become(request)
    module = sys.modules[IMPORTED[request["module"]][0]]
    sys.argv[:] = [str(module.__file__), *request["words"]]
    sys.exit(module.main())


if __name__ == "__main__":
    main()
