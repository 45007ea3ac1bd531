"""The page with the real system behind it: people meet, play to the end, and see what it led to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from gameserver.devstack.stack import Stack
from tests.browser.looks import look
from tests.browser.page import chromium
from tests.conftest import needs_system
from tests.e2e.people import Person, page_of, person
from tests.e2e.test_operators import operator

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

STORED_TRIES = 60
"""Half-seconds from the end of a match until it is in the history: relay, queue, worker."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium(needs_system("chromium")) as made:
        yield made


Two = tuple[Person, Person]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def came(browser: Browser, stack: Stack) -> AsyncIterator[Two]:
    """Ann and Bob with new accounts, each in a browser of their own."""
    async with page_of(stack) as url:
        two = await person(browser, url), await person(browser, url)
        for who in two:
            await who.sign_up()
        yield two
        for who in two:
            await who.page.context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def two(came: Two) -> Two:
    """Both in the lobby, whatever they have done before."""
    for who in came:
        await who.home()
    return came


async def meet(ann: Person, bob: Person) -> str:
    """Both look for opponents in the duel and say that they are there; the match."""
    for who in (ann, bob):
        await who.press("duel", "find")
        await expect(who.page.locator("#queue")).to_be_visible()
        if who is ann:
            await expect(ann.page.locator("#queue-why")).to_contain_text("1 more player")
            await look(ann.page, "queue", brief=True)
    for who in (ann, bob):
        await expect(who.page.locator("#ready")).to_be_visible(timeout=60_000)
    await look(bob.page, "ready", brief=True)
    for who in (ann, bob):
        await who.page.click("#ready-yes")
    for who in (ann, bob):
        await who.until("it.seated && it.own && it.players === 2")
    assert (await ann.sees())["match"] == (await bob.sees())["match"]
    return str((await ann.sees())["match"])


async def test_two_meet_by_matchmaking_and_find_their_match_again(two: Two, stack: Stack) -> None:
    ann, bob = two
    match = await meet(ann, bob)
    await ann.until("it.tick > 20")  # else there is hardly anything to see again
    node = next(iter(stack.nodes.values()))
    async with operator(stack, node) as ask:
        body = {"message": {"op": "end"}, "reason": "time for dinner"}
        await ask("POST", f"/v1/admin/matches/{match}/signal", json=body)
    for who in (ann, bob):
        await who.until("it.matchOver && it.standings.length === 2")
    await expect(ann.page.locator("#again")).to_be_enabled()
    await ann.page.click("#lobby-button")

    page = ann.page
    await page.click('nav [data-to="me"]')
    await page.fill("#display-name", "Ann of the North")
    await page.click("#name-save")
    await expect(page.locator("#name-said")).to_contain_text("Saved")
    await expect(page.locator("#who")).to_have_text("Ann of the North")
    row = page.locator(f'#history [data-match="{match}"]')
    for _ in range(STORED_TRIES):
        if await row.count():
            break
        await page.wait_for_timeout(500)
        await page.click('nav [data-to="me"]')
    await row.locator(".result").click()
    await expect(row.locator(".players li")).to_have_count(2)
    await expect(page.locator(".tile b")).to_contain_text("#")
    await look(page, "me", brief=True)

    await page.click('nav [data-to="boards"]')
    await page.select_option("#board-mode", "arena/duel")
    for span in ("all", "season", "day"):
        await page.click(f'#board-span [data-value="{span}"]')
        await expect(page.locator("#ranks tr.self")).to_have_count(1)
    await page.click('#board-view [data-value="around"]')
    await expect(page.locator("#ranks tr.self")).to_have_count(1)
    await look(page, "boards", brief=True)

    await page.click('nav [data-to="me"]')
    await row.locator(".watch").click()
    await ann.until("it.replay && it.replay.tick > 5 && it.replay.players === 2")
    await look(page, "replay", brief=True)
    await page.click("#replay-close")
    await expect(page.locator("#me")).to_be_visible()
    assert ann.console.errors == [] and bob.console.errors == []


async def move(who: Person) -> None:
    """A bid as it is suggested, or a challenge once two dice were bid; the clock may be quicker."""
    await who.page.evaluate(
        """() => {
          const { view, seat } = window.__arena;
          if (view?.phase !== "bidding" || view.turn !== seat) return;
          const bold = view.bid && view.bid.count >= 2;
          document.querySelector(bold ? "#dice-challenge" : "#dice-bid").click();
        }"""
    )


async def test_two_play_dice_to_the_end_and_once_more(two: Two) -> None:
    ann, bob = two
    for who in (ann, bob):
        await who.choose("liars_dice")
        await who.press("blitz", "play")
        await expect(who.page.locator("#dice")).to_be_visible()
    for who in (ann, bob):
        await who.until("it.seated && it.view && it.players === 2")
    await look(bob.page, "dice", brief=True)
    for _ in range(400):
        await move(ann)
        await move(bob)
        if (await ann.sees())["matchOver"]:
            break
        await ann.page.wait_for_timeout(50)
    first = await ann.sees()
    assert first["matchOver"] and len(first["standings"]) == 2
    await expect(ann.page.locator("#over-score")).to_have_text("Outlasted")
    await bob.until("it.matchOver")
    for who in (ann, bob):
        await expect(who.page.locator("#rematch")).to_be_enabled()
        if who is ann:
            await look(ann.page, "over-dice", brief=True)
        await who.page.click("#rematch")
    for who in (ann, bob):
        await who.until(f"it.seated && it.view && it.match !== '{first['match']}'")
    assert (await ann.sees())["match"] == (await bob.sees())["match"]
    assert ann.console.errors == [] and bob.console.errors == []


async def test_a_private_match_by_its_code_outlives_its_node(two: Two, stack: Stack) -> None:
    ann, bob = two
    page = ann.page
    await page.click("#create-button")
    await page.check('[name="visibility"][value="private"]')
    await page.fill("#create-name", "Among friends")
    await page.fill("#create-password", "sesame")
    await page.select_option("#create-option-map", '"box"')
    await look(page, "create", brief=True)
    await page.click("#create-do")
    await ann.until("it.seated && it.own")
    code = str(await page.locator("#code-shown").text_content()).split()[-1]

    await bob.page.evaluate("(code) => { location.hash = `code=${code}`; }", code)
    await expect(bob.page.locator("#code-problem")).to_contain_text("wrong")
    assert len(bob.console.errors) == 1  # the browser's own line about a 404
    await bob.page.fill("#code-password", "sesame")
    await bob.page.click("#code-form button")
    await bob.until("it.seated && it.own && it.players === 2")
    before = await bob.sees()
    assert before["match"] == (await ann.sees())["match"]

    [node] = stack.nodes
    stack.kill(node)
    await expect(page.locator("#banner")).to_be_visible()
    stack.start(node)
    for who in (ann, bob):
        await who.until(f"it.seated && it.tick > {before['tick']} && it.epoch > {before['epoch']}")
        await expect(who.page.locator("#banner")).to_be_hidden()
    after = await bob.sees()
    assert (after["match"], after["seat"]) == (before["match"], before["seat"])


async def test_friends_go_into_a_queue_together(two: Two) -> None:
    ann, bob = two
    for who in (ann, bob):
        await who.page.click('nav [data-to="friends"]')
        await expect(who.page.locator("#own-id")).not_to_be_empty()
    await ann.page.fill("#friend-id", str(await bob.page.locator("#own-id").text_content()))
    await ann.page.click("#friend-form button")
    await bob.page.click("#friends-list button:has-text('Accept')")
    await ann.page.click("#friends-list button:has-text('Invite')")
    await bob.page.click("#party button:has-text('Come along')")
    await expect(ann.page.locator("#party")).to_contain_text("You (leads), ")
    await look(ann.page, "friends", brief=True)
    await ann.page.select_option("#party select", "arena/standard")
    await ann.page.click("#party button:has-text('Find opponents')")
    for who in (ann, bob):
        await who.until("it.seated && it.own && it.players === 2")
    assert (await ann.sees())["match"] == (await bob.sees())["match"]
    assert ann.console.errors == [] and bob.console.errors == []
