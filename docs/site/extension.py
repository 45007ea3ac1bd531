"""What the site adds to plain markdown, so that the pages stay readable where nothing is built.

* **Navigation.** A page of ``LISTS`` holds lists of links under headings; the same links are the
  navigation, with the start page's headings as captions. There is no other table of contents.
* ``<!-- reference: MODULE -->`` is unseen on a code host; here the module's docstrings stand in its
  place. ``<!-- reference: MODULE NAME ... -->`` takes these names only; ``-NAME`` leaves one out.
* ``<!-- source: PATH LANGUAGE -->``: the file's text stands there.
"""

from __future__ import annotations

import posixpath
import re
import types
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from gameclient.timeline import Moment

LISTS = ("docs/index", "docs/runbooks/README", "bench/results/README")
"""Pages whose links are the navigation; the first is the root."""

_HEADING = re.compile(r"^## (?P<title>.+)$")
_ITEM = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<path>[^)#:]+)\.md\)")
_COMMENT = re.compile(
    r"^<!-- (?P<kind>reference|source|tutorial): (?P<words>[^>]+) -->$", re.MULTILINE
)


class Listed(NamedTuple):
    """A page of the navigation: the heading above it, its title, its path without suffix."""

    heading: str
    title: str
    page: str


def listed(page: str, text: str) -> Iterator[Listed]:
    """The pages with which an item of a list begins, in a page of ``LISTS``."""
    heading = ""
    for line in text.splitlines():
        if found := _HEADING.match(line):
            heading = found["title"]
        elif found := _ITEM.match(line):
            path = posixpath.join(posixpath.dirname(page), found["path"])
            yield Listed(heading, found["title"], posixpath.normpath(path))


def contents(page: str, text: str) -> str:
    """Hidden tables of contents for what ``page`` lists, one for each heading."""
    groups: dict[str, list[str]] = {}
    for each in listed(page, text):
        groups.setdefault(each.heading, []).append(f"{each.title} </{each.page}>")
    made = []
    for heading, targets in groups.items():
        caption = f":caption: {heading}\n" if heading and page == LISTS[0] else ""
        made.append("\n".join(["```{toctree}", ":hidden:", caption, *targets, "```\n"]))
    return "\n".join(made)


def expand(comment: re.Match[str]) -> str:
    """What stands on the site in the place of a comment."""
    if comment["kind"] == "tutorial":
        return ""  # for the test that takes its steps
    first, *names = comment["words"].split()
    if comment["kind"] == "source":
        return f"```{{literalinclude}} /{first}\n:language: {names[0]}\n```"
    wanted = [name for name in names if not name.startswith("-")]
    left_out = [name[1:] for name in names if name.startswith("-")]
    lines = [f".. automodule:: {first}", f"   :members: {', '.join(wanted)}"]
    if left_out:
        lines.append(f"   :exclude-members: {', '.join(left_out)}")
    return "\n".join(["```{eval-rst}", *lines, "```"])


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """Sphinx' event: a page was read."""
    text = source[0]
    if page in LISTS:
        text += "\n" + contents(page, text)
    source[0] = _COMMENT.sub(expand, text)


def left_out(
    app: Sphinx, what: str, name: str, found: object, skip: bool, options: object
) -> bool | None:
    """Sphinx' event: whether to leave a member out, ``None`` for Sphinx to decide: a member without
    a docstring. Fields of Structs and named tuples stand in the signature already, with their types
    and defaults; methods and properties are shown in any case."""
    if isinstance(found, type(Moment.share)):
        return True
    public = not name.startswith("_") and isinstance(found, types.FunctionType | property | Enum)
    return False if public and skip else None


def shorten(app: Sphinx, tree: nodes.document) -> None:
    """Sphinx' event: a page was parsed. Members of a class stay out of the page's contents: there
    would be hundreds, which every page's navigation is then made from."""
    for signature in tree.findall(addnodes.desc_signature):
        outer = signature.parent.parent
        if isinstance(outer, addnodes.desc_content):
            signature["_toc_name"] = ""


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", read)
    app.connect("autodoc-skip-member", left_out)
    app.connect("doctree-read", shorten, priority=100)  # before the contents are collected
    return {"parallel_read_safe": True, "parallel_write_safe": True}
