"""How screens look: what axe-core has against them, what does not fit, and a picture of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.async_api import Page

from tests.browser.page import POLL_MS

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

LOOKS: list[tuple[Any, int, list[str]]] = [
    ("dark", 1280, []),
    ("light", 1280, ["color-contrast"]),
    ("dark", 390, ["color-contrast"]),
    ("light", 390, []),
]
"""Colours, width, and the rules that are looked at: none means all."""
BRIEF: list[tuple[Any, int, list[str]]] = [("dark", 1280, []), ("light", 390, ["color-contrast"])]


CUT_OFF = """() => [document.documentElement, ...document.querySelectorAll("button, input, dialog")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth
    && !["text", "password", ""].includes(each.type ?? "x") || (() => {
      const box = each.getBoundingClientRect();
      return box.width > 0 && (box.left < -1 || box.right > innerWidth + 1);
    })())
  .map((each) => each.id || each.tagName)"""
"""What does not fit its box, or the page."""


async def still(page: Page) -> None:
    """Until nothing comes in or fades out any more: half of it has half of its contrast."""
    await page.wait_for_function(
        "() => document.getAnimations().every((each) => each.playState !== 'running'"
        " || each.effect.getComputedTiming().endTime === Infinity)",
        polling=POLL_MS,
    )


async def problems(page: Page, rules: list[str]) -> list[str]:
    """What axe-core has against the page as it is."""
    await still(page)
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(AXE)
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = await page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{each['id']}: {each['help']} ({node['target']}: {node['failureSummary']})"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def look(page: Page, screen: str, *, brief: bool = False) -> None:
    """The screen in both colour schemes, wide and narrow: without a problem, nothing cut off.
    ``brief``: wide and dark, narrow and light, and of the latter the colours alone."""
    ARTIFACTS.mkdir(exist_ok=True)
    size = page.viewport_size
    for scheme, width, rules in BRIEF if brief else LOOKS:
        where = f"{screen}-{scheme}-{width}"
        await page.set_viewport_size({"width": width, "height": 780})
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = [*await problems(page, rules), *await page.evaluate(CUT_OFF)]
        assert not found, f"{where}: {found}"
        await page.screenshot(path=ARTIFACTS / f"look-{where}.png")
    if size is not None:
        await page.set_viewport_size(size)
