"""What is in the image, and what is known of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy import audit, licences
from deploy.audit import CLEAN, NOT_AUDITED, VULNERABLE, judge, judge_npm, together
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


@pytest.mark.parametrize(
    ("report", "code", "told"),
    [
        ({"vulnerabilities": {}}, CLEAN, "7 packages, none"),
        ({"vulnerabilities": {"a": {"range": "<2", "severity": "high"}}}, VULNERABLE, "a <2: high"),
        ({"message": "405 at https://somewhere/x"}, NOT_AUDITED, "7 packages could not be"),
    ],
)
def test_an_audit_of_npm_packages(report: dict[str, Any], code: int, told: str) -> None:
    verdict = judge_npm(report, 7)
    assert verdict.code == code
    assert told in verdict.lines[0] and "://" not in verdict.lines[0]


def test_one_that_was_not_looked_up_makes_an_audit_incomplete() -> None:
    assert together([CLEAN, CLEAN]) == CLEAN
    assert together([CLEAN, NOT_AUDITED, CLEAN]) == NOT_AUDITED
    assert together([NOT_AUDITED, VULNERABLE, CLEAN]) == VULNERABLE


def test_every_lock_there_is_is_audited() -> None:
    skipped = {".venv", ".git", ".run", "artifacts", "node_modules"}
    there = [
        path.relative_to(ROOT)
        for pattern in ("requirements*.lock", "package-lock.json")
        for path in ROOT.rglob(pattern)
        if not skipped & set(path.parts)
    ]
    known = {*audit.LOCKS, *(f"{directory}/package-lock.json" for directory in audit.NPM)}
    assert {path.as_posix() for path in there} == known


def test_licences_are_permissive_and_no_tool_is_shipped() -> None:
    assert [*licences.complaints()] == []
    # Packages that are named as exceptions are still there.
    assert licences.TOOLS.keys() <= set(licences.locked(ROOT / licences.USED))


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0 OR MIT", True),
        ("MIT AND GPL-3.0", False),
        ("AGPL-3.0", False),
        ("?", False),
    ],
)
def test_what_is_permissive(licence: str, good: bool) -> None:
    assert licences.is_permissive(licence) is good


@pytest.mark.parametrize("lock", audit.LOCKS)
def test_what_is_installed_is_locked_by_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
