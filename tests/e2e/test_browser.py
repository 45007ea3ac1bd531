"""A person at ``make run``: log in, play the arena against bots to the end, find it in PostgreSQL.

``E2E_MODE=crowd E2E_PAGE_BOTS=50`` plays with fifty bots for ninety seconds; by default it is one
short match with seven.
"""

from __future__ import annotations

import asyncio
import os
import re
import urllib.request
from pathlib import Path

import pytest
from playwright.async_api import expect

from gameserver.wire.envelope import field_key
from tests.browser.page import Console, calm, chromium, join, login, play, seen, wait_for
from tests.conftest import needs_system
from tests.e2e.conftest import rows
from tests.e2e.make_run import Run

MODE = os.environ.get("E2E_MODE", "quick")
BOTS = int(os.environ.get("E2E_PAGE_BOTS", "7"))
ARTIFACTS = Path(__file__).parents[2] / "artifacts"


@pytest.mark.timeout(300)
async def test_a_person_plays_and_the_result_is_stored(
    devstack_dir: Path, ports: dict[str, int]
) -> None:
    executable = needs_system("chromium")
    run = Run(devstack_dir / "browser", ports)
    try:
        run.wait_for("Ctrl-C stops everything")
        match = await _play(executable, f"http://127.0.0.1:{ports['page']}")
        [dsn] = re.findall(r"postgresql://\S+", run.output)
        [stored] = await rows(
            dsn, "SELECT * FROM matches WHERE match_id = $1 AND ended_at IS NOT NULL", match
        )
        assert (stored["game"], stored["mode"], stored["reason"]) == ("arena", MODE, "finished")
        results = await rows(
            dsn, "SELECT * FROM results WHERE match_id = $1 ORDER BY place", match, until=BOTS
        )
        names = await rows(dsn, "SELECT name FROM participants WHERE match_id = $1", match)
        assert all(field_key(row["name"]) is not None for row in names), "sealed"
        assert results[0]["place"] == 1
    finally:
        assert run.end() == 0


def _call_bots(page_url: str) -> None:
    """What the page's button does, for any number of them."""
    url = f"{page_url}/dev/bots?count={BOTS}&game=arena&mode={MODE}"
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=20).close()


async def _play(executable: str, page_url: str) -> str:
    """The id of the match that was played to its end."""
    async with chromium(executable) as browser:
        context = await browser.new_context(
            viewport={"width": 1280, "height": 720}, color_scheme="dark"
        )
        page = await (await calm(context)).new_page()
        console = Console(page)
        await page.goto(page_url)
        await login(page)
        await join(page, MODE)
        match = str((await seen(page))["match"])
        await asyncio.to_thread(_call_bots, page_url)
        await wait_for(page, f"it.players >= {BOTS}", timeout_ms=60_000)
        ARTIFACTS.mkdir(exist_ok=True)
        await play(page, 5)
        await page.screenshot(path=ARTIFACTS / f"e2e-{MODE}.png")
        await play(page, 120)
        await wait_for(page, "it.matchOver", timeout_ms=150_000)
        await expect(page.locator("#over")).to_be_visible()
        await page.screenshot(path=ARTIFACTS / f"e2e-{MODE}-over.png")
        assert console.errors == []
        return match
