"""What checkov, a scanner of policies, says of the templates. It runs in an environment of its own,
because it pins boto3 to what aiobotocore does not go with: ``make scan`` makes it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.templates import DIRECTORY, load, names

CHECKOV = Path(__file__).parents[2] / "deploy" / ".venv" / "bin" / "checkov"
WHY_CHARS_MIN = 20


def _exceptions() -> Iterator[tuple[str, str, str]]:
    """Template and resource, check, and why it may be left out."""
    for name in names():
        for key, one in load(name)["Resources"].items():
            for skip in one.get("Metadata", {}).get("checkov", {}).get("skip", ()):
                yield f"{name}.{key}", skip["id"], skip["comment"]


def _scan() -> list[dict[str, Any]]:
    if not CHECKOV.exists():
        message = "checkov is not installed (make scan, or make test, installs it)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    done = subprocess.run(
        [
            *(CHECKOV, "--directory", DIRECTORY, "--framework", "cloudformation"),
            *("--output", "json", "--skip-download", "--compact"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LOG_LEVEL": "ERROR"},
    )
    told = json.loads(done.stdout)
    reports = told if isinstance(told, list) else [told]
    assert any(one.get("check_type") == "cloudformation" for one in reports), done.stderr
    return reports


def test_checkov_finds_nothing_that_is_not_justified_in_its_place() -> None:
    found, used = [], set()
    for report in _scan():
        results = report["results"]
        assert not results.get("parsing_errors")
        found += [
            f"{one['check_id']} {one['file_path']} {one['resource']}"
            for one in results["failed_checks"]
        ]
        for one in results.get("skipped_checks", ()):
            template = Path(one["file_path"]).stem
            used.add((f"{template}.{one['resource'].rpartition('.')[2]}", one["check_id"]))
    assert found == []
    # An exception for what is no longer found would hide the next thing.
    assert {(where, check) for where, check, _ in _exceptions()} <= used


def test_every_exception_says_why() -> None:
    for where, check, why in _exceptions():
        assert len(why) >= WHY_CHARS_MIN, f"{where} {check}"
