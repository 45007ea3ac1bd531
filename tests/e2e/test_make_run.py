"""``make run`` as a newcomer meets it: one process to start, one Ctrl-C to end."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.e2e.make_run import Run


def fetch(url: str, *, token: str = "") -> dict[str, object]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.loads(answer.read()))


@pytest.mark.timeout(240)
def test_start_look_stop_and_start_again(devstack_dir: Path, ports: dict[str, int]) -> None:
    directory = devstack_dir / "make-run"
    first = Run(directory, ports)
    first.wait_for("Ctrl-C stops everything")
    page = f"http://127.0.0.1:{ports['page']}"
    for promised in (f"{page}/", "make swarm", "Log in", "Logs", "Data"):
        assert promised in first.output
    assert f"{page}/console/index.html" in first.output
    settings = dict(fetch(f"{page}/config.json"))
    for who in ("demo", "operator"):
        account = settings[who]
        assert isinstance(account, dict)
        assert f"{account['username']} / {account['password']}" in first.output
    # The printed token opens the API as it is.
    [token] = re.findall(r"^\s*(eyJ\S+)$", first.output, re.MULTILINE)
    api = f"http://127.0.0.1:{ports['http']}"
    assert "matches" in fetch(f"{api}/v1/matches", token=token)

    family = first.family()
    assert len(family) >= 6
    assert first.end() == 0
    assert "Traceback" not in first.output
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []

    began = time.monotonic()
    second = Run(directory, ports)
    second.wait_for("Ctrl-C stops everything")
    took = float(re.findall(r"Ready\S* after ([\d.]+) s", second.output)[0])
    assert took <= time.monotonic() - began
    # What the first run signed is still a player here: pool and demo player are the same.
    assert "matches" in fetch(f"{api}/v1/matches", token=token)
    # A service that dies ends the run with one sentence.
    family = second.family()
    [valkey] = [p for p in family if "valkey-server" in p.name()]
    valkey.kill()
    assert second.process.wait(60) == 1
    second.wait_for("valkey")
    second.close()
    assert "Traceback" not in second.output
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_a_taken_port_is_one_sentence(devstack_dir: Path, ports: dict[str, int]) -> None:
    with socket.create_server(("127.0.0.1", ports["ws"])):
        run = Run(devstack_dir / "taken", ports)
        run.wait_for(f"Port {ports['ws']} (ws) is taken")
        assert run.process.wait(60) == 1
        run.close()
    assert "WS_PORT=" in run.output
    assert "Traceback" not in run.output
