"""Pages of a built site, as a browser would follow them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = sorted(
    path.relative_to(ROOT)
    for pattern in ("docs/**/*.md", "bench/results/**/*.md", "*.md")
    for path in ROOT.glob(pattern)
)
"""All pages, relative to the repository."""

LOADS = {
    ("img", "src"),
    ("script", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
    ("video", "src"),
    ("audio", "src"),
    ("form", "action"),
}
"""What a browser fetches by itself, or sends something to."""


@dataclass(slots=True)
class Page(HTMLParser):
    """``loads``: addresses that are fetched; ``links``: those that a reader may follow, ``menu``:
    the ones of them in the navigation; ``ids``: what a ``#`` may lead to."""

    path: Path
    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    menu: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self._depth = 0
        self.feed(self.path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "div" and (self._depth or "sidebar-tree" in given.get("class", "").split()):
            self._depth += 1
        self.ids.update(value for name in ("id", "name") if (value := given.get(name)))
        self.loads += [value for name, value in given.items() if (tag, name) in LOADS]
        self.loads += re.findall(r"url\(([^)]+)\)", given.get("style", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            if self._depth:
                self.menu.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1

    def target(self, address: str) -> tuple[Path, str]:
        """Where an address of this page leads: a file, and a place in it."""
        path, _, place = address.partition("#")
        path = unquote(path.partition("?")[0])
        return (self.path.parent / path).resolve() if path else self.path, unquote(place)


def is_outside(address: str) -> bool:
    """Whether it is on another host, in any form."""
    return bool(re.match(r"(?:[a-z][a-z0-9+.-]*:)?//", address.strip("'\" "), re.IGNORECASE))


def pages(site: Path) -> dict[Path, Page]:
    """All pages of a site by their paths."""
    return {path.resolve(): Page(path.resolve()) for path in sorted(site.rglob("*.html"))}


def dead_ends(found: dict[Path, Page]) -> Iterator[str]:
    """Each address within the site that leads nowhere, with the page that it stands on."""
    for page in found.values():
        for address in {*page.links, *page.loads}:
            if is_outside(address) or address.startswith(("mailto:", "data:")):
                continue
            path, place = page.target(address)
            if not path.is_file():
                yield f"{page.path.name}: {address}"
            elif place and path in found and place not in found[path].ids:
                yield f"{page.path.name}: {address} (no such place)"


def run_build(target: Path, *, source: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """In a process of its own: Sphinx changes the one that it runs in."""
    code = (
        "import sys; from pathlib import Path; from docs.site.build import build; "
        "sys.exit(build(Path(sys.argv[1]), source=Path(sys.argv[2])))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(target), str(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
