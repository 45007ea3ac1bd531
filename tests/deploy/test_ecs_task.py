"""ecs-task.json and ecs-task-worker.json: what ECS takes, and what the programs understand."""

from __future__ import annotations

import copy
import json
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from gameserver.config import load as load_server
from gameserver.metrics import Metrics as ServerMetrics
from persistence_worker.config import load as load_worker
from persistence_worker.metrics import Metrics as WorkerMetrics
from tests.deploy.task_definitions import ROOT, VALUES, complaints, container, environ, load

SERVER, WORKER = "ecs-task.json", "ecs-task-worker.json"
BOTH = pytest.mark.parametrize(("file", "name"), [(SERVER, "server"), (WORKER, "worker")])
AFTER_DRAIN_S = 15
"""What a process has between the end of its drain and its being killed."""


@BOTH
def test_ecs_takes_it(file: str, name: str) -> None:
    task = load(file)
    assert complaints(task) == []
    with mock_aws():
        client = boto3.client("ecs", region_name=VALUES["REGION"])
        answer = client.register_task_definition(**task)["taskDefinition"]
        assert answer["status"] == "ACTIVE"
        assert [one["name"] for one in answer["containerDefinitions"]] == [
            one["name"] for one in task["containerDefinitions"]
        ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"networkMode": "vpc"}, "networkMode: vpc is none of"),
        ({"cpu": "1024", "memory": "1024"}, "Fargate has no 1024 MiB with 1024 CPU units"),
        ({"containers": []}, "Unknown parameter"),
        ({"family": 7}, "Invalid type"),
    ],
)
def test_what_ecs_would_refuse_is_told(change: Mapping[str, Any], told: str) -> None:
    assert told in "\n".join(complaints(load(SERVER) | change))
    late = copy.deepcopy(load(SERVER))
    container(late, "server")["stopTimeout"] = 300
    assert "at most" in "\n".join(complaints(late))


@BOTH
def test_the_task_is_confined_and_keeps_its_secrets_out_of_sight(file: str, name: str) -> None:
    task = load(file)
    assert (task["networkMode"], task["requiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    for one in task["containerDefinitions"]:
        if one["image"] == VALUES["IMAGE"]:
            assert one["readonlyRootFilesystem"] is True
            assert one["user"] == "65532:65532"
            assert one["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
        assert one["logConfiguration"]["logDriver"] == "awslogs"
    main = container(task, name)
    assert main["ulimits"] == [{"name": "nofile", "softLimit": 65_536, "hardLimit": 65_536}]
    assert all(
        entry["valueFrom"].startswith("arn:aws:secretsmanager:") for entry in main["secrets"]
    )
    # A log that cannot be written must not stop the loop.
    assert main["logConfiguration"]["options"]["mode"] == "non-blocking"
    assert task["taskRoleArn"] != task["executionRoleArn"]


def test_the_server_understands_its_settings_and_has_time_to_drain() -> None:
    main = container(load(SERVER), "server")
    config = load_server(environ(main))
    ports = [entry["containerPort"] for entry in main["portMappings"]]
    assert ports == [config.ws_port, config.http_port]
    assert main["stopTimeout"] >= config.drain_ms / 1000 + AFTER_DRAIN_S
    assert config.redis_url.startswith("rediss://") and not config.plaintext_at_rest
    assert all(origin.startswith("https://") for origin in config.origins)
    assert main["healthCheck"]["command"] == ["CMD", "python", "-m", "gameserver.healthcheck"]


def test_the_worker_understands_its_settings_and_has_time_to_drain() -> None:
    main = container(load(WORKER), "worker")
    config = load_worker(environ(main))
    assert [entry["containerPort"] for entry in main["portMappings"]] == [config.http_port]
    assert main["stopTimeout"] >= config.drain_ms / 1000 + AFTER_DRAIN_S
    assert "sslmode=verify-full" in config.postgres_dsn and config.postgres_iam
    assert main["healthCheck"]["command"] == ["CMD", "persistence-worker", "healthcheck"]


@BOTH
def test_the_metrics_that_become_cloudwatchs_are_there(file: str, name: str) -> None:
    given = {
        entry["name"]: json.loads(entry["value"])
        for entry in container(load(file), "metrics")["environment"]
    }
    prometheus = given["CW_CONFIG_CONTENT"]["logs"]["metrics_collected"]["prometheus"]
    (declared,) = prometheus["emf_processor"]["metric_declaration"]
    selected = {selector.strip("^$") for selector in declared["metric_selectors"]}
    assert not selected - _names(name)
    (scrape,) = given["PROMETHEUS_CONFIG_CONTENT"]["scrape_configs"]
    port = {"server": 8081, "worker": 8082}[name]
    assert scrape["static_configs"] == [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"service": name}}
    ]


def _names(program: str) -> set[str]:
    if program == "worker":
        return _rendered(WorkerMetrics())
    sources = (ROOT / "gameserver").rglob("*.py")
    # Gauges are there once what they tell of has been made.
    gauges = {"gameserver_sessions": 'metrics.gauge("sessions"'}
    assert any(gauges["gameserver_sessions"] in path.read_text() for path in sources)
    return _rendered(ServerMetrics()) | set(gauges)


def _rendered(metrics: ServerMetrics | WorkerMetrics) -> set[str]:
    lines = metrics.render().decode().splitlines()
    return {line.split()[2] for line in lines if line.startswith("# TYPE")}


def test_the_certificate_of_the_hop_is_good_and_its_key_is_private(tmp_path: Path) -> None:
    command = container(load(SERVER), "certificate")["command"]
    assert command == ["gameserver", "certificate", "--in", "/tls"]
    words = [*command[1:-1], str(tmp_path)]
    for _ in range(2):  # A task that starts again finds the files of before.
        subprocess.run([sys.executable, "-m", "gameserver", *words], check=True, cwd=ROOT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    written = environ(container(load(SERVER), "server"))
    assert written["GAMESERVER_TLS_CERT_FILE"] == "/tls/cert.pem"
    assert written["GAMESERVER_TLS_KEY_FILE"] == "/tls/key.pem"
