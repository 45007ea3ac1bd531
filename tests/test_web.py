"""The pages keep to themselves: no resource from elsewhere, and one policy that says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent / "web"
PAGES = sorted(WEB.glob("*.html"))
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')


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
    for name in re.findall(r'(?:src|href)="([\w.]+)"', text):
        assert (WEB / name).exists(), name


@pytest.mark.parametrize("script", sorted(WEB.rglob("*.js")), ids=lambda script: script.name)
def test_a_script_imports_only_what_is_here_and_makes_no_html(script: Path) -> None:
    text = script.read_text()
    for name in re.findall(r'^import .* from "\./([^"]+)";$', text, re.MULTILINE):
        assert (script.parent / name).exists(), name
    assert "innerHTML" not in text, "texts come from other people"
