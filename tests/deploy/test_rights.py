"""The roles of tasks: every action in a policy is one that the program calls, and every call that
it makes is allowed."""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

import pytest

from tests.deploy.calls import ROOT, SIGNERS, opens_clients, operations, rights, sources
from tests.deploy.system import deployed

PROGRAMS = {
    "ServerRole": ("gameserver.app.root",),
    "WorkerRole": ("persistence_worker.service",),
    "OperatorRole": (
        "playerdata.__main__",
        "persistence_worker.__main__",
        "persistence_worker.commands",
        "gameserver.cli.maintenance",
    ),
}
"""Where each program begins; all that is imported from there on is part of it."""

NEVER_REACHED = {
    # A module names all that it can do; these programs use less of it. See the tests below.
    "OperatorRole": {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:ConditionCheckItem",
        "kms:GenerateDataKey",
    },
    "WorkerRole": {"kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey"},
}

BEHIND = {
    # What a service does in the caller's name, because its data lie encrypted under our keys.
    "QueueEncryption": {"kms:GenerateDataKey", "kms:Decrypt"},
    "TableEncryption": {"kms:Decrypt"},
    # Not the program but the CloudWatch agent beside it.
    "Metrics": {"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"},
}


@cache
def _imports() -> dict[str, set[str]]:
    """Module by module: which others of ours it imports."""
    modules = {_dotted(path): tree for path, tree in sources()}
    found: dict[str, set[str]] = {}
    for name, tree in modules.items():
        found[name] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                wanted = {node.module} | {f"{node.module}.{one.name}" for one in node.names}
                found[name] |= wanted & set(modules)
    return found


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _reached(starts: tuple[str, ...]) -> set[str]:
    """The files of everything that is imported from ``starts`` on."""
    left, found = list(starts), set(starts)
    while left:
        new = _imports()[left.pop()] - found
        found |= new
        left += new
    return {f"{name.replace('.', '/')}.py" for name in found}


def _needed(role: str) -> set[str]:
    modules = _reached(PROGRAMS[role]) & (set(operations()) | set(SIGNERS))
    return rights(modules) - NEVER_REACHED.get(role, set())


def _statements(role: str) -> list[dict[str, Any]]:
    found = []
    for policy in deployed()["access"].properties(role)["Policies"]:
        found += policy["PolicyDocument"]["Statement"]
    return found


def _actions(statement: dict[str, Any]) -> set[str]:
    said = statement["Action"]
    return {said} if isinstance(said, str) else set(said)


def test_every_module_that_opens_a_client_is_known_with_its_calls() -> None:
    opening = {name for name, tree in sources() if opens_clients(tree)}
    # What the adapters inherit, and how answers are read: they call nothing themselves.
    base = {"gameserver/adapters/aws_client.py", "persistence_worker/sqs_json.py"}
    silent = {name for name, called in operations().items() if not called}
    assert silent == base
    assert opening | set(SIGNERS) == set(operations()) | set(SIGNERS)
    # Signed by hand, so that no operation is named: whoever signs must be on the list. Who makes a
    # ``JsonCall`` names its operation.
    signing = {name for name, _ in sources() if "SigV4" in (ROOT / name).read_text()}
    assert signing - {"gameserver/adapters/aws_json.py"} <= set(SIGNERS)


@pytest.mark.parametrize("role", PROGRAMS)
def test_a_role_has_what_its_program_calls_and_nothing_else(role: str) -> None:
    allowed = set()
    for statement in _statements(role):
        assert statement["Effect"] == "Allow"
        if statement["Sid"] not in BEHIND:
            allowed |= _actions(statement)
    assert allowed == _needed(role)


@pytest.mark.parametrize("role", PROGRAMS)
def test_what_lies_encrypted_can_be_reached(role: str) -> None:
    statements = {one["Sid"]: one for one in _statements(role)}
    services = {action.partition(":")[0] for action in _needed(role)}
    assert ("QueueEncryption" in statements) == ("sqs" in services)
    assert ("TableEncryption" in statements) == ("dynamodb" in services)
    for sid, actions in BEHIND.items():
        if sid in statements:
            assert _actions(statements[sid]) == actions
    if "TableEncryption" in statements:
        condition = statements["TableEncryption"]["Condition"]["StringEquals"]
        assert condition["kms:ViaService"].startswith("dynamodb.")


def test_operators_commands_only_look_for_items_and_delete_them() -> None:
    """What allows to leave reading and writing of single items out of their role."""
    tree = ast.parse((ROOT / "gameserver/adapters/dynamodb_player.py").read_text())
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "db"
    }
    assert called == {"query", "delete"}


def test_operators_commands_make_no_data_keys() -> None:
    """A data key is made by ``DataKeys.start``, which only the server calls."""
    for name in ("gameserver/adapters/player_traces.py", "gameserver/cli/maintenance.py"):
        assert "keys.start(" not in (ROOT / name).read_text()


def test_a_worker_opens_no_kms() -> None:
    """Of the modules that ``run`` is made of only ``recordings`` can, for a command of its own."""
    reached = _reached(PROGRAMS["WorkerRole"])
    calling = {
        (name, function.name)
        for name, tree in sources()
        if name in reached and name != "persistence_worker/kms.py"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and "open_kms" in {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    }
    assert calling == {("persistence_worker/recordings.py", "read_lines")}
    service = dict(sources())["persistence_worker/service.py"]
    taken = {
        alias.name
        for node in ast.walk(service)
        if isinstance(node, ast.ImportFrom) and node.module == "persistence_worker.recordings"
        for alias in node.names
    }
    assert taken == {"Recordings", "drop_due"}


def test_no_policy_is_wider_than_a_named_resource() -> None:
    wide = set()
    for role, one in deployed()["access"].of("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in one
        for policy in one["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert not [action for action in _actions(statement) if "*" in action]
                resources = statement["Resource"]
                for resource in [resources] if isinstance(resources, str) else resources:
                    if resource == "*":
                        wide.add((role.removesuffix("StartRole"), *_actions(statement)))
    # A log-in to the registry has no resource (AWS: "Actions … for Amazon ECR").
    assert wide == {
        (program, "ecr:GetAuthorizationToken") for program in ("Server", "Worker", "Operator")
    }


def test_players_keys_are_used_by_servers_and_operators_only_and_only_for_data_keys() -> None:
    policy = deployed()["keys"].properties("PlayersKey")["KeyPolicy"]["Statement"]
    by_sid = {one["Sid"]: one for one in policy}
    uses = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom"}
    assert not uses & _actions(by_sid["AdministrationWithoutUse"])
    assert not {"kms:CreateGrant", "kms:*"} & _actions(by_sid["AdministrationWithoutUse"])
    for sid, role in (("ServersSealAndOpen", "server"), ("OperatorsOpenAndWrapAnew", "operator")):
        condition = by_sid[sid]["Condition"]
        assert condition["ArnLike"]["aws:PrincipalArn"].endswith(f":role/gameserver-{role}-*")
        assert condition["Null"] == {"kms:EncryptionContext:gameserver:data-key": "false"}
    assert set(by_sid) == {
        "AdministrationWithoutUse",
        "ServersSealAndOpen",
        "OperatorsOpenAndWrapAnew",
    }
