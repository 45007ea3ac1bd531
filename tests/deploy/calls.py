"""Which calls to AWS the code makes, read from its sources, and which rights they need.

    module that opens a client ──► (service, operations named in it) ──► IAM actions

A module that opens a client names its service as a text, and its operations as attributes of a
client or as texts; whatever of these is an operation by botocore's model counts as called.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("gameserver", "persistence_worker", "playerdata")
NOT_SHIPPED = "gameserver/devstack"

SIGNERS = {
    # Requests that are signed by hand and sent as passwords, or by the container agent.
    "gameserver/adapters/redis_iam.py": "elasticache:Connect",
    "persistence_worker/rds_iam.py": "rds-db:connect",
    "gameserver/adapters/ecs.py": "ecs:UpdateTaskProtection",
}
WITHOUT_RIGHTS = {"cognito-idp"}
"""Called without credentials: Cognito's calls for players carry none."""

ACTIONS = {
    # Where the action's name is not the operation's (AWS: "Service Authorization Reference").
    ("sqs", "SendMessageBatch"): ("sqs:SendMessage",),
    ("sqs", "DeleteMessageBatch"): ("sqs:DeleteMessage",),
    ("sqs", "ChangeMessageVisibilityBatch"): ("sqs:ChangeMessageVisibility",),
    # Of what a transaction is made, as dynamodb_friends makes it.
    ("dynamodb", "TransactWriteItems"): (
        "dynamodb:PutItem",
        "dynamodb:DeleteItem",
        "dynamodb:ConditionCheckItem",
    ),
    ("kms", "ReEncrypt"): ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
}


@cache
def sources() -> tuple[tuple[str, ast.Module], ...]:
    """Every module that is shipped, by its path from the root."""
    return tuple(
        (name, ast.parse(path.read_text()))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not (name := path.relative_to(ROOT).as_posix()).startswith(NOT_SHIPPED)
    )


def opens_clients(tree: ast.Module) -> bool:
    """Whether a module imports what clients of AWS are made with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            wanted = {"get_session", "AwsClient", "AioSession"}
            if wanted & {alias.name for alias in node.names}:
                return True
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in ("boto3", "aioboto3", "botocore", "aiobotocore"):
                    return True
    return False


@cache
def operations() -> dict[str, dict[str, frozenset[str]]]:
    """By module and service: the operations that it names."""
    return {
        name: named_in(name)
        for name, tree in sources()
        if opens_clients(tree) and name not in SIGNERS
    }


@cache
def named_in(name: str) -> dict[str, frozenset[str]]:
    """By service: the operations that one module names."""
    words = _words(ast.parse((ROOT / name).read_text()))
    return {
        service: frozenset(called)
        for service in sorted(words & set(_services()))
        if (called := {full for short, full in _model(service).items() if short in words})
    }


def rights(modules: set[str]) -> set[str]:
    """The IAM actions that the calls of these modules need."""
    found = {SIGNERS[name] for name in modules & set(SIGNERS)}
    for name in modules - set(SIGNERS):
        for service, called in operations()[name].items():
            for one in called:
                found |= actions(service, one)
    return found


def actions(service: str, operation: str) -> set[str]:
    """What has to be allowed for a call."""
    if service in WITHOUT_RIGHTS:
        return set()
    return set(ACTIONS.get((service, operation), (f"{service}:{operation}",)))


def _words(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=word):
                found.add(word)
            case ast.Constant(value=str(word)):
                found.add(word)
            case ast.Call(func=ast.Name(id=word)):
                found.add(word)
    return found


@cache
def _services() -> list[str]:
    services: list[str] = botocore.session.get_session().get_available_services()
    return services


@cache
def _model(service: str) -> dict[str, str]:
    """The operations of a service by the names that clients have for them."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}
