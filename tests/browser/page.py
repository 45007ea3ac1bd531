"""What a person does with the page, as functions: for these tests and for the end-to-end test."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

_OFF_BY_PLAYWRIGHT = [
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
]
_SUGGESTIONS = ["WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"]
"""Pages of the address bar, which are loaded with each window though nobody sees them."""
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-gpu-rasterization",
    "--disable-gpu-watchdog",  # It ends a process that a busy machine has made wait.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The last of such lists is heeded alone.
    f"--disable-features={','.join(_OFF_BY_PLAYWRIGHT + _SUGGESTIONS)}",
]
READY_MS = 30_000
"""For whatever a page is to show: the machine may have much else to do."""
POLL_MS = 50
CALM = """(() => {
  const draw = window.requestAnimationFrame.bind(window), later = window.setTimeout.bind(window);
  const wanted = new Set();
  let last = 0;
  window.requestAnimationFrame = (then) => {
    const id = ++last;
    wanted.add(id);
    later(() => draw((at) => { if (wanted.delete(id)) then(at); }), 100);
    return id;
  };
  window.cancelAnimationFrame = (id) => { wanted.delete(id); };
})()"""
"""Draw a few times a second, as on a weak machine: a processor that draws for a graphics card has
little else to do at sixty. The page's own steps and inputs go by timers, which stay as they are."""

expect.set_options(timeout=READY_MS)


async def calm(context: BrowserContext) -> BrowserContext:
    """For all pages that it will open, see ``CALM``."""
    await context.add_init_script(CALM)
    return context


@asynccontextmanager
async def chromium(executable: str) -> AsyncIterator[Browser]:
    """A headless browser, the system's own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class Console:
    """What the page complained about."""

    def __init__(self, page: Page) -> None:
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("console", self._message)

    def _message(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)
        elif os.environ.get("SHOW_CONSOLE"):
            sys.stderr.write(f"console {message.type}: {message.text}\n")


async def seen(page: Page) -> dict[str, Any]:
    """The page's debug object, as it is now."""
    return await page.evaluate(
        "() => Object.fromEntries(Object.keys(Object.getOwnPropertyDescriptors(window.__arena))"
        ".map((name) => [name, window.__arena[name]]))"
    )


async def wait_for(page: Page, condition: str, *, timeout_ms: float = READY_MS) -> None:
    """Until a JavaScript expression about ``it``, the debug object, is true."""
    await page.wait_for_function(
        f"() => {{ const it = window.__arena; return it && ({condition}); }}",
        timeout=timeout_ms,
        polling=POLL_MS,
    )


async def login(page: Page, *, username: str | None = None, password: str | None = None) -> None:
    """Log in, as the demo player unless told otherwise; ends in the lobby."""
    await expect(page.locator("#login-button")).to_be_enabled()
    if username is not None:
        await page.fill("#username", username)
    if password is not None:
        await page.fill("#password", password)
    await page.click("#login-button")
    await expect(page.locator(".mode").first).to_be_visible(timeout=READY_MS)


def play_now(mode: str) -> str:
    """The button of the lobby that leads into a match of a mode."""
    return f'.mode[data-mode="{mode}"] .play'


async def join(page: Page, mode: str = "standard") -> None:
    """Choose a mode; ends when the first frame has been drawn."""
    await page.click(play_now(mode))
    await wait_for(page, "it.seated && it.tick >= 0 && it.own")


async def play(page: Page, seconds: float) -> None:
    """Walk in squares, aim around and fire, for some time or until the match is over."""
    size = page.viewport_size or {"width": 1280, "height": 720}
    middle_x, middle_y = size["width"] / 2, size["height"] / 2
    steps = max(1, round(seconds / 0.25))
    keys = ["KeyW", "KeyD", "KeyS", "KeyA"]
    held: str | None = None
    await page.mouse.move(middle_x + 200, middle_y)
    await page.mouse.down()
    for step in range(steps):
        if (await seen(page))["matchOver"]:
            break
        key = keys[step // 3 % len(keys)]
        if key != held:
            if held:
                await page.keyboard.up(held)
            await page.keyboard.down(key)
            held = key
        angle = step * 0.7
        await page.mouse.move(middle_x + 250 * math.cos(angle), middle_y + 250 * math.sin(angle))
        await page.wait_for_timeout(250)
    await page.mouse.up()
    if held:
        await page.keyboard.up(held)
