"""``python -m deploy.stacks --domain game.example.com …``: the commands that make all stacks.

Prints a script for a person to read and to run; changes nothing itself. docs/deploy.md says what
has to be there before, and what to do after.

    keys ─► network ─► data ─► tables, identity ─► access ─► service ─► api ─► edge ─► watch
    each region        each     the first one       each      each       each   us-east-1  each
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

TEMPLATES = Path(__file__).parent / "cloudformation"
EDGE_REGION = "us-east-1"
"""CloudFront takes certificates and firewalls from here only."""


class Place(Enum):
    """In which regions a stack is made."""

    EACH = "each"
    FIRST = "first"
    EDGE = "edge"


STACKS: Mapping[str, Place] = {
    "keys": Place.EACH,
    "network": Place.EACH,
    "data": Place.EACH,
    "tables": Place.FIRST,
    "identity": Place.FIRST,
    "access": Place.EACH,
    "service": Place.EACH,
    "api": Place.EACH,
    "edge": Place.EDGE,
    "watch": Place.EACH,
}
"""In the order in which they are made; to take them down, the other way round."""

_FUNCTIONS = """\
output() {  # REGION STACK OUTPUT
    aws cloudformation describe-stacks --region "$1" --stack-name "$2" --output text \\
        --query "Stacks[0].Outputs[?OutputKey=='$3'].OutputValue"
}
prefix_list() {  # REGION NAME
    aws ec2 describe-managed-prefix-lists --region "$1" --output text \\
        --filters "Name=prefix-list-name,Values=$2" --query "PrefixLists[0].PrefixListId"
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is wanted. ``second``: empty for one region. ``image``, ``agent``: tags."""

    game: str
    domain: str
    zone: str
    first: str
    second: str
    size: str
    image: str
    agent: str
    mail: str
    origin_secret: str

    def regions(self, place: Place) -> tuple[str, ...]:
        """Where a stack of this place is made, in order."""
        match place:
            case Place.EACH:
                return (self.first, self.second) if self.second else (self.first,)
            case Place.FIRST:
                return (self.first,)
            case Place.EDGE:
                return (EDGE_REGION,)


def parameters(plan: Plan, stack: str, region: str) -> dict[str, str]:
    """What a stack is given, as words of a shell: what other stacks say is asked of them."""
    names = {"Domain": plan.domain, "HostedZoneId": plan.zone}
    identity = {
        "Issuer": _output(plan, plan.first, "identity", "Issuer"),
        "ClientIds": _output(plan, plan.first, "identity", "ClientIds"),
    }
    given = {"Game": plan.game}
    match stack:
        case "keys" if region != plan.first:
            given["FirstPlayersKeyArn"] = _output(plan, plan.first, "keys", "PlayersKeyArn")
        case "network":
            given |= {
                "Size": plan.size,
                # Two networks that could be joined one day must not overlap.
                "Cidr": "10.40.0.0/16" if region == plan.first else "10.41.0.0/16",
                "CloudFrontPrefixList": _list(
                    region, "com.amazonaws.global.cloudfront.origin-facing"
                ),
                "S3PrefixList": _list(region, f"com.amazonaws.{region}.s3"),
                "DynamoDbPrefixList": _list(region, f"com.amazonaws.{region}.dynamodb"),
            }
        case "data":
            given |= {"Size": plan.size} | _copies(plan, region)
        case "tables" if plan.second:
            given |= {
                "SecondRegion": plan.second,
                "SecondStorageKeyArn": _output(plan, plan.second, "keys", "StorageKeyArn"),
            }
        case "service":
            registry = f"$(output {region} {plan.game}-data RepositoryUri)"
            given |= names | identity
            given |= {
                "Size": plan.size,
                "IdentityRegion": plan.first,
                "Image": f'"{registry}:{plan.image}"',
                "AgentImage": f'"{registry}-cloudwatch-agent:{plan.agent}"',
                "OriginSecret": plan.origin_secret,
            }
        case "api":
            given |= {"Size": plan.size} | names | identity
        case "edge":
            given |= {**names, "OriginSecret": plan.origin_secret}
        case "watch":
            given |= {"Size": plan.size, "Mail": plan.mail}
    return given


def _copies(plan: Plan, region: str) -> dict[str, str]:
    if not plan.second:
        return {}
    other = plan.second if region == plan.first else plan.first
    given = {
        "OtherRegion": other,
        "OtherStorageKeyArn": _output(plan, other, "keys", "StorageKeyArn"),
    }
    if region != plan.first:
        first = _output(plan, plan.first, "data", "ErasureKeyArn").strip('"')
        here = f"s/:{plan.first}:/:{plan.second}:/"
        given["ErasureKeyArn"] = f'"{first.removesuffix(")")} | sed {here})"'
    return given


def _output(plan: Plan, region: str, stack: str, key: str) -> str:
    return f'"$(output {region} {plan.game}-{stack} {key})"'


def _list(region: str, name: str) -> str:
    return f'"$(prefix_list {region} {name})"'


def commands(plan: Plan) -> Iterator[str]:
    """One for each stack and region."""
    for stack, place in STACKS.items():
        for region in plan.regions(place):
            said = parameters(plan, stack, region)
            words = [
                f"{key}={one if one[:1] == chr(34) else shlex.quote(one)}"
                for key, one in said.items()
            ]
            lines = [
                f"aws cloudformation deploy --region {region} --stack-name {plan.game}-{stack}",
                f"--template-file deploy/cloudformation/{stack}.yaml --no-fail-on-empty-changeset",
                "--capabilities CAPABILITY_NAMED_IAM --parameter-overrides",
                *words,
            ]
            yield " \\\n    ".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.stacks", description="Print the commands that make all stacks."
    )
    parser.add_argument("--domain", required=True, help="of the page, like game.example.com")
    parser.add_argument("--zone", required=True, help="id of its hosted zone in Route 53")
    parser.add_argument("--mail", required=True, help="who is told of alarms")
    parser.add_argument("--image", required=True, metavar="TAG", help="of the image")
    parser.add_argument("--agent", required=True, metavar="TAG", help="of CloudWatch's agent")
    parser.add_argument("--first", default="eu-central-1", metavar="REGION")
    parser.add_argument("--second", default="", metavar="REGION", help="default: none")
    parser.add_argument("--size", default="small", choices=("small", "medium", "large"))
    parser.add_argument("--game", default="gameserver", metavar="PREFIX", help="of all names")
    parser.add_argument(
        "--origin-secret", default="", metavar="NAME", help="default: GAME/origin-1"
    )
    given = vars(parser.parse_args())
    given["origin_secret"] = given["origin_secret"] or f"{given['game']}/origin-1"
    if given["first"] == given["second"]:
        parser.error("the second region is the first one")
    print("set -eu\n" + _FUNCTIONS)
    print("\n\n".join(commands(Plan(**given))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
