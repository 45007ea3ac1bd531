"""deploy/compose: held to the schema of Compose, to the stand-ins and to the Dockerfiles, and
brought up service by service. No Docker runs it here."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from gameserver.config import load as load_server
from gameserver.devstack import containers
from gameserver.devstack.moto import Moto
from gameserver.devstack.postgres import dsn_at
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.devstack.stack import DEAD_LETTERS, QUEUE
from persistence_worker.config import load as load_worker
from tests.deploy.composed import LISTEN, up
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


def test_services_say_where_others_listen(compose: dict[str, Any]) -> None:
    """Whoever is named with a port is there, and the port is one that it has."""
    for name, service in compose["services"].items():
        settings = service.get("environment", {})
        said = [one for key, one in settings.items() if key != "GAMESERVER_ORIGINS"]  # Outside.
        said += service.get("command", ())
        for word in map(str, said):
            for host, port in re.findall(r"(?:@|://)([a-z]+):(\d+)", word):
                assert int(port) in LISTEN[host], f"{name}: {word}"
    images = {name: one["image"] for name, one in compose["services"].items()}
    assert {name for name, image in images.items() if image == "gameserver:local"} == set(OWN)
    assert {name for name, image in images.items() if "stand-ins" in image} == set(STAND_INS)
    exposed = re.findall(r"^EXPOSE (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert exposed == ["8080 8081 8082"], "as the ports that are published"


def test_what_the_stand_ins_run_is_in_their_image(compose: dict[str, Any]) -> None:
    """The packages that their Dockerfile copies hold all that their commands import."""
    copied = re.findall(
        r"^COPY (\w+) \1$", (ROOT / "deploy/compose/Dockerfile").read_text(), re.MULTILINE
    )
    modules = ["gameserver.devstack.moto_host", "botswarm"]
    modules += [compose["services"][name]["command"][2] for name in ("sqs", "queues", "swarm")]
    code = "import importlib, sys; [importlib.import_module(one) for one in sys.argv[1:]]"
    with tempfile.TemporaryDirectory() as app:
        for name in copied:
            (Path(app) / name).symlink_to(ROOT / name)
        subprocess.run([sys.executable, "-c", code, *modules], cwd=app, env={}, check=True)


@pytest.mark.timeout(180)
async def test_up_brings_everything_up_and_bots_play(
    compose: dict[str, Any], devstack_dir: Path
) -> None:
    """Each command, health check and setting of the file, in the order that it asks for."""
    directory = devstack_dir / "composed"
    with up(compose, directory) as composed:
        composed.run("swarm", "--bots", "8", "--duration", "2", "--finish", "60", "--no-rejoin",
                     "--quiet", "--allow-saturation")  # fmt: skip
        postgres = composed.port("postgres", 5432)
        connection = await asyncpg.connect(dsn_at(postgres, "gameserver"))
        try:
            assert await connection.fetchval("SELECT count(*) FROM events") > 0
        finally:
            await connection.close()
        endings = composed.down()
    assert endings["server"] == endings["worker"] == "exit code 0", "they stop on SIGTERM"


def test_the_stand_ins_dockerfile_has_no_findings() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    command = [hadolint, "--no-color", ROOT / "deploy/compose/Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
