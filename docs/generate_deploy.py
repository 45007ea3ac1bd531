"""``python -m docs.generate_deploy``: writes docs/deploy-parameters.md from the templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from deploy.stacks import STACKS, TEMPLATES

TARGET = Path(__file__).parent / "deploy-parameters.md"

_HEAD = """# Parameters of the stacks

Made by `python -m docs.generate_deploy` from `deploy/cloudformation/`. `python -m deploy.stacks`
prints commands with those that have no default; add others to them as `NAME=VALUE`.

| parameter | stacks | default | meaning |
|---|---|---|---|
"""


class _Loader(yaml.SafeLoader):
    """Reads over CloudFormation's functions: parameters have none."""


_Loader.add_multi_constructor("!", lambda loader, tag, node: None)


def document() -> str:
    """The whole page."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for stack in STACKS:
        template = yaml.load((TEMPLATES / f"{stack}.yaml").read_text(), _Loader)
        for name, one in template["Parameters"].items():
            found.setdefault(name, []).append((stack, one))
    return _HEAD + "".join(_row(name, places) for name, places in found.items())


def _row(name: str, places: list[tuple[str, dict[str, Any]]]) -> str:
    first = places[0][1]
    stacks = "all" if len(places) == len(STACKS) else ", ".join(stack for stack, _ in places)
    default = f"`{first['Default']}`" if first.get("Default", "") != "" else "–"
    if "Default" not in first:
        default = "required"
    meaning = first["Description"]
    if allowed := first.get("AllowedValues"):
        meaning += f" ({', '.join(str(one) for one in allowed)})"
    return f"| `{name}` | {stacks} | {default} | {meaning} |\n"


def main() -> int:
    TARGET.write_text(document())
    print(f"wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
