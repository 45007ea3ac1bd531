"""The task definitions of Amazon ECS as they are registered, and what ECS would say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.session import get_session
from botocore.validate import ParamValidator

ROOT = Path(__file__).parent.parent.parent
_SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret"
VALUES = {
    "ACCOUNT_ID": "123456789012",
    "REGION": "eu-central-1",
    "IMAGE": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gameserver:1.2.3",
    "METRICS_IMAGE": "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.2.3",
    "READER_DSN_ARN": f"{_SECRET}:gameserver/reader-dsn-a1b2c3",
    "ERASURE_KEY_ARN": f"{_SECRET}:gameserver/erasure-key-d4e5f6",
    "DOMAIN": "play.example.com",
    "USER_POOL_ID": "eu-central-1_AbCdEfGhI",
    "USER_POOL_CLIENT_ID": "1h57kf5cpq17m0eml12EXAMPLE",
    "REDIS_HOST": "clustercfg.gameserver.abc123.euc1.cache.amazonaws.com",
    "POSTGRES_HOST": "gameserver.abc123.eu-central-1.rds.amazonaws.com",
}
_READER = "postgresql://reader:canary@db.example.com/gameserver"
SECRETS = {
    "GAMESERVER_POSTGRES_DSN": _READER,
    "GAMESERVER_RECORDINGS_DSN": _READER,
    "WORKER_ERASURE_KEY": "canary" * 8,
}
GIB = 1_024
FARGATE = {
    256: (512, 1 * GIB, 2 * GIB),
    512: tuple(range(1 * GIB, 5 * GIB, GIB)),
    1_024: tuple(range(2 * GIB, 9 * GIB, GIB)),
    2_048: tuple(range(4 * GIB, 17 * GIB, GIB)),
    4_096: tuple(range(8 * GIB, 31 * GIB, GIB)),
    8_192: tuple(range(16 * GIB, 61 * GIB, 4 * GIB)),
    16_384: tuple(range(32 * GIB, 121 * GIB, 8 * GIB)),
}
"""CPU units of a task → the memory, in MiB, that Fargate has for it."""
STOP_TIMEOUT_MAX_S = 120


def load(name: str) -> dict[str, Any]:
    """A definition with an account's values in it, put there as ``envsubst`` does. Raises
    ``KeyError`` for an unknown one."""
    text = (ROOT / name).read_text()
    return dict(json.loads(re.sub(r"\$\{(\w+)\}", lambda found: VALUES[found[1]], text)))


def container(task: Mapping[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in task["containerDefinitions"] if one["name"] == name)


def environ(one: Mapping[str, Any]) -> dict[str, str]:
    """What the process of a container sees; secrets by stand-ins."""
    plain = {entry["name"]: entry["value"] for entry in one["environment"]}
    return plain | {entry["name"]: SECRETS[entry["name"]] for entry in one["secrets"]}


def complaints(task: Mapping[str, Any]) -> list[str]:
    """What is wrong with a definition before ECS sees it."""
    operation = _operation()
    shape = operation.input_shape
    report = ParamValidator().validate(dict(task), shape)
    found = [report.generate_report()] if report.has_errors() else []
    found += _outside_enums(task, shape, "task")
    cpu, memory = int(task["cpu"]), int(task["memory"])
    if memory not in FARGATE.get(cpu, ()):
        found.append(f"Fargate has no {memory} MiB with {cpu} CPU units")
    names = [one["name"] for one in task["containerDefinitions"]]
    for one in task["containerDefinitions"]:
        if one.get("stopTimeout", 30) > STOP_TIMEOUT_MAX_S:
            found.append(f"{one['name']}: Fargate kills after {STOP_TIMEOUT_MAX_S} s at most")
        for other in one.get("dependsOn", ()):
            if other["containerName"] not in names:
                found.append(f"{one['name']}: there is no {other['containerName']}")
        for mount in one.get("mountPoints", ()):
            if mount["sourceVolume"] not in [volume["name"] for volume in task.get("volumes", ())]:
                found.append(f"{one['name']}: there is no volume {mount['sourceVolume']}")
    return found


def _operation() -> OperationModel:
    model = get_session().get_service_model("ecs")
    return model.operation_model("RegisterTaskDefinition")


def _outside_enums(value: Any, shape: Shape | None, where: str) -> Iterator[str]:
    """botocore's own validation does not look at enumerations."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name, inner in value.items():
            if name in shape.members:
                yield from _outside_enums(inner, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        for index, inner in enumerate(value):
            yield from _outside_enums(inner, shape.member, f"{where}[{index}]")
    elif shape is not None and (allowed := getattr(shape, "enum", ())) and value not in allowed:
        yield f"{where}: {value} is none of {', '.join(allowed)}"
