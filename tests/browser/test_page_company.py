"""The page as one of its player's clients: it has a name, hears news, and gives way for good."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from gameserver.ids import PlayerId
from gameserver.notification import Letter
from gameserver.ports import Admission, Credentials
from gameserver.session.gate import SessionGate
from tests.browser.page import join, login, seen, wait_for
from tests.browser.stage import Stage

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


async def test_a_page_has_one_name_hears_news_once_and_stays_replaced(
    page: Page, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    admit = SessionGate.admit

    async def noted(gate: SessionGate, credentials: Credentials) -> Admission:
        asked.append(credentials.client)
        return await admit(gate, credentials)

    monkeypatch.setattr(SessionGate, "admit", noted)
    await login(page)
    await join(page, "standard")
    tick = (await seen(page))["tick"]
    await stage.close_doors()
    await wait_for(page, "!it.connected")
    await stage.open_doors()
    await wait_for(page, f"it.seated && it.tick > {tick}")
    assert len(asked) >= 2 and len(set(asked)) == 1 and len(asked[0]) == 24

    letter = Letter("id-1", 1, "friend_request", "somebody", {}, 0)
    for _ in range(2):
        assert stage.gate.deliver(PlayerId(stage.cognito.demo_sub), letter)
    await expect(page.locator("#feed li", has_text="asks to be friends")).to_have_count(1)

    count = len(asked)
    [session] = list(stage.gate._sessions)
    stage.gate.replace(session)
    await expect(page.locator("#lobby")).to_be_visible()
    await expect(page.locator("body")).to_contain_text("the same player connected elsewhere")
    await asyncio.sleep(1)
    assert len(asked) == count
