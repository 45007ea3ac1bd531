"""CloudFormation templates as values: read, and worked out for given parameters.

    YAML ──load──► {"Fn::Sub": …} as in JSON ──Stack──► conditions decided, functions worked out

What only AWS knows stays a word that says what it is: ``<data.Events.Arn>`` for an attribute,
``<data.Events>`` for a reference to a resource.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).parents[2] / "deploy" / "cloudformation"
ACCOUNT = "123456789012"
REGION = "eu-central-1"
ZONES = ("a", "b", "c")
NO_VALUE = object()

_LONG = {"Ref": "Ref", "Condition": "Condition"}
_NAMES = re.compile(r"\$\{([^!}][^}]*)\}")


class _Loader(yaml.CSafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def _function(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {_LONG.get(tag, f"Fn::{tag}"): value}


_Loader.add_multi_constructor("!", _function)
# A date is a text here: "2012-10-17" is a version.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@cache
def load(name: str) -> dict[str, Any]:
    """The template ``deploy/cloudformation/<name>.yaml``, with functions in their long form.
    Not to be changed: all tests have the same."""
    template: dict[str, Any] = yaml.load((DIRECTORY / f"{name}.yaml").read_text(), _Loader)
    return template


def names() -> list[str]:
    """Of all templates."""
    return sorted(path.stem for path in DIRECTORY.glob("*.yaml"))


def _unresolved(value: Any) -> bool:
    """Whether functions are left in it."""
    if isinstance(value, list):
        return any(map(_unresolved, value))
    return isinstance(value, dict)


class Stack:
    """A template for given parameters. ``imports``: exports of other stacks by name; one that is
    not there raises ``KeyError``. ``keep``: logical ids of resources whose references and
    attributes stay functions, for somebody else to work out."""

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, str] = {},
        *,
        imports: Mapping[str, str] = {},
        region: str = REGION,
        keep: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.template = load(name)
        self.imports = imports
        self.region = region
        self._keep = keep
        given = self.template.get("Parameters", {})
        if unknown := set(parameters) - set(given):
            raise KeyError(f"{name} has no parameters {sorted(unknown)}")
        self.parameters = {
            key: str(parameters.get(key, one.get("Default", f"<{key}>")))
            for key, one in given.items()
        }
        self.conditions = {
            key: bool(self.resolve(one)) for key, one in self.template.get("Conditions", {}).items()
        }
        self.resources: dict[str, dict[str, Any]] = {
            key: self.resolve(one)
            for key, one in self.template["Resources"].items()
            if self.conditions.get(one.get("Condition", ""), True)
        }
        self.outputs = {
            key: self.resolve(one)
            for key, one in self.template.get("Outputs", {}).items()
            if self.conditions.get(one.get("Condition", ""), True)
        }

    @property
    def exports(self) -> dict[str, str]:
        """What other stacks may import."""
        return {
            one["Export"]["Name"]: one["Value"] for one in self.outputs.values() if "Export" in one
        }

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of the resources of a type, by logical id."""
        return {
            key: one.get("Properties", {})
            for key, one in self.resources.items()
            if one["Type"] == kind
        }

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Of one resource."""
        found: dict[str, Any] = self.resources[logical_id]["Properties"]
        return found

    def resolve(self, value: Any) -> Any:
        """``value`` with all functions worked out."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        found = {key: self.resolve(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one is not NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        if name == "Fn::If":
            # Only the branch that is taken: the other may name what is not there.
            return self.resolve(argument[1 if self.conditions[argument[0]] else 2])
        if name in ("Ref", "Fn::GetAtt"):
            return self._attribute(name, argument)
        if name == "Fn::Sub":
            return self._sub(argument)
        given = self.resolve(argument)
        if self._keep and _unresolved(given):
            return {name: given}
        match name:
            case "Fn::ImportValue":
                return self.imports[given]
            case "Fn::Equals":
                return given[0] == given[1]
            case "Fn::Not":
                return not given[0]
            case "Fn::And":
                return all(given)
            case "Fn::Or":
                return any(given)
            case "Fn::FindInMap":
                return self.template["Mappings"][given[0]][given[1]][given[2]]
            case "Fn::Join":
                return given[0].join(given[1])
            case "Fn::Split":
                return given[1].split(given[0])
            case "Fn::Select":
                return given[1][int(given[0])]
            case "Fn::GetAZs":
                return [f"{self.region}{zone}" for zone in ZONES]
            case "Fn::Cidr":
                block, count, bits = given
                nets = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
                return [str(next(nets)) for _ in range(int(count))]
        raise NotImplementedError(name)

    def _attribute(self, name: str, argument: Any) -> Any:
        if name == "Ref":
            match argument:
                case "AWS::NoValue":
                    return NO_VALUE
                case "AWS::Region":
                    return self.region
                case "AWS::AccountId":
                    return ACCOUNT
                case "AWS::Partition":
                    return "aws"
                case "AWS::URLSuffix":
                    return "amazonaws.com"
                case "AWS::StackName":
                    return self.name
            if argument in self.parameters:
                text = self.parameters[argument]
                kind = self.template["Parameters"][argument]["Type"]
                return text.split(",") if kind == "CommaDelimitedList" else text
        parts = [argument] if isinstance(argument, str) else argument
        if parts[0] not in self.template["Resources"]:
            raise KeyError(f"{self.name}: no parameter and no resource {parts[0]}")
        if parts[0] in self._keep:
            return {name: argument}
        return f"<{'.'.join([self.name, *parts])}>"

    def _sub(self, argument: Any) -> Any:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        found = {key: self.resolve(one) for key, one in given.items()}
        left: dict[str, Any] = {}

        def word(match: re.Match[str]) -> str:
            key = match[1]
            if key in found:
                return str(found[key])
            name, what = ("Fn::GetAtt", key.split(".", 1)) if "." in key else ("Ref", key)
            value = self._attribute(name, what)
            if isinstance(value, dict):
                left[key] = value
                return match[0]
            return ",".join(value) if isinstance(value, list) else str(value)

        said = _NAMES.sub(word, text)
        return {"Fn::Sub": said} if left else said.replace("${!", "${")
