"""A real Prometheus watches a real server and a real worker, which then lose what they live on."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.grafana import dashboard
from docs.generate_metrics import of_server, of_worker
from gameserver.devstack.process import LOOPBACK, free_port
from gameserver.devstack.programs import Extra
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.conftest import needs_system
from tests.deploy.prometheus import ROOT, Prometheus
from tests.emf_lines import checked, metrics

BOTS = 4
FAULTS = {"QueueErrors", "DatabaseAway", "StoreErrors", "MatchesPaused"}
# What no longer is committed is not sent either, so the queue is first.
FIRST = {"QueueErrors", "DatabaseAway"}
# Nothing has happened yet of which these would tell.
NOT_SEEN_YET = ("worker_parked_events", "worker_redrives_total", "worker_retries_total")
# On ECS, and with `GAMESERVER_PLAINTEXT_AT_REST`, others are shown or missing.
NOT_HERE = {"gameserver_ecs_protected"}


@pytest.fixture(scope="module")
def stack(devstack_dir: Path) -> Iterator[Stack]:
    settings = on_free_ports(devstack_dir / "watched")
    extra = Extra(
        gameserver={
            "GAMESERVER_EMF_NAMESPACE": "Gameserver",
            "GAMESERVER_EMF_INTERVAL_MS": "1000",
        },
        worker={
            "WORKER_EMF_NAMESPACE": "Gameserver",
            "WORKER_EMF_INTERVAL_S": "1",
            "WORKER_WATCH_S": "1",
        },
    )
    with Stack(settings, extra=extra, fsync=False) as stack:
        stack.start(progress=lambda name: None)
        yield stack


@contextmanager
def bots(stack: Stack) -> Iterator[None]:
    """Some players for as long as the block takes."""
    cognito = stack.moto.cognito()
    given = [cognito.token(bot_player(n), username=bot_name(n)) for n in range(1, BOTS + 1)]
    command = [sys.executable, "-m", "botswarm", "--url", stack.settings.ws_url, "--tokens", "-"]
    command += ["--bots", str(BOTS), "--mode", "bench", "--duration", "300", "--quiet"]
    with subprocess.Popen(
        [*command, "--allow-saturation"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as swarm:
        try:
            assert swarm.stdin is not None
            swarm.stdin.write("\n".join(given).encode())
            swarm.stdin.close()
            yield
        finally:
            swarm.kill()


def shown(port: int) -> set[str]:
    """The families that a program shows, without those of the process."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        if not family.name.startswith("process_") and not family.name.endswith("_created")
    }


def until(prometheus: Prometheus, expr: str) -> None:
    """Wait until ``expr`` gives something."""
    deadline = time.monotonic() + 60
    while not prometheus.ask(expr):
        assert time.monotonic() < deadline, expr
        time.sleep(0.25)


def check_dashboard(prometheus: Prometheus) -> None:
    """Every question of the dashboard is one, and has an answer."""
    for panels in dashboard.ROWS.values():
        for query in (query for panel in panels for query in panel.queries):
            expr = query.expr.replace("$__rate_interval", "8s").replace("$server", ".*")
            answer = prometheus.ask(expr)
            assert answer or any(name in expr for name in NOT_SEEN_YET), query.expr


def check_emf(stack: Stack) -> None:
    """The logs hold lines for CloudWatch that tell what has happened."""
    told: dict[str, list[dict[str, float]]] = {}
    for name in ("gameserver", "worker"):
        lines = (stack.settings.logs / f"{name}.log").read_text().splitlines()
        told[name] = [metrics(checked(line)) for line in lines if line.startswith('{"_aws"')]
    servers, workers = told["gameserver"], told["worker"]
    assert max(one["gameserver_sessions"] for one in servers) == BOTS
    assert any("gameserver_tick_lateness_p99_seconds" in one for one in servers)
    assert sum(one["gameserver_store_errors_total"] for one in servers) > 0
    assert sum(one["gameserver_queue_errors_total"] for one in servers) > 0
    assert sum(one["worker_events_total"] for one in workers) > 0
    assert {one["worker_database_up"] for one in workers} == {0, 1}
    assert any(one.get("worker_live_workers") == 1 for one in workers)


@pytest.mark.system
@pytest.mark.timeout(240)
def test_alerts_fire_when_what_is_needed_is_gone(stack: Stack, tmp_path: Path) -> None:
    ports = stack.settings.ports
    prometheus = Prometheus(
        needs_system("prometheus"),
        port=free_port(),
        directory=tmp_path,
        targets={
            "gameserver": f"{LOOPBACK}:{ports['http']}",
            "worker": f"{LOOPBACK}:{ports['worker']}",
        },
    )
    prometheus.begin()
    try:
        with bots(stack):
            prometheus.wait_ready()
            until(prometheus, "sum(worker_events_total) > 0")
            until(prometheus, f"sum(gameserver_sessions) == {BOTS}")
            until(prometheus, "min(count_over_time(worker_live_workers[8s])) > 2")
            until(prometheus, "min(count_over_time(gameserver_sessions[8s])) > 2")
            assert shown(ports["http"]) == {one.name for one in of_server()} - NOT_HERE
            assert shown(ports["worker"]) == {one.name for one in of_worker()}
            check_dashboard(prometheus)
            assert not prometheus.firing() & {*FAULTS, "ServerDown", "WorkerDown"}

            stack.sqs.order_fault("SendMessageBatch", status=503, times=100_000)
            stack.kill("postgres")
            prometheus.until_firing(FIRST)
            stack.pause("valkey")
            prometheus.until_firing(FAULTS - FIRST)

            stack.resume("valkey")
            stack.sqs.forget_faults()
            stack.start("postgres")
            stack.pause("gameserver")
            prometheus.until_firing({"ServerDown"})
            stack.resume("gameserver")
            prometheus.until_quiet({*FAULTS, "ServerDown"})
    finally:
        prometheus.kill()
    stack.stop("gameserver")
    stack.stop("worker")
    check_emf(stack)
