"""``make run`` as a newcomer meets it: all of it, one process to start, one Ctrl-C to end."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.e2e.make_run import ROOT, Run


def fetch(url: str, *, token: str = "") -> dict[str, object]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.loads(answer.read()))


def as_curl_does(command: str) -> dict[str, object]:
    """What ``curl -X PUT -H … -H … -d … URL`` prints; curl itself need not be there."""
    command = re.sub(r"\$\(cat (.+?)\)", lambda found: Path(found[1]).read_text(), command)
    _, _, method, _, first, _, second, _, body, url = shlex.split(command)
    headers = dict(header.split(": ", 1) for header in (first, second))
    request = urllib.request.Request(url, body.encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.loads(answer.read()))


def is_refused_beside(run: Run) -> None:
    """A second one in the same directory says who is there."""
    again = subprocess.run(
        run.argv, env=run.environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert f"process {run.process.pid}" in again.stdout
    assert "Traceback" not in again.stdout + again.stderr


@pytest.mark.timeout(240)
def test_start_look_stop_and_start_again(devstack_dir: Path, ports: dict[str, int]) -> None:
    directory = devstack_dir / "make-run"
    first = Run(directory, ports)
    first.wait_for("Ctrl-C stops everything")
    page = f"http://127.0.0.1:{ports['page']}"
    ws, api = (
        f"{kind}://127.0.0.1:{ports[door]}" for kind, door in (("ws", "ws"), ("http", "http"))
    )
    for promised in (f"{page}/", "make swarm", "Log in", "Logs", "Data", "logs/", "data/", ws):
        assert promised in first.output
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert b"<" in answer.read()
    assert f"{page}/console/index.html" in first.output
    settings = dict(fetch(f"{page}/config.json"))
    for who in ("demo", "operator"):
        account = settings[who]
        assert isinstance(account, dict)
        assert f"{account['username']} / {account['password']}" in first.output
    # The printed token opens the API as it is.
    [token] = re.findall(r"^\s*(eyJ\S+)$", first.output, re.MULTILINE)
    assert "matches" in fetch(f"{api}/v1/matches", token=token)
    [command] = re.findall(r"curl -X PUT .+/v1/admin/maintenance", first.output)
    assert as_curl_does(command)["on"] is True
    assert "Back at noon." in json.dumps(fetch(f"{api}/readyz"))
    is_refused_beside(first)

    family = first.family()
    assert len(family) >= 6
    assert first.end() == 0
    assert "Traceback" not in first.output
    _, alive = psutil.wait_procs(family, timeout=30)
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
    second.wait_for("valkey ended (signal 9); its log is")
    second.close()
    assert "Traceback" not in second.output
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_a_taken_port_is_one_sentence(devstack_dir: Path, ports: dict[str, int]) -> None:
    with socket.create_server(("127.0.0.1", ports["ws"])):
        run = Run(devstack_dir / "taken", ports)
        run.wait_for(f"Port {ports['ws']} (ws) is taken")
        assert run.process.wait(60) == 1
        run.close()
    assert "WS_PORT=" in run.output
    assert "Traceback" not in run.output
