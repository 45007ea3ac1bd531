"""Chat, votes, bots and live matches on the page."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.page import join, login, play, seen, wait_for
from tests.browser.stage import Stage

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


async def test_lines_are_said_and_shown_and_move_nobody(page: Page, stage: Stage) -> None:
    await login(page)
    await join(page, "practice")
    stage.bots.call(2, game="arena", mode="practice")
    await wait_for(page, "it.players === 3")
    match = (await seen(page))["match"]
    stage.rooms.tell(match, "player_joined", "bot:1", {"name": "Bot 2", "seat": 1})
    await expect(page.locator("#scores .tag")).to_have_text("bot")
    await play(page, 1)
    before = (await seen(page))["own"]
    await page.keyboard.press("Enter")
    await expect(page.locator("#chat-text")).to_be_focused()
    await page.keyboard.type("was dddd <b>")
    await page.keyboard.press("Enter")
    await expect(page.locator("#feed", has_text="was dddd <b>")).to_be_visible()
    await expect(page.locator("#arena")).to_be_focused()
    after = (await seen(page))["own"]
    assert abs(after["x"] - before["x"]) + abs(after["y"] - before["y"]) < 1_000
    await page.click("#pause")
    await expect(page.locator("#feed", has_text="1 of 2 want to pause")).to_be_visible()
    await page.screenshot(path="artifacts/browser-company.png")
    assert page.console.errors == []


async def test_a_live_match_is_watched_from_the_lobby(page: Page, stage: Stage) -> None:
    stage.bots.call(3, game="arena", mode="quick")
    await login(page)
    await page.screenshot(path="artifacts/browser-live-lobby.png")
    await page.click("#matches .watch")
    await wait_for(page, "it.seated && it.tick >= 0 && it.seat === -1")
    await expect(page.locator("#scores tr")).to_have_count(3)
    await expect(page.locator("#chat")).to_be_hidden()
    await page.keyboard.press("Space")
    await page.wait_for_timeout(300)
    await page.screenshot(path="artifacts/browser-watching.png")
    await page.click("#leave")
    await join(page, "standard")
    assert (await seen(page))["seat"] >= 0
    await expect(page.locator("#chat")).to_be_visible()
    assert page.console.errors == []


async def test_sound_is_off_until_it_is_wanted_and_then_remembered(
    page: Page, stage: Stage
) -> None:
    await login(page)
    await join(page, "standard")
    await expect(page.locator("#sound")).to_have_text("♪ off")
    await play(page, 0.5)
    assert (await seen(page))["sounds"] == 0
    await page.click("#sound")
    await expect(page.locator("#sound")).to_have_text("♪ on")
    before = (await seen(page))["sounds"]
    await page.keyboard.down("Space")
    await wait_for(page, f"it.sounds > {before}")
    await page.keyboard.up("Space")
    await page.reload()
    await expect(page.locator("#sound")).to_have_text("♪ on")
    assert page.console.errors == []
