"""The documentation site, built once: whole, of itself alone, leading somewhere everywhere, and
in a browser that reaches no network readable, searchable and accessible."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import axe_playwright_python
import pytest
import pytest_asyncio
import yaml
from playwright.async_api import Browser
from playwright.async_api import Page as Tab

from docs.site.extension import listed
from tests.browser.page import Console, chromium
from tests.conftest import needs_system
from tests.docs.pages import MARKDOWN, ROOT, Page, dead_ends, is_outside, pages, run_build

pytestmark = pytest.mark.timeout(400)  # The first test waits for the site.

ARTIFACTS = ROOT / "artifacts"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without a warning."""
    target = tmp_path_factory.mktemp("site")
    built = run_build(target)
    assert (built.returncode, built.stderr, built.stdout) == (0, "", "")
    return target


@pytest.fixture(scope="module")
def found(site: Path) -> dict[Path, Page]:
    """Its pages."""
    return pages(site)


@pytest.fixture(scope="module")
def menu(site: Path, found: dict[Path, Page]) -> set[str]:
    """What the navigation of the start page leads to, relative to the site."""
    start = found[(site / "docs" / "index.html").resolve()]
    targets = {start.target(address)[0] for address in start.menu}
    return {path.relative_to(site.resolve()).as_posix() for path in targets}


def test_every_page_is_in_the_navigation(menu: set[str]) -> None:
    wanted = {path.with_suffix(".html").as_posix() for path in MARKDOWN} - {"README.html"}
    # The start page itself is the name above the navigation.
    assert wanted - {"docs/index.html"} <= menu


def test_every_alert_has_a_runbook_in_the_navigation(menu: set[str]) -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert len(alerts) > 20
    assert {f"docs/runbooks/alerts/{alert}.html" for alert in alerts} <= menu
    text = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    assert {each.title for each in listed("docs/runbooks/README", text)} >= set(alerts)


def test_everything_leads_somewhere(found: dict[Path, Page]) -> None:
    assert sum(len(page.links) for page in found.values()) > 5_000
    assert list(dead_ends(found)) == []


def test_the_root_leads_to_the_start(site: Path, found: dict[Path, Page]) -> None:
    root = found[(site / "index.html").resolve()]
    assert root.links == ["docs/index.html"]


def test_nothing_is_loaded_from_elsewhere(site: Path, found: dict[Path, Page]) -> None:
    assert [each for page in found.values() for each in page.loads if is_outside(each)] == []
    for sheet in site.rglob("*.css"):
        named = re.findall(r"(?:url\(|@import\s+)([^)\s;]+)", sheet.read_text())
        assert [each for each in named if is_outside(each)] == [], sheet.name


def test_scripts_are_the_themes_own_few(found: dict[Path, Page]) -> None:
    names = {
        page.target(each)[0].name
        for page in found.values()
        for each in page.loads
        if each.partition("?")[0].endswith(".js")
    }
    assert names == {
        "documentation_options.js",
        "doctools.js",
        "furo.js",
        "language_data.js",
        "searchindex.js",
        "searchtools.js",
        "sphinx_highlight.js",
    }


@pytest.mark.parametrize("words", ["step", "PlayerId", "checkpoint", "SIGKILL"])
def test_the_search_has_an_index_of_its_own(site: Path, words: str) -> None:
    assert words.lower() in (site / "searchindex.js").read_text().lower()


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("game", ["Game", "Game.step", "Tick.emit", "Mode", "Standing", "Refused", "Bots"]),
        ("testing", ["Rehearsal.join", "check", "Report"]),
        ("gameclient", ["GameClient.join", "Timeline.at", "Predictor.confirm", "Ended"]),
        ("matchmaking", ["Rules", "Skill", "Ready"]),
    ],
)
def test_the_reference_has_what_is_public(
    site: Path, found: dict[Path, Page], page: str, names: list[str]
) -> None:
    ids = found[(site / "docs" / "reference" / f"{page}.html").resolve()].ids
    for name in names:
        assert any(one.endswith(f".{name}") for one in ids), name


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, headless."""
    async with chromium(needs_system("chromium")) as made:
        yield made


async def opened(browser: Browser, site: Path, page: str, *, scheme: str, width: int) -> Tab:
    """A page of the site as a file, in a tab that has no network. ``asked``: what it asked for."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    tab = await context.new_page()
    tab.console = Console(tab)
    tab.asked = []
    tab.on("request", lambda request: tab.asked.append(request.url))
    await tab.goto((site / page).as_uri())
    return tab


LOOKS = [
    ("docs/index.html", "light", 1280),
    ("docs/index.html", "dark", 390),
    ("docs/rules.html", "light", 390),
    ("docs/reference/game.html", "dark", 1280),
]


@pytest.mark.system
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("page", "scheme", "width"), LOOKS)
async def test_a_page_is_accessible_and_fits(
    browser: Browser, site: Path, page: str, scheme: str, width: int
) -> None:
    tab = await opened(browser, site, page, scheme=scheme, width=width)
    assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.console.errors == []
    assert all(url.startswith("file:") for url in tab.asked)
    await tab.evaluate(AXE)
    # Without `preload` it does not fetch sheets again, which a file may not.
    found = await tab.evaluate("axe.run(document, { preload: false })")
    ARTIFACTS.mkdir(exist_ok=True)
    name = page.removesuffix(".html").replace("/", "-")
    await tab.screenshot(path=ARTIFACTS / f"site-{name}-{scheme}-{width}.png")
    wrong = [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
    assert wrong == []
    await tab.context.close()


@pytest.mark.system
@pytest.mark.asyncio(loop_scope="module")
async def test_the_search_finds_without_a_network(browser: Browser, site: Path) -> None:
    tab = await opened(browser, site, "docs/index.html", scheme="light", width=1280)
    await tab.fill("input[name=q]", "lease")
    await tab.press("input[name=q]", "Enter")
    results = tab.locator("#search-results ul.search li a")
    await results.first.wait_for()
    titles = await results.all_inner_texts()
    assert any("LeasesLost" in title for title in titles), titles
    await results.first.click()
    await tab.wait_for_url("**/*.html*")
    assert all(url.startswith("file:") for url in tab.asked)
    await tab.context.close()


@pytest.mark.system
@pytest.mark.asyncio(loop_scope="module")
async def test_light_and_dark_can_be_chosen(browser: Browser, site: Path) -> None:
    tab = await opened(browser, site, "docs/index.html", scheme="dark", width=1280)
    back = "getComputedStyle(document.body).backgroundColor"
    seen = {await tab.evaluate(back)}
    for _ in range(2):
        await tab.locator(".theme-toggle:visible").first.click()
        seen.add(await tab.evaluate(back))
    assert len(seen) == 2
    await tab.context.close()
