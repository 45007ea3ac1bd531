"""What is in the image, and what is known of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.audit import CLEAN, NOT_AUDITED, VULNERABLE, judge
from deploy.sbom import write
from tests.deploy.task_definitions import ROOT

GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "unknown", "skip_reason": "not found"}


def test_the_bill_of_materials_has_every_locked_package(tmp_path: Path) -> None:
    write(tmp_path / "sbom.json", validate=False)
    bill = json.loads((tmp_path / "sbom.json").read_text())
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M)
    assert locked
    assert {(one["name"], one["version"]) for one in bill["components"]} == set(locked)
    assert bill["metadata"]["component"]["name"] == "gameserver"
    write(tmp_path / "again.json", validate=False)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "sbom.json").read_bytes()


@pytest.mark.parametrize(
    ("packages", "code", "told"),
    [
        ([GOOD], CLEAN, "1 packages, none known to be vulnerable"),
        ([GOOD, BAD], VULNERABLE, "bad 2: CVE-2026-1, mended in 2.1"),
        ([GOOD, SKIPPED], NOT_AUDITED, "1 of 2 packages could not be looked up (unknown)"),
        ([BAD, SKIPPED], VULNERABLE, "not audited"),
    ],
)
def test_an_audit_is_clean_only_if_everything_was_looked_up(
    packages: list[dict[str, Any]], code: int, told: str
) -> None:
    verdict = judge({"dependencies": packages})
    assert verdict.code == code
    assert told in "\n".join(verdict.lines)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_what_is_installed_is_locked_by_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
