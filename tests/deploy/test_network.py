"""Only what must talk may talk: the security groups, worked out into who reaches whom."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from gameserver.config import Config
from tests.deploy.system import SIZES, deployed
from tests.deploy.templates import ZONES

Edge = tuple[str, str, int, int]

CONFIG = Config()
PLAY, API = CONFIG.ws_port, CONFIG.http_port
TALK: set[Edge] = {
    ("CloudFront", "PlayBalancerGroup", 443, 443),
    ("PlayBalancerGroup", "ServerGroup", PLAY, API),
    ("LinkGroup", "ApiBalancerGroup", 443, 443),
    ("ApiBalancerGroup", "ServerGroup", API, API),
    ("ServerGroup", "RedisGroup", 6379, 6379),
    ("OperatorGroup", "RedisGroup", 6379, 6379),
    ("ServerGroup", "DatabaseGroup", 5432, 5432),
    ("WorkerGroup", "DatabaseGroup", 5432, 5432),
    ("OperatorGroup", "DatabaseGroup", 5432, 5432),
    ("ServerGroup", "EndpointGroup", 443, 443),
    ("WorkerGroup", "EndpointGroup", 443, 443),
    ("OperatorGroup", "EndpointGroup", 443, 443),
}
LEAVING: set[Edge] = {
    ("ServerGroup", "0.0.0.0/0", 443, 443),  # Amazon Cognito has no endpoint in a VPC
    ("WorkerGroup", "S3", 443, 443),
    ("OperatorGroup", "S3", 443, 443),
    ("OperatorGroup", "DynamoDB", 443, 443),
}
PREFIX_LISTS = {"pl-0c": "CloudFront", "pl-053": "S3", "pl-0d": "DynamoDB"}
NOWHERE = "127.0.0.1/32"


def _group(reference: str) -> str:
    return reference.strip("<>").partition(".")[2]


def _other(rule: dict[str, Any], side: str) -> str:
    if f"{side}SecurityGroupId" in rule:
        return _group(rule[f"{side}SecurityGroupId"])
    if f"{side}PrefixListId" in rule:
        return PREFIX_LISTS[rule[f"{side}PrefixListId"]]
    return str(rule["CidrIp"])


def _ingress() -> set[Edge]:
    network = deployed()["network"]
    found = set()
    for group, one in network.of("AWS::EC2::SecurityGroup").items():
        for rule in one.get("SecurityGroupIngress", ()):
            found.add((_other(rule, "Source"), group, rule["FromPort"], rule["ToPort"]))
    for rule in network.of("AWS::EC2::SecurityGroupIngress").values():
        group = _group(rule["GroupId"])
        found.add((_other(rule, "Source"), group, rule["FromPort"], rule["ToPort"]))
    return found


def _egress() -> set[Edge]:
    found = set()
    for group, one in deployed()["network"].of("AWS::EC2::SecurityGroup").items():
        assert one["SecurityGroupEgress"], f"{group}: without a rule everything may leave"
        for rule in one["SecurityGroupEgress"]:
            other = _other(rule, "Destination")
            if other != NOWHERE:
                found.add((group, other, rule["FromPort"], rule["ToPort"]))
    return found


def test_only_what_must_talk_may_be_reached() -> None:
    assert _ingress() == TALK


def test_only_what_must_talk_may_reach() -> None:
    to_cloudfront = {edge for edge in TALK if edge[0] == "CloudFront"}
    # The server reaches endpoints by the rule that leads to Cognito.
    by_internet = {("ServerGroup", "EndpointGroup", 443, 443)}
    assert _egress() == (TALK - to_cloudfront - by_internet) | LEAVING


def test_no_rule_lets_the_internet_in() -> None:
    for _, group, *_ in _ingress():
        assert "0.0.0.0/0" not in group
    assert not [edge for edge in _ingress() if edge[0] in ("0.0.0.0/0", "::/0")]


@pytest.mark.parametrize("size", SIZES)
def test_three_zones_have_subnets_of_each_kind_that_do_not_overlap(size: str) -> None:
    subnets = deployed(size)["network"].of("AWS::EC2::Subnet")
    assert len(subnets) == 9
    for kind in ("Public", "Private", "Data"):
        zones = [subnets[f"{kind}Subnet{z}"]["AvailabilityZone"][-1] for z in "ABC"]
        assert tuple(zones) == ZONES
    blocks = [ipaddress.ip_network(one["CidrBlock"]) for one in subnets.values()]
    assert all(block.prefixlen == 20 for block in blocks)
    assert not [(a, b) for a in blocks for b in blocks if a is not b and a.overlaps(b)]
    assert not [key for key, one in subnets.items() if one["MapPublicIpOnLaunch"]]


def test_stores_have_no_way_out() -> None:
    network = deployed()["network"]
    out = {_group(one["RouteTableId"]) for one in network.of("AWS::EC2::Route").values()}
    assert out == {"PublicRoutes", "PrivateRoutesA", "PrivateRoutesB", "PrivateRoutesC"}
    tables = {
        _group(one["SubnetId"]): _group(one["RouteTableId"])
        for one in network.of("AWS::EC2::SubnetRouteTableAssociation").values()
    }
    assert {tables[f"DataSubnet{z}"] for z in "ABC"} == {"DataRoutes"}


@pytest.mark.parametrize(("size", "number"), [("small", 1), ("medium", 3), ("large", 3)])
def test_larger_ones_outlive_the_loss_of_a_zone(size: str, number: int) -> None:
    network = deployed(size)["network"]
    assert len(network.of("AWS::EC2::NatGateway")) == number
    ways = [network.properties(f"PrivateDefaultRoute{z}")["NatGatewayId"] for z in "ABC"]
    assert len(set(ways)) == number
    for one in network.of("AWS::EC2::VPCEndpoint").values():
        if one["VpcEndpointType"] == "Interface":
            assert len(one["SubnetIds"]) == number
