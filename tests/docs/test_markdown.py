"""The pages as markdown: readable where nothing is built, and held to that by the build."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from docs.site.extension import LISTS, contents, listed
from tests.docs.pages import MARKDOWN, ROOT, dead_ends, is_outside, pages, run_build


def headings(path: Path) -> set[str]:
    """The places of a markdown file, named as code hosts do."""
    text = re.sub(r"^(```+).*?^\1", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", MARKDOWN, ids=str)
def test_links_lead_somewhere_on_a_code_host_too(page: Path) -> None:
    text = re.sub(r"^(```+).*?^\1", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for address in re.findall(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)", text):
        if is_outside(address):
            continue
        path, _, place = address.partition("#")
        target = (ROOT / page.parent / path).resolve() if path else ROOT / page
        assert target.is_relative_to(ROOT) and target.exists(), address
        if place and target.suffix == ".md":
            assert place in headings(target), address


def test_no_page_needs_the_site_to_be_read() -> None:
    for page in MARKDOWN:
        text = (ROOT / page).read_text()
        assert not re.search(r"^(?:```|:::)\{", text, re.MULTILINE), f"{page} has a directive"
        assert not re.search(r"\{(?:ref|doc|py:\w+)\}`", text), f"{page} has a role"


# ── that this can fail ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[nowhere](nowhere.md)", "nowhere.md"),
        ("[here](#no-such-heading)", "no-such-heading"),
        ("![none](images/none.png)", "image file not readable"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, line: str, said: str) -> None:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "docs" / "index.md").write_text(f"# Start\n\n{line}\n")
    built = run_build(tmp_path / "built", source=source)
    assert built.returncode != 0 and said in built.stderr


def test_a_page_that_is_not_listed_ends_the_build(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "docs" / "index.md").write_text("# Start\n\n## Part\n\n- [One](one.md): x.\n")
    shutil.copy(source / "docs" / "index.md", source / "docs" / "lost.md")
    (source / "docs" / "one.md").write_text("# One\n")
    built = run_build(tmp_path / "built", source=source)
    assert built.returncode != 0 and "lost.md" in built.stderr and "one.md" not in built.stderr


def test_a_dead_link_in_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text('<p id="x"><a href="#x"></a><a href="#y"></a><img src="b.png"></p>')
    assert sorted(dead_ends(pages(tmp_path))) == ["a.html: #y (no such place)", "a.html: b.png"]


def test_other_hosts_are_recognised_in_any_form() -> None:
    assert all(map(is_outside, ["https://a.org/x", "//a.org/x", "HTTP://a.org", "'http://a.org'"]))
    assert not any(
        map(is_outside, ["a/b.css", "../x.html#http://", "#x", "data:image/png;base64,"])
    )


def test_lists_become_contents_under_their_headings() -> None:
    text = "- [A](a.md): x\n\n## Part\n\n- [B](../b.md#c)\n- [B](../b.md), [D](d.md)\n"
    assert [tuple(each) for each in listed(LISTS[0], text)] == [
        ("", "A", "docs/a"),
        ("Part", "B", "b"),
    ]
    assert ":caption: Part\n\nB </b>\n" in contents(LISTS[0], text)
    assert "caption" not in contents(LISTS[1], text)
