"""All templates: what cfn-lint says, what CloudFormation limits, and that they fit together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate_deploy import TARGET, document
from tests.deploy.system import IN_ORDER, SIZES, deployed
from tests.deploy.templates import DIRECTORY, load, names

REGIONS = ("us-east-1", "us-west-2", "eu-central-1")
TEMPLATE_BYTES_MAX = 51_200
"""Of a template that is handed over as it is, not by way of a bucket (AWS: "CloudFormation
quotas")."""


def test_cfn_lint_has_no_complaint() -> None:
    lint = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run(
        [lint, "--format", "json", "--regions", *REGIONS, "--", *sorted(DIRECTORY.glob("*.yaml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [
        f"{Path(one['Filename']).name}:{one['Location']['Start']['LineNumber']} {one['Message']}"
        for one in json.loads(done.stdout or "[]")
    ]
    assert (said, done.returncode) == ([], 0), done.stderr


@pytest.mark.parametrize("name", names())
def test_a_template_can_be_handed_over_as_it_is(name: str) -> None:
    assert (DIRECTORY / f"{name}.yaml").stat().st_size <= TEMPLATE_BYTES_MAX


@pytest.mark.parametrize("name", names())
def test_it_says_what_it_is_and_what_its_parameters_mean(name: str) -> None:
    template = load(name)
    place = IN_ORDER.index(name) + 1
    assert template["Description"].startswith(f"gameserver {place} of {len(IN_ORDER)}: ")
    undescribed = [key for key, one in template["Parameters"].items() if "Description" not in one]
    assert undescribed == []


@pytest.mark.parametrize("size", SIZES)
def test_whatever_is_imported_was_exported_before(size: str) -> None:
    # A missing one raises KeyError.
    assert list(deployed(size)) == list(IN_ORDER)


def test_nothing_is_exported_for_nobody() -> None:
    text = "".join(path.read_text() for path in DIRECTORY.glob("*.yaml"))
    for name, stack in deployed().items():
        for key in stack.exports:
            short = key.removeprefix("gameserver-")
            wanted = text.count(f'"${{Game}}-{short}"') - 1  # the export itself
            assert wanted > 0, f"{name} exports {short}"


def test_what_holds_data_survives_its_stack() -> None:
    held = {
        "AWS::RDS::DBInstance": "Snapshot",
        "AWS::ElastiCache::ReplicationGroup": "Snapshot",
        "AWS::DynamoDB::GlobalTable": "Retain",
        "AWS::SQS::Queue": "Retain",
        "AWS::KMS::Key": "Retain",
        "AWS::KMS::ReplicaKey": "Retain",
        "AWS::Cognito::UserPool": "Retain",
        "AWS::ECR::Repository": "Retain",
        "AWS::Backup::BackupVault": "Retain",
    }
    for name in names():
        for key, one in load(name)["Resources"].items():
            if one["Type"] in held:
                wanted = held[one["Type"]]
                assert one["DeletionPolicy"] == wanted, f"{name}.{key}"
                assert one["UpdateReplacePolicy"] == wanted, f"{name}.{key}"


def test_the_page_of_parameters_is_what_the_templates_say() -> None:
    assert TARGET.read_text() == document(), "python -m docs.generate_deploy"
