"""The whole deployment, worked out: every stack with the parameters of an example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.deploy.templates import ACCOUNT, REGION, Stack, load, names

IN_ORDER = (
    "keys",
    "network",
    "data",
    "tables",
    "identity",
    "access",
    "service",
    "api",
    "edge",
    "watch",
)
DOMAIN = "game.example.org"
ZONE = "Z0000000000"
ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{REGION}_Pool"
CLIENTS = "players-client,operators-client"
IMAGE, AGENT = "IMAGE", "AGENT"
EXAMPLE: Mapping[str, Mapping[str, str]] = {
    "network": {
        "CloudFrontPrefixList": "pl-0c",
        "S3PrefixList": "pl-053",
        "DynamoDbPrefixList": "pl-0d",
    },
    "service": {
        "Domain": DOMAIN,
        "HostedZoneId": ZONE,
        "Image": IMAGE,
        "AgentImage": AGENT,
        "Issuer": ISSUER,
        "ClientIds": CLIENTS,
        "IdentityRegion": REGION,
        "OriginSecret": "gameserver/origin-1",
    },
    "api": {"Domain": DOMAIN, "HostedZoneId": ZONE, "Issuer": ISSUER, "ClientIds": CLIENTS},
    "edge": {"Domain": DOMAIN, "HostedZoneId": ZONE, "OriginSecret": "gameserver/origin-1"},
    "watch": {"Mail": "operators@example.org"},
}
WORDS = {
    # What only AWS knows, by what it could be.
    "<data.Redis.ConfigurationEndPoint.Address>": "clustercfg.gameserver.example.org",
    "<data.Database.Endpoint.Address>": "gameserver.db.example.org",
    "<data.Events>": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/gameserver-events",
    "<data.DeadLetters>": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/gameserver-events-dlq",
    "<data.RedisUser>": "gameserver",
    "<data.ReaderDsn>": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:gameserver/reader-dsn",
    "<data.ErasureKey>": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:gameserver/erasure-key",
    **{
        f"<service.{name}Logs>": f"/gameserver/{name.lower()}"
        for name in ("Server", "Worker", "Operator", "Metrics")
    },
}
SIZES = ("small", "medium", "large")


@cache
def deployed(size: str = "small") -> dict[str, Stack]:
    """The stacks of the first region, in the order in which they are made."""
    assert set(IN_ORDER) == set(names())
    stacks: dict[str, Stack] = {}
    exports: dict[str, str] = {}
    for name in IN_ORDER:
        given = dict(EXAMPLE.get(name, {}))
        if "Size" in _parameters(name):
            given["Size"] = size
        region = "us-east-1" if name == "edge" else REGION
        stacks[name] = Stack(name, given, imports=exports, region=region)
        exports |= stacks[name].exports
    return stacks


@cache
def _parameters(name: str) -> frozenset[str]:
    return frozenset(load(name).get("Parameters", {}))


def spoken(value: Any) -> Any:
    """``value`` with the words of ``WORDS`` replaced by what they could be."""
    text = json.dumps(value)
    for word, meant in WORDS.items():
        text = text.replace(word, meant)
    return json.loads(text)
