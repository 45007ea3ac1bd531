"""People at the page: browsers of their own, the page's real server, the real system behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, Page, expect

from gameserver.devstack.bots import BotRuns
from gameserver.devstack.page_server import PageServer
from gameserver.devstack.run import WEB
from gameserver.devstack.stack import Stack
from tests.browser.page import READY_MS, Console, calm, seen, wait_for

PASSWORD = "Strong-Pass-1"
_NUMBERS = count(1)


@asynccontextmanager
async def page_of(stack: Stack) -> AsyncIterator[str]:
    """The URL of the page, as ``make run`` serves it."""
    cognito = stack.moto.cognito()
    server = PageServer(
        stack.settings,
        web_directory=WEB,
        mint=cognito.mint,
        demo={"username": cognito.demo_username, "password": cognito.demo_password},
        bots=BotRuns(stack.settings),
    )
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", stack.settings.ports["page"]).start()
        yield stack.settings.page_url
    finally:
        await runner.cleanup()


class Person:
    """Somebody with an account, at a page of their own."""

    def __init__(self, page: Page, name: str) -> None:
        self.page, self.name = page, name
        self.console = Console(page)

    async def sign_up(self) -> None:
        """Make an account and confirm it; ends in the lobby."""
        page = self.page
        await expect(page.locator("#login-button")).to_be_enabled()
        await page.click("#to-sign-up")
        await page.fill("#username", self.name)
        await page.fill("#email", f"{self.name}@example.com")
        await page.fill("#password", PASSWORD)
        await page.click("#login-button")
        await page.fill("#account-code", "123456")  # the emulator takes any
        await page.click("#login-button")
        await expect(page.locator(".mode").first).to_be_visible(timeout=READY_MS)

    async def home(self) -> None:
        """To the lobby of the arena, from wherever; what the page complained of is forgotten."""
        page = self.page
        if await page.locator("#over").is_visible():
            await expect(page.locator("#lobby-button")).to_be_enabled()
            await page.click("#lobby-button")
        elif await page.locator("#game").is_visible():
            await page.click("#leave")
        else:
            await page.click('nav [data-to="lobby"]')
        await self.choose("arena")
        self.console.errors.clear()

    async def choose(self, game: str) -> None:
        await self.page.click(f'#games [data-value="{game}"]')
        await expect(self.page.locator(f'#games [data-value="{game}"]')).to_have_attribute(
            "aria-pressed", "true"
        )

    async def press(self, mode: str, what: str) -> None:
        """``what``: play or find."""
        await self.page.click(f'.mode[data-mode="{mode}"] .{what}')

    async def until(self, condition: str, *, timeout_ms: float = 30_000) -> None:
        await wait_for(self.page, condition, timeout_ms=timeout_ms)

    async def sees(self) -> dict[str, Any]:
        return await seen(self.page)


async def person(browser: Browser, url: str, **context: Any) -> Person:
    """At the page, not logged in yet."""
    made = await browser.new_context(
        viewport={"width": 1280, "height": 780}, color_scheme="dark", **context
    )
    page = await (await calm(made)).new_page()
    who = Person(page, f"guest{next(_NUMBERS)}")
    await page.goto(url)
    return who
