"""The task definitions of the service stack: that the programs take their settings, and that they
are the same as ``/ecs-task*.json``, which are for those who use no CloudFormation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gameserver.config import load as load_server
from persistence_worker.config import load as load_worker
from persistence_worker.rds_iam import account_of
from tests.deploy.calls import ROOT
from tests.deploy.system import AGENT, CLIENTS, DOMAIN, IMAGE, ISSUER, WORDS, deployed, spoken
from tests.deploy.templates import ACCOUNT, REGION

SERVICE = deployed()["service"]

# What the files leave to be filled in, as it is in the example.
FILLED = {
    "ACCOUNT_ID": ACCOUNT,
    "REGION": REGION,
    "IMAGE": IMAGE,
    "METRICS_IMAGE": AGENT,
    "READER_DSN_ARN": WORDS["<data.ReaderDsn>"],
    "ERASURE_KEY_ARN": WORDS["<data.ErasureKey>"],
    "DOMAIN": DOMAIN,
    "USER_POOL_ID": ISSUER.rpartition("/")[2],
    "USER_POOL_CLIENT_ID": CLIENTS,
    "REDIS_HOST": WORDS["<data.Redis.ConfigurationEndPoint.Address>"],
    "POSTGRES_HOST": WORDS["<data.Database.Endpoint.Address>"],
}
BEYOND = {
    # Settings that only these stacks need, and why.
    "GAMESERVER_COGNITO_ENDPOINT_URL": "the user pool may be in another region",
    "GAMESERVER_HTTP_ADDRESS_HEADER": "API Gateway drops X-Forwarded-For",
    "GAMESERVER_GAMES": "a parameter",
    "GAMESERVER_RECORDING": "by size: recordings are most of what is stored (docs/cost.md)",
    "WORKER_RECORDINGS_KEPT_DAYS": "likewise",
}
OTHERWISE = {
    # Settings that have another value here, and why.
    "GAMESERVER_PROXIES_TRUSTED": "CloudFront stands before the load balancer",
}

FILES = {
    "ecs-task.json": ("ServerTask", "server"),
    "ecs-task-worker.json": ("WorkerTask", "worker"),
}


def _camel(value: Any) -> Any:
    """As botocore has it: CloudFormation begins its names in upper case."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if isinstance(value, dict):
        return {
            # The options of a log driver are the driver's own names.
            key[0].lower() + key[1:]: one if key == "Options" else _camel(one)
            for key, one in value.items()
        }
    return value


def _task(logical_id: str) -> dict[str, Any]:
    task: dict[str, Any] = _camel(spoken(SERVICE.properties(logical_id)))
    return task


def _container(task: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [one for one in task["containerDefinitions"] if one["name"] == name]
    return dict(found)


def _environment(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container.get("environment", ())}


def _file(name: str) -> dict[str, Any]:
    text = (ROOT / name).read_text()
    for key, value in FILLED.items():
        text = text.replace("${" + key + "}", value)
    assert "${" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_there_are_no_other_files() -> None:
    assert {path.name for path in ROOT.glob("ecs-task*.json")} == set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_it_is_the_same_as_the_file(file: str) -> None:
    logical_id, container = FILES[file]
    ours, theirs = _task(logical_id), _file(file)
    for one in (ours, theirs):
        # Roles have the region in their names here, because IAM has none.
        del one["executionRoleArn"], one["taskRoleArn"]
        for each in one["containerDefinitions"]:
            if each["name"] == "metrics":
                each["image"] = AGENT
        program = next(c for c in one["containerDefinitions"] if c["name"] == container)
        program["environment"] = {
            key: value
            for key, value in _environment(program).items()
            if key not in BEYOND and key not in OTHERWISE
        }
        for each in one["containerDefinitions"]:
            if each["name"] == "metrics":
                each["environment"] = {
                    key: json.loads(value) for key, value in _environment(each).items()
                }
    assert ours == theirs


def test_the_server_takes_its_settings() -> None:
    container = _container(_task("ServerTask"), "server")
    assert [one["name"] for one in container["secrets"]] == [
        "GAMESERVER_POSTGRES_DSN",
        "GAMESERVER_RECORDINGS_DSN",
    ]
    config = load_server(_environment(container))
    assert config.redis_cluster
    assert config.redis_iam_cache == "gameserver"
    assert config.cognito_client_ids == tuple(CLIENTS.split(","))


def test_the_worker_and_the_operator_take_theirs() -> None:
    for task, name in (("WorkerTask", "worker"), ("OperatorTask", "operator")):
        settings = _environment(_container(_task(task), name))
        config = load_worker(settings)
        assert config.postgres_iam
        account_of(config.postgres_dsn)  # raises what is wrong with it
    assert load_server(settings).redis_iam


def test_secrets_are_those_that_the_starting_role_may_read() -> None:
    access = deployed()["access"]
    for program in ("Server", "Worker", "Operator"):
        asked = {
            secret["ValueFrom"]
            for one in SERVICE.properties(f"{program}Task")["ContainerDefinitions"]
            for secret in one.get("Secrets", ())
        }
        [policy] = access.properties(f"{program}StartRole")["Policies"]
        [allowed] = [
            one["Resource"]
            for one in policy["PolicyDocument"]["Statement"]
            if one["Sid"] == "Secrets"
        ]
        assert set(allowed) == asked
