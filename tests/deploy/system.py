"""The whole deployment, worked out: every stack with the parameters of an example."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from tests.deploy.templates import Stack, names

IN_ORDER = ("keys", "network", "data", "tables", "identity", "access")
EXAMPLE: Mapping[str, Mapping[str, str]] = {
    "network": {
        "CloudFrontPrefixList": "pl-0c",
        "S3PrefixList": "pl-053",
        "DynamoDbPrefixList": "pl-0d",
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
        stacks[name] = Stack(name, given, imports=exports)
        exports |= stacks[name].exports
    return stacks


@cache
def _parameters(name: str) -> frozenset[str]:
    from tests.deploy.templates import load

    return frozenset(load(name).get("Parameters", {}))
