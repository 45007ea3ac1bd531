"""``make run`` with several servers; ``tests/e2e/test_make_run.py`` has it with one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest

from gameserver.devstack.settings import on_free_ports, variable

DEADLINE_S = 100


class Running:
    """``python -m gameserver.devstack run`` with its output in a file."""

    def __init__(self, directory, settings) -> None:
        self.output = directory / "output"
        self.environ = {
            **os.environ,
            **{variable(name): str(port) for name, port in settings.ports.items()},
            "RUN_DIR": str(settings.directory),
            "NODES": str(settings.nodes),
            "WORKERS": str(settings.workers),
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gameserver.devstack", "run"],
                env=self.environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + DEADLINE_S
        while text not in (said := self.output.read_text()):
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return said

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def start(devstack_dir, request):
    directory = devstack_dir / request.node.name
    directory.mkdir()
    nodes = request.param
    settings = on_free_ports(directory / "run", nodes=nodes, workers=nodes)
    started: list[Running] = []

    def run() -> Running:
        started.append(Running(directory, settings))
        return started[-1]

    run.settings = settings
    yield run
    for running in started:
        running.end()


def fetch(url: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("start", [2], indirect=True)
def test_of_several_nodes_one_that_dies_is_started_again(start):
    running = start()
    said = running.wait_for("Ctrl-C stops everything.")
    before = running.family()
    status = f"http://127.0.0.1:{start.settings.ports['balancer']}/"
    assert [node["name"] for node in json.loads(fetch(status))["nodes"]] == [
        "gameserver-1",
        "gameserver-2",
    ]
    assert f"http://127.0.0.1:{start.settings.ports['worker-2']}" in said
    [victim] = re.findall(r"kill -9 (\d+)", said)
    psutil.Process(int(victim)).kill()
    said = running.wait_for("runs again as process")
    [again] = re.findall(r"gameserver-2 ended \(signal 9\) and runs again as process (\d+)", said)
    family = running.family()
    assert {int(victim)} == {one.pid for one in before} - {one.pid for one in family}
    assert {int(again)} == {one.pid for one in family} - {one.pid for one in before}
    assert fetch(f"{start.settings.api_url}/readyz"), "by the balancer"
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(DEADLINE_S) == 0
    assert psutil.wait_procs(family, timeout=30)[1] == []
