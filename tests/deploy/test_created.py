"""The stacks made in moto, as far as it has a model of them, and looked at through its own calls.

What moto has no model of is left out here, and held to cfn-lint's schemas and to the other tests
only: ElastiCache, DynamoDB global tables, Cognito, Backup, Secrets Manager, WAF, CloudFront, API
Gateway's HTTP APIs, auto scaling targets and alarms.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.deploy.system import DOMAIN, EXAMPLE, IN_ORDER, deployed
from tests.deploy.templates import REGION, Stack, load

MODELLED = frozenset(
    f"AWS::{kind}"
    for kind in (
        "EC2::VPC EC2::Subnet EC2::InternetGateway EC2::VPCGatewayAttachment EC2::EIP "
        "EC2::NatGateway EC2::RouteTable EC2::Route EC2::SubnetRouteTableAssociation "
        "EC2::SecurityGroup EC2::SecurityGroupIngress EC2::VPCEndpoint EC2::FlowLog "
        "KMS::Key KMS::Alias Logs::LogGroup IAM::Role SQS::Queue ECR::Repository "
        "RDS::DBSubnetGroup RDS::DBParameterGroup RDS::DBInstance "
        "ElasticLoadBalancingV2::LoadBalancer ElasticLoadBalancingV2::TargetGroup "
        "ElasticLoadBalancingV2::Listener ElasticLoadBalancingV2::ListenerRule "
        "ECS::Cluster ECS::TaskDefinition ECS::Service CloudWatch::Dashboard SNS::Topic S3::Bucket"
    ).split()
)

ATTRIBUTES_LACKING = frozenset({"DbiResourceId", "MasterUserSecret.SecretArn"})


def _for_moto(stack: Stack, exports: dict[str, str]) -> dict[str, Any]:
    """The template with what moto lacks left out, and functions that it lacks worked out."""
    kept = frozenset(k for k, one in stack.resources.items() if one["Type"] in MODELLED)
    own = Stack(stack.name, stack.parameters, imports=exports, keep=kept)
    resources = {key: one for key, one in own.resources.items() if key in kept}
    for one in resources.values():
        one.pop("Condition", None)
        # moto 5.2 takes no reference here.
        one.get("Properties", {}).pop("DBParameterGroupName", None)
        if isinstance(one.get("DependsOn"), str) and one["DependsOn"] not in kept:
            del one["DependsOn"]
    outputs = {
        key: {"Value": one["Value"]}
        for key, one in own.outputs.items()
        if "Export" in one and not ATTRIBUTES_LACKING & set(_attributes(one["Value"]))
    }
    return {"Resources": resources, "Outputs": outputs}


def _attributes(value: Any) -> list[str]:
    return value["Fn::GetAtt"][1:] if isinstance(value, dict) and "Fn::GetAtt" in value else []


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, dict[str, str]]]:
    """All stacks in moto; the physical ids of each stack's resources by their logical ones."""
    with mock_aws():
        cloudformation = boto3.client("cloudformation", REGION)
        # What moto does not make is a word, as in the other tests.
        exports = {key: word for one in deployed().values() for key, word in one.exports.items()}
        certificate = boto3.client("acm", REGION).request_certificate(DomainName=DOMAIN)
        found = {}
        for name in IN_ORDER:
            stack = Stack(name, deployed()[name].parameters, imports=exports)
            template = _for_moto(stack, exports)
            if not template["Resources"]:
                continue
            cloudformation.create_stack(
                StackName=name,
                TemplateBody=json.dumps(template).replace(
                    "<service.Certificate>", certificate["CertificateArn"]
                ),
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            [told] = cloudformation.describe_stacks(StackName=name)["Stacks"]
            assert told["StackStatus"] == "CREATE_COMPLETE"
            outputs = load(name).get("Outputs", {})
            values = {one["OutputKey"]: one["OutputValue"] for one in told.get("Outputs", ())}
            exports |= {
                stack.resolve(one["Export"]["Name"]): values[key]
                for key, one in outputs.items()
                if "Export" in one and key in values
            }
            listed = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
            found[name] = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
            assert set(found[name]) == set(template["Resources"])
        yield found


def _client(service: str) -> Any:
    return boto3.client(service, REGION)


def test_the_network_stands(made: dict[str, dict[str, str]]) -> None:
    ids = made["network"]
    ec2 = _client("ec2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [ids["Vpc"]]}])["Subnets"]
    assert len({one["AvailabilityZone"] for one in subnets}) == 3
    [group] = ec2.describe_security_groups(GroupIds=[ids["RedisGroup"]])["SecurityGroups"]
    sources = {
        pair["GroupId"] for rule in group["IpPermissions"] for pair in rule["UserIdGroupPairs"]
    }
    assert sources == {ids["ServerGroup"], ids["OperatorGroup"]}


def test_the_queue_hands_dead_letters_on_and_is_encrypted(made: dict[str, dict[str, str]]) -> None:
    sqs = _client("sqs")
    queue, dead_letters = made["data"]["Events"], made["data"]["DeadLetters"]
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    other = sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["All"])["Attributes"]
    policy = json.loads(told["RedrivePolicy"])
    assert (policy["deadLetterTargetArn"], policy["maxReceiveCount"]) == (other["QueueArn"], 20)
    assert told["KmsMasterKeyId"].endswith(made["keys"]["QueueKey"])


def test_postgresql_is_as_wanted(made: dict[str, dict[str, str]]) -> None:
    [one] = _client("rds").describe_db_instances(DBInstanceIdentifier=made["data"]["Database"])[
        "DBInstances"
    ]
    assert one["MultiAZ"]
    assert one["StorageEncrypted"]
    assert one["BackupRetentionPeriod"] == 35


def test_keys_turn_and_are_found_by_their_aliases(made: dict[str, dict[str, str]]) -> None:
    kms = _client("kms")
    aliases = {one["AliasName"]: one.get("TargetKeyId") for one in kms.list_aliases()["Aliases"]}
    for short, name in (
        ("players", "PlayersKey"),
        ("storage", "StorageKey"),
        ("queue", "QueueKey"),
    ):
        key = made["keys"][name]
        assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        assert aliases[f"alias/gameserver-{short}"] == key


def test_roles_exist_by_the_names_that_keys_know(made: dict[str, dict[str, str]]) -> None:
    iam = boto3.client("iam")
    for program in ("server", "worker", "operator"):
        role = iam.get_role(RoleName=f"gameserver-{program}-{REGION}")["Role"]
        [trusted] = role["AssumeRolePolicyDocument"]["Statement"]
        assert trusted["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}


def test_load_balancers_lead_to_the_tasks(made: dict[str, dict[str, str]]) -> None:
    ids, elb = made["service"], _client("elbv2")
    balancers = elb.describe_load_balancers(
        LoadBalancerArns=[ids["PlayBalancer"], ids["ApiBalancer"]]
    )["LoadBalancers"]
    assert [one["Scheme"] for one in balancers] == ["internet-facing", "internal"]
    rules = elb.describe_rules(ListenerArn=ids["PlayListener"])["Rules"]
    targets = [
        action["TargetGroupArn"]
        for rule in rules
        for action in rule["Actions"]
        if action["Type"] == "forward"
    ]
    assert targets == [ids["PlayTargets"], ids["ReplayTargets"]]


def test_ecs_takes_tasks_and_services(made: dict[str, dict[str, str]]) -> None:
    ids, ecs = made["service"], _client("ecs")
    services = ecs.describe_services(
        cluster="gameserver", services=["gameserver-server", "gameserver-worker"]
    )["services"]
    assert [one["taskDefinition"] for one in services] == [ids["ServerTask"], ids["WorkerTask"]]
    task = ecs.describe_task_definition(taskDefinition=ids["ServerTask"])["taskDefinition"]
    ports = [
        one["containerPort"]
        for container in task["containerDefinitions"]
        for one in container.get("portMappings", ())
    ]
    assert ports == [8080, 8081]


def test_the_example_names_only_parameters_that_exist() -> None:
    for name, given in EXAMPLE.items():
        assert set(given) <= set(load(name)["Parameters"])
