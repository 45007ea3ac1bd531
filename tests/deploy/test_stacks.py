"""The script that makes all stacks: run with an ``aws`` that writes down what it is asked."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.stacks import STACKS, Place
from tests.deploy.calls import ROOT
from tests.deploy.system import IN_ORDER
from tests.deploy.templates import ACCOUNT, Stack, load, names

FIRST, SECOND = "eu-central-1", "us-west-2"

AWS = """#!/bin/sh
# Says what the stacks would, and writes down deploys.
region=; key=; previous=
for word in "$@"; do
    case "$previous" in --region) region=$word;; esac
    case "$word" in *OutputKey==*) key=$(echo "$word" | sed "s/.*=='//; s/'.*//");; esac
    previous=$word
done
case "$1 $2" in
    "ec2 describe-managed-prefix-lists") echo pl-0123456789abcdef0;;
    "cloudformation describe-stacks") case "$key" in
        *KeyArn) echo "arn:aws:kms:$region:ACCOUNT:key/11111111-1111-1111-1111-111111111111";;
        *) echo "value-of-$key-in-$region";;
    esac;;
    "cloudformation deploy") for word in "$@"; do printf '%s\\t' "$word"; done; echo;;
    *) echo "not expected: $*" >&2; exit 1;;
esac
""".replace("ACCOUNT", ACCOUNT)


def _deploys(tmp_path: Path, *more: str) -> list[dict[str, str]]:
    """What the printed script asks of ``aws cloudformation deploy``."""
    printed = subprocess.run(
        [
            *(sys.executable, "-m", "deploy.stacks", "--domain", "game.example.org"),
            *(
                "--zone",
                "Z0123456789ABCDEFGHIJ",
                "--mail",
                "ops@example.org",
                "--image",
                "v1",
                "--agent",
                "1",
            ),
            *more,
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    program = tmp_path / "aws"
    program.write_text(AWS)
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", printed.stdout],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    return [_asked(line.rstrip("\t").split("\t")) for line in done.stdout.splitlines()]


def _asked(words: list[str]) -> dict[str, str]:
    """Options and, from ``--parameter-overrides`` on, parameters."""
    given = dict(word.split("=", 1) for word in words[words.index("--parameter-overrides") + 1 :])
    for option in ("--region", "--stack-name", "--template-file", "--capabilities"):
        given[option] = words[words.index(option) + 1]
    return given


def _name(asked: Mapping[str, str]) -> str:
    return Path(asked["--template-file"]).stem


def test_the_order_is_that_of_the_templates() -> None:
    assert tuple(STACKS) == IN_ORDER
    assert sorted(STACKS) == names()


@pytest.mark.parametrize("more", [(), ("--second", SECOND, "--size", "large")])
def test_every_stack_is_made_with_what_its_template_asks_for(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    asked = _deploys(tmp_path, *more)
    regions = 2 if more else 1
    wanted = [
        stack
        for stack, place in STACKS.items()
        for _ in range(regions if place is Place.EACH else 1)
    ]
    assert [_name(one) for one in asked] == wanted
    for one in asked:
        given = {key: value for key, value in one.items() if not key.startswith("--")}
        template = load(_name(one))["Parameters"]
        required = {key for key, parameter in template.items() if "Default" not in parameter}
        assert required <= set(given) <= set(template), _name(one)
        for key, value in given.items():
            assert value, f"{_name(one)} {key}"
            if pattern := template[key].get("AllowedPattern"):
                assert re.search(pattern, value), f"{_name(one)} {key}={value}"
            if allowed := template[key].get("AllowedValues"):
                assert value in allowed
        assert (one["--region"] == "us-east-1") == (_name(one) == "edge")


def test_the_second_region_shares_what_must_be_the_same(tmp_path: Path) -> None:
    asked = _deploys(tmp_path, "--second", SECOND)
    second = {_name(one): one for one in asked if one["--region"] == SECOND}
    first = {_name(one): one for one in asked if one["--region"] == FIRST}
    exports: dict[str, str] = {}
    stacks: dict[str, Stack] = {}
    for name in (name for name in IN_ORDER if name in second):
        given = {key: one for key, one in second[name].items() if not key.startswith("--")}
        stacks[name] = Stack(name, given, imports=exports, region=SECOND)
        exports |= stacks[name].exports
    # The same key for what is sealed: a replica. The same pseudonyms: a copy of the erasure key.
    assert "PlayersKey" not in stacks["keys"].resources
    replica = stacks["keys"].properties("PlayersKeyReplica")
    assert replica["PrimaryKeyArn"] == first["data"]["OtherStorageKeyArn"].replace(SECOND, FIRST)
    assert "ErasureKey" not in stacks["data"].resources
    assert f":{SECOND}:" in exports["gameserver-ErasureKeyArn"]
    # The same accounts: tokens and log-ins of the first region's pool.
    server = next(
        one
        for one in stacks["service"].properties("ServerTask")["ContainerDefinitions"]
        if one["Name"] == "server"
    )
    settings = {one["Name"]: one["Value"] for one in server["Environment"]}
    assert (
        settings["GAMESERVER_COGNITO_ENDPOINT_URL"] == f"https://cognito-idp.{FIRST}.amazonaws.com"
    )
    assert settings["GAMESERVER_COGNITO_ISSUER"] == f"value-of-Issuer-in-{FIRST}"
    assert settings["GAMESERVER_REGION"] == SECOND
    # The same names, told apart by region: Route 53 takes the nearer one that is healthy.
    for name in ("PlayOrigin", "ApiOrigin"):
        record = stacks["api"].properties(name)
        assert (record["SetIdentifier"], record["Region"]) == (SECOND, SECOND)
        assert record["HealthCheckId"] == "<api.Health>"
    # Backups of each region lie in the other one as well; networks do not overlap.
    assert stacks["data"].properties("Database")["AutomaticBackupReplicationRegion"] == FIRST
    assert first["data"]["OtherRegion"] == SECOND
    assert first["tables"]["SecondRegion"] == SECOND
    assert first["network"]["Cidr"] != second["network"]["Cidr"]


def test_a_region_can_be_taken_out_of_service() -> None:
    given = {"Domain": "d.example", "HostedZoneId": "Z", "Issuer": "i", "ClientIds": "c"}
    exports = {
        f"gameserver-{name}": name
        for name in (
            "PrivateSubnets LinkGroup ApiListenerArn StorageKeyArn CertificateArn "
            "PlayBalancerFullName PlayTargetsFullName PlayBalancerName PlayBalancerZone"
        ).split()
    }
    stack = Stack("api", {**given, "InService": "no"}, imports=exports)
    assert not stack.of("AWS::Route53::RecordSet")
    assert len(Stack("api", given, imports=exports).of("AWS::Route53::RecordSet")) == 2
