"""Supervision, with small programs in place of services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from gameserver.devstack.process import (
    DevstackError,
    Service,
    free_port,
    log_tail,
    port_is_taken,
    run_to_end,
)


class Dummy(Service):
    """Runs a Python text; it is ready once it has written ``<name>.ready``."""

    def __init__(self, directory: Path, code: str, *, name: str = "dummy") -> None:
        super().__init__(name=name, log=directory / f"{name}.log")
        self.flag = directory / f"{name}.ready"
        self.code = f"import pathlib, sys, time\nflag = pathlib.Path({str(self.flag)!r})\n"
        self.code += textwrap.dedent(code)

    def prepare(self) -> None:
        super().prepare()
        self.flag.unlink(missing_ok=True)

    def argv(self) -> list[str]:
        return [sys.executable, "-S", "-c", self.code]

    def ready(self) -> bool:
        return self.flag.exists()


STAYS = "flag.touch()\ntime.sleep(600)\n"
FORKS = """
    import subprocess
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"],
                             start_new_session=True)
    flag.write_text(str(child.pid))
    time.sleep(600)
"""
DEAF = """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    flag.touch()
    while True:
        time.sleep(600)
"""


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def test_start_waits_until_ready_and_stop_until_gone(tmp_path):
    service = Dummy(tmp_path, STAYS)
    service.start()
    pid = service.pid
    assert service.flag.exists() and service.is_running() and pid is not None
    service.start()
    assert service.pid == pid, "a service that runs is not started again"
    service.stop()
    assert not service.is_running()
    assert not psutil.pid_exists(pid)
    service.stop()


def test_it_can_be_started_again_after_a_kill(tmp_path):
    service = Dummy(tmp_path, STAYS)
    service.start()
    first = service.pid
    service.kill()
    assert service.pid is None
    service.start()
    assert service.is_running() and service.pid != first
    service.stop()


def test_a_kill_takes_descendants_in_other_sessions_too(tmp_path):
    service = Dummy(tmp_path, FORKS)
    service.start()
    grandchild = int(service.flag.read_text() or "0")
    service.kill()
    wait_gone(grandchild)


def test_one_that_ignores_the_signal_is_killed(tmp_path):
    service = Dummy(tmp_path, DEAF)
    service.stop_timeout_s = 0.2
    service.start()
    service.stop()
    assert not service.is_running()


def test_one_that_dies_at_start_says_why(tmp_path):
    service = Dummy(tmp_path, "print('the cause')\nsys.exit(3)\n")
    with pytest.raises(DevstackError, match=r"dummy ended \(exit code 3\).*\n.*the cause"):
        service.start()
    assert service.pid is None


def test_one_that_is_never_ready_is_given_up(tmp_path):
    service = Dummy(tmp_path, "print('hanging', flush=True)\ntime.sleep(600)\n")
    service.start_timeout_s = 0.5
    with pytest.raises(DevstackError, match="not ready within"):
        service.start()
    assert not service.is_running()


def test_a_paused_one_stands_still(tmp_path):
    service = Dummy(tmp_path, STAYS)
    service.start()
    process = psutil.Process(service.pid)
    service.pause()
    deadline = time.monotonic() + 10
    while process.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    service.resume()
    service.stop()
    assert not service.is_running()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
def test_children_die_with_a_supervisor_that_is_killed(tmp_path):
    code = f"""
    from pathlib import Path
    from tests.devstack.test_process import Dummy, STAYS
    service = Dummy(Path({str(tmp_path)!r}), STAYS)
    service.start()
    print(service.pid, flush=True)
    import time
    time.sleep(600)
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert supervisor.stdout is not None
        with supervisor.stdout as output:
            pid = int(output.readline())
        assert psutil.pid_exists(pid)
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
    wait_gone(pid)


def test_a_long_log_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr("gameserver.devstack.process._LOG_BYTES_KEPT", 10)
    service = Dummy(tmp_path, STAYS)
    service.log.write_text("x" * 11)
    service.start()
    service.stop()
    assert service.log.with_suffix(".log.1").read_text() == "x" * 11
    assert service.log.stat().st_size == 0


def test_the_tail_of_a_log(tmp_path):
    log = tmp_path / "a.log"
    assert log_tail(log) == ""
    log.write_text("".join(f"{n}\n" for n in range(5000)))
    assert log_tail(log, lines=2) == "    4998\n    4999"


def test_ports():
    import socket

    port = free_port()
    assert not port_is_taken(port)
    with socket.create_server(("127.0.0.1", port)):
        assert port_is_taken(port)
        assert free_port() != port


def test_no_two_processes_are_given_the_same_ports():
    code = "from gameserver.devstack.process import free_port\n"
    code += "print(*(free_port() for _ in range(150)), flush=True)\ninput()"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    given = [free_port() for _ in range(150)]
    for child in children:
        given += [int(port) for port in child.stdout.readline().split()]
    for child in children:
        child.communicate("\n", timeout=60)
    assert len(given) == len(set(given)) == 600


def test_running_to_the_end(tmp_path):
    log = tmp_path / "once.log"
    python = [sys.executable, "-S", "-c"]
    run_to_end([*python, "print('done')"], name="It", log=log, environ=os.environ)
    assert log.read_text() == "done\n"
    with pytest.raises(DevstackError, match=r"It failed \(exit code 4\)"):
        run_to_end([*python, "raise SystemExit(4)"], name="It", log=log, environ=os.environ)
    with pytest.raises(DevstackError, match="did not end within"):
        run_to_end(
            [*python, "import time; time.sleep(600)"],
            name="It",
            log=log,
            environ=os.environ,
            timeout_s=0.3,
        )
