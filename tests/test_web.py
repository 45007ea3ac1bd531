"""The pages keep to themselves: no resource from elsewhere, and one policy that says so."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent / "web"
PAGES = sorted(WEB.rglob("*.html"))
IMPORT = re.compile(r'^(?:import|export|\}) .*?from "([^"]+)";$', re.MULTILINE)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')


def test_only_pages_lie_outside_of_folders() -> None:
    assert {each.suffix for each in WEB.iterdir() if each.is_file()} == {".html"}


def test_there_are_pages() -> None:
    assert {page.name for page in PAGES} >= {"index.html", "playground.html"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_the_policy_of_all(page: Path) -> None:
    text = page.read_text()
    [policy] = POLICY.findall(text)
    assert policy == POLICY.findall((WEB / "index.html").read_text())[0]
    assert "unsafe" not in policy
    assert 'style="' not in text and "<style" not in text and " on" + "click=" not in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    for name in re.findall(r'(?:src|href)="([\w./]+)"', text):
        assert (page.parent / name).is_file(), name


@pytest.mark.parametrize(
    "script", sorted(WEB.rglob("*.js")), ids=lambda script: str(script.relative_to(WEB))
)
def test_a_script_imports_only_what_is_here_and_makes_no_html(script: Path) -> None:
    text = script.read_text()
    for name in IMPORT.findall(text):
        assert name.startswith(("./", "../")), name
        assert (script.parent / name).resolve().is_relative_to(WEB), name
        assert (script.parent / name).is_file(), name
    assert "innerHTML" not in text, "texts come from other people"


@pytest.mark.parametrize(
    ("html", "app"), [("index.html", "page/app.js"), ("console/index.html", "console/app.js")]
)
def test_all_modules_of_the_page_are_asked_for_at_once(html: str, app: str) -> None:
    """A module that is found only in another one costs another round trip."""
    waiting = [WEB / app]
    found: set[Path] = set()
    while waiting:
        script = waiting.pop()
        for name in IMPORT.findall(script.read_text()):
            other = (script.parent / name).resolve()
            if other not in found:
                found.add(other)
                waiting.append(other)
    page = WEB / html
    named = re.findall(r'<link rel="modulepreload" href="([^"]+)">', page.read_text())
    assert named == sorted(os.path.relpath(each, page.parent) for each in found)
