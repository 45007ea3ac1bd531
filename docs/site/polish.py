"""Mends what generator and theme write against the rules of accessibility (axe-core finds it).

    headings of the navigation    lack their level
    the two side columns          have no names to tell them apart
    code and tables that scroll   cannot be reached by keys
    empty heads of columns        are read out as headings of nothing
    signatures of several lines   are lists without terms

Each is a change of text in the pages that are written; where it finds nothing, nothing is changed,
and ``tests/docs`` says what is wrong.
"""

from __future__ import annotations

import re
from pathlib import Path

_SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
_PLAIN = (
    ('<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    ('<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="Pages">'),
    ('<aside class="toc-drawer', '<aside aria-label="On this page" class="toc-drawer'),
    ("<pre>", '<pre tabindex="0">'),
    ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
    ('<th class="head"><p></p></th>', '<td class="head"></td>'),
)
_IN_SIGNATURES = (
    ("<dl>", '<span class="sig-lines">'),
    ("</dl>", "</span>"),
    ("<dd>", '<span class="sig-line">'),
    ("</dd>", "</span>"),
)


def polished(page: str) -> str:
    """The HTML of one page."""
    for old, new in _PLAIN:
        page = page.replace(old, new)
    return _SIGNATURE.sub(_signature, page)


def polish(site: Path) -> None:
    """All pages below ``site``, in place."""
    for path in site.rglob("*.html"):
        path.write_text(polished(path.read_text()))


def _signature(found: re.Match[str]) -> str:
    text = found[0]
    for old, new in _IN_SIGNATURES:
        text = text.replace(old, new)
    return text
