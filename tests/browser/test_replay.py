"""A recorded match watched in a real Chromium, against the real API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gameserver.wire.event_record import Chunk
from tests.browser.page import login, seen, wait_for
from tests.browser.stage import Stage
from tests.replay.played import played
from tests.sim.loop import run

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"


@pytest.fixture(scope="module")
def arena() -> list[Chunk]:
    """A match whose owner was lost in the middle."""
    return run(played(11, "arena", "standard", failovers=1, seconds=8))


async def watch(page: Page, match: str) -> None:
    await page.evaluate("(match) => { location.hash = `replay=${match}`; }", match)


async def replay(page: Page) -> dict[str, Any]:
    return dict((await seen(page))["replay"])


async def test_play_pause_speed_and_seek(page: Page, stage: Stage, arena: list[Chunk]) -> None:
    match, ticks = stage.recordings.put(arena), arena[-1].end_tick
    await login(page)
    await watch(page, match)
    await wait_for(page, "it.replay && it.replay.tick >= 20")
    ARTIFACTS.mkdir(exist_ok=True)
    await expect(page.locator("#replay-title")).to_have_text("Replay · Arena · Standard")
    await expect(page.locator("#banner")).to_be_hidden()
    await wait_for(page, "it.replay.ended === 'ended'")
    assert (await replay(page))["loaded"] == ticks + 1

    await page.click("#replay-play")
    await expect(page.locator("#replay-play")).to_have_text("Play")
    still = (await replay(page))["tick"]
    await asyncio.sleep(0.4)
    assert (await replay(page))["tick"] == still

    await page.locator("#replay-at").fill(str(ticks // 2))
    await wait_for(page, f"it.replay.tick === {ticks // 2}")
    middle = await replay(page)
    assert middle["players"] > 0 and middle["names"]
    await page.screenshot(path=ARTIFACTS / "replay-middle.png")
    await page.locator("#replay-at").fill("30")
    await wait_for(page, "it.replay.tick === 30")
    starts = sorted({chunk.first_tick for chunk in arena})
    await page.click("#replay-on")
    following = next(each for each in starts if each > 30)
    await wait_for(page, f"it.replay.tick === {following}")
    await page.keyboard.press("ArrowLeft")
    before = [each for each in starts if each < following - 2][-1]
    await wait_for(page, f"it.replay.tick === {before}")

    await page.select_option("#replay-speed", "8")
    await page.click("#replay-play")
    await wait_for(page, f"it.replay.tick === {ticks} && !it.replay.playing")
    await page.screenshot(path=ARTIFACTS / "replay-end.png")
    await page.select_option("#replay-speed", "1")
    await page.click("#replay-play")
    await wait_for(page, "it.replay.playing && it.replay.tick < 200")
    await page.click("#replay-close")
    await expect(page.locator("#lobby")).to_be_visible()
    assert page.console.errors == []  # type: ignore[attr-defined]


async def test_another_game_is_shown_as_its_view(page: Page, stage: Stage) -> None:
    chunks = await asyncio.to_thread(lambda: run(played(2, "echo", "pair", failovers=0, seconds=3)))
    match = stage.recordings.put(chunks)
    await login(page)
    await watch(page, match)
    await wait_for(page, "it.replay && it.replay.tick >= 20")
    await expect(page.locator("#replay-view")).to_contain_text('"players"')
    await expect(page.locator("#arena")).to_be_hidden()
    await page.screenshot(path=ARTIFACTS / "replay-echo.png")


async def test_the_recording_is_on_its_way(page: Page, stage: Stage, arena: list[Chunk]) -> None:
    """A link to a match, whose end is stored a moment later."""
    match = arena[0].match
    stage.recordings.stored[match] = arena[:-1]
    await page.goto(f"{stage.page_url}#replay={match}")
    await page.reload()
    await page.click("#login-button")
    await expect(page.locator("#banner")).to_contain_text("Fetching")
    await asyncio.sleep(1)
    stage.recordings.put(arena)
    await wait_for(page, "it.replay && it.replay.tick >= 5")


async def test_what_cannot_be_watched_is_told_in_the_lobby(page: Page, stage: Stage) -> None:
    await login(page)
    stage.recordings.down = True
    await watch(page, "abc")
    await expect(page.locator("#lobby-notice")).to_have_text("Recordings cannot be read now.")
