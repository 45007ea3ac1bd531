"""deploy/compose: held to the schema of Compose and to the stand-ins. No Docker runs it here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameserver.config import load as load_server
from gameserver.devstack import containers
from gameserver.devstack.moto import Moto
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.devstack.stack import DEAD_LETTERS, QUEUE
from persistence_worker.config import load as load_worker
from tests.deploy.task_definitions import ROOT

FILE = ROOT / "deploy/compose/compose.yaml"
OWN = ("server", "worker", "migrate")
STAND_INS = ("sqs", "moto", "queues", "swarm")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text()))


def test_compose_takes_the_file(compose: dict[str, Any]) -> None:
    # Its import builds 38 parsers: seconds, in every process that looks for tests.
    import jsonschema

    schemas = resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads((schemas / "compose-spec.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(compose)] == []
    assert list(validator.iter_errors(compose | {"service": {}})), "the schema says no as well"


def test_what_is_named_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {*OWN, *STAND_INS} | {"valkey", "postgres"} == set(services)
    for name, service in services.items():
        for other, wish in service.get("depends_on", {}).items():
            if wish["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}"
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in compose["volumes"]
        # Passwords are well known: nobody else may reach it.
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    for name in STAND_INS:
        if "command" in services[name]:
            python, option, module = services[name]["command"][:3]
            assert (python, option) == ("python", "-m")
            assert importlib.util.find_spec(module) is not None


def test_the_programs_are_confined_and_understand_their_settings(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in OWN:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    server = load_server(services["server"]["environment"])
    worker = load_worker(services["worker"]["environment"])
    assert services["server"]["ports"] == [
        f"127.0.0.1:{port}:{port}" for port in (server.ws_port, server.http_port)
    ]
    assert services["worker"]["ports"] == [f"127.0.0.1:{worker.http_port}:{worker.http_port}"]
    assert worker.sqs_queue_url == server.sqs_queue_url
    grace_s = float(services["server"]["stop_grace_period"].removesuffix("s"))
    assert grace_s * 1000 > max(server.drain_ms, worker.drain_ms) + 10_000


def test_the_ids_written_down_are_those_of_the_stand_in(
    compose: dict[str, Any], moto: Moto
) -> None:
    server = load_server(compose["services"]["server"]["environment"])
    cognito, identity = moto.cognito(), moto.identity
    assert server.cognito_issuer == cognito.issuer
    assert server.cognito_client_ids == (cognito.client_id,)
    assert server.cognito_jwks_url.endswith(cognito.jwks_url.removeprefix(cognito.endpoint_url))
    assert server.kms_key_id == identity["kms_key_id"]
    assert server.profiles_table == identity["profiles_table"]
    assert server.sessions_table == identity["sessions_table"]
    assert len(containers.tokens(moto.endpoint_url, 3)) == 3


def test_the_queues_written_down_are_made(
    compose: dict[str, Any], sqs_service: SqsEndpoint
) -> None:
    for _ in range(2):  # A second `up` finds them.
        containers.make_queues(sqs_service.endpoint_url)
    worker = load_worker(compose["services"]["worker"]["environment"])
    assert worker.sqs_queue_url.endswith(f"/{QUEUE}")
    assert worker.sqs_dlq_url.endswith(f"/{DEAD_LETTERS}")
    made = sqs_service.call("ListQueues", QueueNamePrefix=QUEUE)["QueueUrls"]
    assert {url.rpartition("/")[2] for url in made} == {QUEUE, DEAD_LETTERS}
    for url in made:
        sqs_service.delete_queue(url)


def test_the_stand_ins_dockerfile_has_no_findings() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    command = [hadolint, "--no-color", ROOT / "deploy/compose/Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
