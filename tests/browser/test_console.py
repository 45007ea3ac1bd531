"""The operators' console in a browser, on a whole system with two nodes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from gameserver.devstack.tokens import bot_name, bot_player
from tests.browser.conftest import ARTIFACTS
from tests.browser.control_room import PHANTOM, ControlRoom
from tests.browser.looks import problems
from tests.browser.page import READY_MS, Console, calm
from tests.worker.builders import bundle, raw

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

WHY = "he asked"
PLAYERS = 6
MATCHES = 3_000
ELEMENTS_MAX = 1_500
"""Of a page with a list, however many matches there are."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(browser: Browser, devstack_dir: Path) -> AsyncIterator[ControlRoom]:
    """After the browser: where there is none, nothing is started."""
    async with ControlRoom(devstack_dir / "console") as made:
        made.bots.call(PLAYERS, game="arena", mode="standard")
        for number in range(1, PLAYERS + 1):
            await made.bots.seated(number)
        yield made


@asynccontextmanager
async def opened(
    browser: Browser, room: ControlRoom, *, width: int = 1280, expected: str = ""
) -> AsyncIterator[Page]:
    """The console's door; at the end the browser has complained of nothing but ``expected``."""
    context = await browser.new_context(
        viewport={"width": width, "height": 860}, color_scheme="dark", reduced_motion="reduce"
    )
    page = await (await calm(context)).new_page()
    page.console = Console(page)
    await page.goto(room.url)
    await expect(page.locator("#login-button")).to_be_enabled()
    yield page
    errors = [one for one in page.console.errors if not (expected and expected in one)]
    await context.close()
    assert errors == []


@asynccontextmanager
async def signed_in(
    browser: Browser, room: ControlRoom, *, width: int = 1280, expected: str = ""
) -> AsyncIterator[Page]:
    async with opened(browser, room, width=width, expected=expected) as page:
        await page.click("#login-button")
        await expect(page.locator("#status")).to_have_text("Live", timeout=READY_MS)
        yield page


async def go(page: Page, where: str) -> None:
    await page.evaluate("(where) => { location.hash = `/${where}`; }", where)


async def confirmed(page: Page, reason: str | None = WHY, *, says: str) -> None:
    """Read what will happen, give a reason, and do it."""
    dialog = page.locator("#confirm")
    await expect(dialog).to_be_visible()
    await expect(dialog.locator("#confirm-lines")).to_contain_text(says)
    if reason is not None:
        await expect(dialog.locator("#confirm-do")).to_be_disabled()
        await dialog.locator("#confirm-reason").fill(reason)
    await dialog.locator("#confirm-do").click()
    await expect(dialog).to_be_hidden(timeout=READY_MS)


def row(page: Page, text: str) -> Locator:
    return page.locator("tbody tr", has_text=text)


async def in_a_match(page: Page, bot: str) -> None:
    """Look for a bot, and open its match."""
    await go(page, "matches")
    await page.fill("#match-text", bot)
    link = page.locator(".person", has_text=bot).locator("a.mono")
    await expect(link).to_be_visible(timeout=READY_MS)
    await link.click()
    await expect(row(page, bot)).to_be_visible(timeout=READY_MS)


async def kept(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"console-{name}.png", full_page=True)


async def test_who_is_no_operator_is_told_so(browser: Browser, room: ControlRoom) -> None:
    async with opened(browser, room, expected="403") as page:
        cognito = room.stack.moto.cognito()
        await page.fill("#username", cognito.demo_username)
        await page.fill("#password", cognito.demo_password)
        await page.keyboard.press("Enter")
        error = page.locator("#login-error")
        await expect(error).to_contain_text("not an operator", timeout=READY_MS)
        await expect(error).to_contain_text("gameserver-admins")
        await expect(page.locator("#console")).to_be_hidden()
        await kept(page, "refused")


async def test_what_is_old_is_called_old_and_a_hidden_page_asks_nothing(
    browser: Browser, room: ControlRoom
) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.clock.install()
    await page.goto(room.url)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/overview" in one.url else None)
    await page.click("#login-button")
    await expect(page.locator("#status")).to_have_text("Live", timeout=READY_MS)
    await page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    count = len(asked)
    await page.clock.run_for(60_000)
    assert len(asked) <= count + 1  # one may have been under way
    await expect(page.locator("#status")).to_contain_text("Not current: last heard")
    count = len(asked)
    await page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', { value: false, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    await expect(page.locator("#status")).not_to_contain_text("Not current", timeout=READY_MS)
    assert len(asked) > count
    await context.close()


async def test_thousands_of_matches_are_searched_and_paged(
    browser: Browser, room: ControlRoom
) -> None:
    async with room.crowded(MATCHES), signed_in(browser, room) as page:
        await go(page, f"matches?node={PHANTOM}&order=oldest")
        shown = page.locator(".pager [role=status]")
        await expect(shown).to_have_text("1–50 of 3,000", timeout=READY_MS)
        rows = page.locator("tbody tr")
        await expect(rows).to_have_count(50)
        await expect(rows.first).to_contain_text("Room 0")
        for number in range(1, 4):
            await page.get_by_role("button", name="Next").click()
            await expect(rows.first).to_contain_text(f"Room {50 * number}")
        await expect(shown).to_have_text("151–200 of 3,000")
        await page.get_by_role("button", name="Previous").click()
        await expect(shown).to_have_text("101–150 of 3,000")
        elements = await page.evaluate("document.querySelectorAll('*').length")
        assert elements < ELEMENTS_MAX
        await kept(page, "matches")
        await page.fill("#match-text", "room 2999")
        await expect(shown).to_have_text("1–1 of 1")
        await page.fill("#match-text", f"{2998:026d}"[:26])
        await expect(rows).to_have_count(1)
        await expect(rows.first).to_contain_text("Room 2998")
        assert "text=" in page.url  # the address says what is looked for


async def test_live_numbers_and_charts(browser: Browser, room: ControlRoom) -> None:
    async with signed_in(browser, room) as page:
        tile = page.locator(".tile", has_text="Seated").locator("strong")
        await expect(tile).to_have_text(str(PLAYERS), timeout=READY_MS)
        await expect(page.locator(".tile", has_text="Nodes").locator("strong")).to_have_text("2")
        await expect(page.locator(".tile", has_text="Queue")).to_contain_text("1 worker")
        for title in ("Players", "Dead letters"):
            chart = page.locator(".chart", has=page.get_by_text(title, exact=True))
            await expect(chart.locator("path.line, circle").first).to_be_attached(timeout=READY_MS)
        svg = page.locator(".chart", has=page.get_by_text("Players", exact=True)).locator("svg")
        await expect(svg).to_have_attribute("aria-label", re.compile(f"connected: now {PLAYERS}"))
        await svg.focus()
        await page.keyboard.press("ArrowLeft")
        told = page.locator(".chart", has=page.get_by_text("Players", exact=True))
        await expect(told.locator(".chart-told")).to_contain_text("seated")
        await expect(page.locator("tbody tr")).to_have_count(2)
        await page.get_by_text("5 min", exact=True).click()
        await kept(page, "live")


async def test_a_match_is_looked_into_watched_and_acted_on(
    browser: Browser, room: ControlRoom
) -> None:
    async with signed_in(browser, room, expected="404") as page:
        await in_a_match(page, "bot-0001")
        await expect(page.locator(".facts")).to_contain_text("Key events")
        await expect(page.locator(".tree .key").first).to_be_visible()
        await page.get_by_role("button", name="Spectate", exact=True).click()
        await expect(page.get_by_label("Spectating")).to_contain_text("Tick", timeout=READY_MS)
        pixels = "() => { const c = document.querySelector('canvas.stage'); return c.getContext"
        pixels += "('2d').getImageData(0, 0, c.width, c.height).data.some((one) => one > 0); }"
        await page.wait_for_function(pixels, timeout=READY_MS)
        await kept(page, "match")
        await page.get_by_role("button", name="Stop spectating").click()
        await expect(page.locator("canvas.stage")).to_be_hidden()

        await page.get_by_role("button", name="Kick bot-0001").click()
        await confirmed(page, says="bot-0001 leaves this match")
        await expect(row(page, "bot-0001")).to_have_count(0, timeout=READY_MS)

        await in_a_match(page, "bot-0002")
        await page.get_by_role("button", name="Ban bot-0002").click()
        await page.select_option("#ban-until", label="24 hours")
        await confirmed(page, says="until the ban ends")
        await expect(row(page, "bot-0002")).to_have_count(0, timeout=READY_MS)

        await in_a_match(page, "bot-0003")
        match = page.url.rpartition("/")[2]
        await page.get_by_role("button", name="End match…").click()
        await page.keyboard.press("Escape")
        await expect(page.locator("#confirm")).to_be_hidden()
        await page.get_by_role("button", name="End match…").click()
        await confirmed(page, says="It ends as abandoned")
        await expect(page.locator(".notice")).to_contain_text("is over", timeout=READY_MS)

        await go(page, "audit")
        for what, reason in (("ended a match", WHY), ("banned a player", WHY)):
            await expect(row(page, what)).to_contain_text(reason, timeout=READY_MS)
        await expect(row(page, "ended a match")).to_contain_text(match)
        await expect(row(page, "kicked from a match")).to_contain_text("operator")
        await kept(page, "audit")


async def test_a_player_is_found_kicked_and_let_in_again(
    browser: Browser, room: ControlRoom
) -> None:
    async with signed_in(browser, room) as page:
        await go(page, "players")
        await expect(row(page, bot_player(2))).to_contain_text(WHY, timeout=READY_MS)
        number = await room.bot()
        name = bot_name(number)
        await page.fill("#player-text", name.upper())
        await expect(row(page, name)).to_be_visible(timeout=READY_MS)
        await page.locator("tbody a", has_text=name).click()
        await expect(page.locator(".facts")).to_contain_text(bot_player(number))
        await kept(page, "player")
        await page.get_by_role("button", name="Kick…").click()
        await confirmed(page, says="Nothing keeps them from coming back")
        await expect(page.locator(".title .pill")).to_have_text("not here", timeout=READY_MS)

        await go(page, f"player/{bot_player(2)}")
        await expect(page.locator(".facts")).to_contain_text("by operator: he asked")
        await page.get_by_role("button", name="Lift ban…").click()
        await confirmed(page, "mended", says="They can connect and play again")
        await expect(page.get_by_role("button", name="Ban…")).to_be_visible(timeout=READY_MS)


async def test_dead_letters_are_sent_back_after_a_dry_run(
    browser: Browser, room: ControlRoom
) -> None:
    sealed = {"name": {"$sealed": "AQID"}, "seat": 1}
    await room.put_letters(
        [bundle(raw("lost", 1)), bundle(raw("lost", 2, data=sealed))],
        reason="rejected",
        detail="column missing",
    )
    await room.put_letters(["no bundle"], reason="bad_body")
    async with signed_in(browser, room) as page:
        await go(page, "letters")
        letters = page.locator(".table").first.locator("tbody tr")
        await expect(letters).to_have_count(3, timeout=READY_MS)
        await letters.filter(has_text="lost/2").locator("button.link").click()
        await expect(page.locator("pre.code")).to_contain_text("$sealed", timeout=READY_MS)
        await kept(page, "letters")
        await letters.filter(has_text="bad_body").get_by_text("Discard…").click()
        await confirmed(page, "nonsense", says="lost for good")
        await expect(row(page, "nonsense")).to_contain_text("done", timeout=READY_MS)
        await expect(letters).to_have_count(2, timeout=READY_MS)
        await page.locator('[data-verb="redrive"]').click()
        title = page.locator("#confirm-title")
        await expect(title).to_have_text("Send back: 2 letters?", timeout=READY_MS)
        await kept(page, "confirm")
        await confirmed(page, "the column is there", says="A dry run has found")
        await room.rows("SELECT 1 FROM events WHERE match_id = 'lost'", until=2)
        await go(page, "audit")
        done = row(page, "the column is there")
        await expect(done).to_contain_text("redrive", timeout=READY_MS)
    [gone] = await room.rows("SELECT who, why FROM discarded_letters")
    assert tuple(gone) == ("operator", "nonsense")


async def test_scales_and_times_are_round(browser: Browser, room: ControlRoom) -> None:
    async with opened(browser, room) as page:
        told = await page.evaluate(
            """async () => {
              const { roundUp, thinned } = await import("/console/chart.js");
              const { age, duration, tail } = await import("/console/format.js");
              const points = Array.from({ length: 1000 }, (_, at) => [at, at === 501 ? 9 : 1]);
              const few = thinned(points, 100);
              return {
                tops: [0, 0.3, 1, 2.1, 5, 8.5, 11, 950].map(roundUp),
                few: [few.length, Math.max(...few.map(([, value]) => value))],
                durations: [0, 0.25, 9.96, 12.4, 999, 1234, 60000].map(duration),
                ages: [0, 59499, 60000, 3600000, 12000000, 200000000].map(age),
                tail: [tail("short"), tail("01m8bmb8z5wahr18q8sfj63jf9", 6)],
              };
            }"""
        )
    assert told == {
        "tops": [2, 0.4, 2, 4, 6, 10, 20, 1000],
        "few": [100, 9],
        "durations": ["0 ms", "0.3 ms", "10 ms", "12 ms", "999 ms", "1.2 s", "1 min"],
        "ages": ["0 s", "59 s", "1 min", "1 h", "3 h 20 min", "2 d 7 h"],
        "tail": ["short", "…j63jf9"],
    }


async def test_everything_is_reached_with_the_keyboard(browser: Browser, room: ControlRoom) -> None:
    async with signed_in(browser, room) as page:
        await page.locator("#nav a").first.focus()
        for _ in range(3):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#main h1")).to_have_text("Nodes")
        await expect(page.locator("#main")).to_be_focused()
        await expect(page.locator("tbody tr").first).to_be_visible()
        drain = page.get_by_role("button", name=re.compile("^Drain ")).first
        for _ in range(9):
            await page.keyboard.press("Tab")
            if await drain.evaluate("(one) => one === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        await expect(page.locator("#confirm-reason")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("#confirm")).to_be_hidden()
        await expect(drain).to_be_focused()


WIDE = """() => document.documentElement.scrollWidth > innerWidth + 1
  || [...document.querySelectorAll("button, input, select, td, h1, h2")].some((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && !one.closest(".visually-hidden, thead, .nav")
      && (box.left < -1 || box.right > innerWidth + 1);
  })"""
"""Whether something sticks out of the page."""


PAGES = ("live", "matches", "players?text=bot", "nodes", "letters", "audit")


async def looked_at(page: Page, name: str) -> None:
    """Nothing is wrong with the page as it is, wide and dark or narrow and light."""
    for scheme, width, rules in (("dark", 1280, []), ("light", 390, ["color-contrast"])):
        await page.set_viewport_size({"width": width, "height": 844})
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert await problems(page, rules) == [], (name, scheme)
        assert not await page.evaluate(WIDE), (name, width)
        await kept(page, f"{name}-{scheme}-{width}")


async def test_everybody_can_use_it(browser: Browser, room: ControlRoom) -> None:
    async with signed_in(browser, room) as page:
        for where in PAGES:
            await go(page, where)
            await expect(page.locator("#main h1")).to_have_count(1)
            some = page.locator("#main tbody tr, #main .empty").first
            await expect(some).to_be_attached(timeout=READY_MS)
            await looked_at(page, where.partition("?")[0])
        name = bot_name(await room.bot())
        await in_a_match(page, name)
        await looked_at(page, "match")
        await page.locator("tbody a", has_text=name).click()
        await page.get_by_role("button", name="Ban…").click()
        await looked_at(page, "player-ban")
        await page.click("#confirm-cancel")


async def test_maintenance_and_a_node_that_is_drained(browser: Browser, room: ControlRoom) -> None:
    async with signed_in(browser, room, expected="409") as page:
        await go(page, "nodes")
        await page.get_by_role("button", name="Turn on…").click()
        await page.fill("#notice", "Back at noon.")
        await confirmed(page, None, says="no match is opened")
        await expect(page.locator("#maintenance-pill")).to_be_visible(timeout=READY_MS)
        await expect(page.locator("blockquote")).to_have_text("Back at noon.")
        await page.get_by_role("button", name="Turn off…").click()
        await confirmed(page, None, says="Players get seats")
        await expect(page.locator("#maintenance-pill")).to_be_hidden(timeout=READY_MS)

        drained = str(await page.locator("tbody tr td").first.text_content())
        await page.get_by_role("button", name=f"Drain {drained}").click()
        await confirmed(page, says="move to other nodes and play on")
        await expect(page.locator("tbody tr")).to_have_count(1, timeout=READY_MS)
        await expect(row(page, drained)).to_have_count(0)
        await page.get_by_role("button", name=re.compile("^Drain ")).click()
        await page.fill("#confirm-reason", WHY)
        await page.click("#confirm-do")
        await expect(page.locator("#confirm-problem")).to_contain_text("only node")
        await page.click("#confirm-cancel")
