"""The page as a person meets it: log in, play, lose the connection, come back, see the end."""

from __future__ import annotations

import asyncio
import math

import pytest
from playwright.async_api import Browser, Page, expect

from gameserver.maintenance import Notice
from tests.browser.page import calm, join, login, play, play_now, seen, wait_for
from tests.browser.stage import Stage
from tests.e2e.conftest import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


async def test_log_in_and_play_against_bots(page: Page, stage: Stage) -> None:
    await login(page)
    await join(page, "standard")
    await page.click("#bots")
    await wait_for(page, "it.players === 8")
    await play(page, 3)
    await expect(page.locator("#feed li").first).to_be_visible()
    await expect(page.locator("#scores tr")).to_have_count(8)
    await expect(page.locator("#scores tr.self")).to_have_count(1)
    now = await seen(page)
    assert now["connected"] and now["seated"] and not now["matchOver"]
    assert now["tick"] > 40
    assert page.console.errors == []


async def test_own_fighter_is_drawn_ahead_and_comes_to_rest_where_the_server_has_it(
    page: Page, stage: Stage
) -> None:
    await login(page)
    await join(page, "quick")
    start = (await seen(page))["own"]
    for key in ("KeyD", "KeyS"):
        await page.keyboard.down(key)
        await page.wait_for_timeout(400)
        await page.keyboard.up(key)
    await wait_for(
        page,
        "it.drawnAt && Math.hypot(it.drawnAt.x - it.own.x, it.drawnAt.y - it.own.y) < 2",
    )
    end = (await seen(page))["own"]
    assert math.dist((start["x"], start["y"]), (end["x"], end["y"])) > 100


async def test_the_end_is_shown_and_another_match_is_one_click_away(
    page: Page, stage: Stage
) -> None:
    await login(page)
    await join(page, "standard")
    stage.bots.call(2, game="arena", mode="standard")
    await wait_for(page, "it.players === 3")
    first = await seen(page)
    stage.rooms.finish(first["match"])
    await wait_for(page, "it.matchOver")
    await expect(page.locator("#over")).to_be_visible()
    await expect(page.locator("#standings tr")).to_have_count(3)
    await expect(page.locator("#standings tr.self")).to_have_count(1)
    await page.screenshot(path="artifacts/browser-over.png")
    await page.click("#again")
    await wait_for(page, f"it.seated && it.match !== '{first['match']}' && it.tick >= 0")
    await expect(page.locator("#over")).to_be_hidden()
    assert page.console.errors == []


async def test_leaving_returns_to_the_modes(page: Page, stage: Stage) -> None:
    await login(page)
    await join(page, "standard")
    await page.click("#leave")
    await expect(page.locator("#lobby")).to_be_visible()
    await join(page, "quick")
    assert (await seen(page))["mode"] == "quick"
    assert page.console.errors == []


async def test_a_lost_connection_is_resumed(page: Page, stage: Stage) -> None:
    await login(page)
    await join(page, "standard")
    stage.bots.call(1, game="arena", mode="standard")
    await wait_for(page, "it.players === 2")
    before = await seen(page)
    await stage.close_doors()
    await expect(page.locator("#banner")).to_be_visible()
    await page.screenshot(path="artifacts/browser-lost.png")
    stage.rooms.tell(before["match"], "lead", before["match"], {"kills": 1})
    await stage.open_doors()
    await wait_for(page, f"it.seated && it.tick > {before['tick']}")
    await expect(page.locator("#banner")).to_be_hidden()
    after = await seen(page)
    assert (after["match"], after["seat"]) == (before["match"], before["seat"])
    # What was announced meanwhile is told now.
    await expect(page.locator("#feed", has_text="takes the lead")).to_be_visible()


async def test_a_server_that_is_replaced_says_when_to_come_back(page: Page, stage: Stage) -> None:
    await login(page)
    await join(page, "standard")
    before = await seen(page)
    stage.gate.drain()
    await stage.close_doors()
    await stage.open_doors()
    await wait_for(page, f"it.seated && it.tick > {before['tick']}")
    assert (await seen(page))["match"] == before["match"]


async def test_a_match_that_has_moved_is_joined_again(page: Page, stage: Stage) -> None:
    await login(page)
    await join(page, "standard")
    before = await seen(page)
    stage.rooms.move(before["match"])
    await wait_for(page, f"it.seated && it.tick > {before['tick']} + 20")
    assert (await seen(page))["match"] == before["match"]
    assert await page.locator("#lobby-notice").text_content() == ""


async def test_a_match_that_is_gone_leads_back_to_the_modes(page: Page, stage: Stage) -> None:
    await login(page)
    await join(page, "standard")
    await stage.close_doors()
    stage.rooms.rooms.clear()
    await stage.open_doors()
    await expect(page.locator("#lobby-notice")).to_have_text("The match is over.")


async def test_a_full_server_is_named(page: Page, stage: Stage) -> None:
    await login(page)
    await stage.close_doors()
    stage.not_ready = "server_full"
    await page.click(play_now("standard"))
    await expect(page.locator("#banner-text")).to_contain_text("server is full")
    await expect(page.locator("#retry")).to_be_visible()
    await stage.open_doors()
    stage.not_ready = None
    # The page may come back by itself before the mouse would reach the button, and hide it.
    await page.locator("#retry").dispatch_event("click")
    await wait_for(page, "it.seated && it.tick >= 0")


async def test_maintenance_is_waited_for_and_a_kept_seat_is_not_touched(
    page: Page, stage: Stage
) -> None:
    await login(page)
    await stage.rooms.maintenance.turn_on(Notice(message="Back at noon."), by="op")
    await page.click(play_now("standard"))
    await expect(page.locator("#banner-text")).to_contain_text("Back at noon.")
    await expect(page.locator("#game")).to_be_visible()
    await expect(page.locator("#retry")).to_be_visible()
    await stage.rooms.maintenance.turn_off()
    await page.locator("#retry").dispatch_event("click")
    await wait_for(page, "it.seated && it.tick >= 0")
    await expect(page.locator("#banner")).to_be_hidden()
    before = await seen(page)
    await stage.rooms.maintenance.turn_on(Notice(message="Back at noon."), by="op")
    await stage.close_doors()
    await stage.open_doors()
    await wait_for(page, f"it.seated && it.tick > {before['tick']}")
    assert (await seen(page))["match"] == before["match"]


async def test_a_seat_that_is_gone_in_maintenance_leads_back_to_the_modes(
    page: Page, stage: Stage
) -> None:
    await login(page)
    await join(page, "standard")
    await stage.rooms.maintenance.turn_on(Notice(message="Back at noon."), by="op")
    await stage.close_doors()
    stage.rooms.rooms.clear()
    await stage.open_doors()
    await expect(page.locator("#lobby-notice")).to_have_text("Back at noon.")


async def test_wrong_password(page: Page, stage: Stage) -> None:
    await page.fill("#password", "not it")
    await page.click("#login-button")
    await expect(page.locator("#login-error")).to_have_text("User name or password is wrong.")
    await expect(page.locator("#login-button")).to_be_enabled()


async def test_logging_out_ends_the_session_at_the_server_too(page: Page, stage: Stage) -> None:
    await login(page)
    before = len(stage.revocations.added)
    async with page.expect_response("**/v1/auth/logout") as answer:
        await page.click("#logout")
    assert (await answer.value).status == 204
    assert len(stage.revocations.added) == before + 1
    await expect(page.locator("#login-button")).to_be_visible()
    await login(page)
    await join(page, "standard")
    assert page.console.errors == []


async def test_an_unreachable_server_is_named(page: Page, stage: Stage) -> None:
    await page.route(f"{stage.api_url}/**", lambda route: route.abort())
    await page.click("#login-button")
    await expect(page.locator("#login-error")).to_contain_text("cannot be reached")


async def test_keyboard_alone_is_enough(page: Page, stage: Stage) -> None:
    await expect(page.locator("#login-button")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".mode").first).to_be_visible()
    await page.locator(".mode .play").first.focus()
    await page.keyboard.press("Enter")
    await wait_for(page, "it.seated && it.own")
    await page.keyboard.down("Space")
    await until(lambda: stage.rooms.rooms[0].state.shots > 0)
    await page.keyboard.up("Space")


async def test_touch_on_a_small_screen(browser: Browser, stage: Stage) -> None:
    context = await browser.new_context(
        viewport={"width": 390, "height": 700}, has_touch=True, device_scale_factor=2
    )
    page = await (await calm(context)).new_page()
    await page.goto(stage.page_url)
    await login(page)
    await join(page, "standard")
    await page.click("#bots")
    start = (await seen(page))["own"]
    touch = await context.new_cdp_session(page)

    async def fingers(kind: str, *points: tuple[int, int]) -> None:
        given = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": given})

    await fingers("touchStart", (90, 560), (300, 560))
    await fingers("touchMove", (130, 600), (340, 560))
    await page.wait_for_timeout(500)
    await fingers("touchMove", (50, 520), (340, 560))
    await wait_for(page, f"Math.hypot(it.own.x - {start['x']}, it.own.y - {start['y']}) > 40")
    await until(lambda: stage.rooms.rooms[0].state.shots > 0)
    await page.screenshot(path="artifacts/browser-touch.png")
    await fingers("touchEnd")
    overflow = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not overflow
    await context.close()


async def test_two_pages_of_one_player_do_not_fight_over_the_seat(
    browser: Browser, page: Page, stage: Stage
) -> None:
    await login(page)
    await join(page, "standard")
    context = await browser.new_context()
    other = await (await calm(context)).new_page()
    await other.goto(stage.page_url)
    await login(other)
    await join(other, "standard")
    await expect(page.locator("#lobby")).to_be_visible()
    await asyncio.sleep(1)
    assert (await seen(other))["seated"]
    await context.close()
