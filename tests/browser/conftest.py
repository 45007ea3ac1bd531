"""A browser per file, a stage per test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from gameserver.devstack.moto import Cognito
from tests.browser.page import Console, calm, chromium
from tests.browser.stage import Stage
from tests.conftest import needs_system

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"


@pytest_asyncio.fixture(loop_scope="module")
async def stage(cognito: Cognito, valkey_url: str, redis_prefix: str) -> AsyncIterator[Stage]:
    """The page's server, the HTTP API and a WebSocket server with matches of one process."""
    async with Stage(cognito, valkey_url, redis_prefix=redis_prefix) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, headless."""
    async with chromium(needs_system("chromium")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window(browser: Browser) -> BrowserContext:
    """Whose tabs are ``page``s: each of a stage of its own, which no other one shares storage with.
    A window costs the browser three times as much as a tab."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 720}, color_scheme="dark"
    )
    await calm(context)
    await context.new_page()  # Stays open, and the window with it.
    return context


@pytest_asyncio.fixture(loop_scope="module")
async def page(
    window: BrowserContext, stage: Stage, request: pytest.FixtureRequest
) -> AsyncIterator[Page]:
    """The page, loaded. A screenshot of how a test left it is kept in ``artifacts/``."""
    made = await window.new_page()
    made.console = Console(made)
    await made.goto(stage.page_url)
    yield made
    ARTIFACTS.mkdir(exist_ok=True)
    await made.bring_to_front()  # One that nobody can see is not drawn.
    await made.screenshot(path=ARTIFACTS / f"browser-{request.node.name}.png")
    await made.close()
