"""The playground in a browser: a form of the game's types, sent, and what comes of it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from gameserver.games.echo import Echo
from tests.browser.conftest import ARTIFACTS
from tests.browser.page import READY_MS, Console, calm
from tests.browser.stage import Stage

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

PLACES = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": height}}
    for scheme, width, height in (("dark", 1280, 900), ("light", 1280, 900), ("dark", 390, 844))
]


@pytest_asyncio.fixture(loop_scope="module")
async def play(
    browser: Browser, window: BrowserContext, stage: Stage, request: pytest.FixtureRequest
) -> AsyncIterator[Page]:
    """The playground with the echo game chosen; ends without a complaint of the browser."""
    stage.rooms.games["echo"] = Echo()
    place = getattr(request, "param", None)
    context = window if place is None else await browser.new_context(**place)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    if context is not window:
        await calm(context)
    page = await context.new_page()
    page.console = Console(page)
    await page.goto(f"{stage.page_url}/playground.html?game=echo&mode=pair")
    await expect(field(page, "x")).to_be_visible()
    yield page
    ARTIFACTS.mkdir(exist_ok=True)
    await page.bring_to_front()
    await page.screenshot(path=ARTIFACTS / f"browser-{request.node.name}.png", full_page=True)
    assert page.console.errors == []
    await page.close()
    if context is not window:
        await context.close()


def field(page: Page, name: str) -> Any:
    return page.locator(f'#fields [data-name="{name}"]')


async def connect(page: Page) -> None:
    await page.click("#connect")
    await expect(page.locator("#status")).to_contain_text("connected as")
    await expect(page.locator("#leave")).to_be_enabled()
    await expect(page.locator("#view summary").first).to_be_visible()


def leaf(page: Page, key: str) -> Any:
    """The value of a leaf of the tree."""
    return page.locator(".leaf", has=page.locator(".key", has_text=re.compile(f"^{key}$"))).locator(
        ".value"
    )


@pytest.mark.parametrize("play", PLACES, indirect=True, ids=["dark", "light", "phone"])
async def test_an_input_of_the_form_changes_the_view(play: Page) -> None:
    await connect(play)
    await expect(leaf(play, "x")).to_have_text("0")
    await field(play, "x").fill("7")
    await field(play, "buttons").fill("3")
    await play.click("#send")
    await expect(leaf(play, "x")).to_have_text("7")
    await expect(leaf(play, "buttons")).to_have_text("3")
    await expect(leaf(play, "count")).to_have_text("1")
    sent = await play.locator("#frames .up").last.text_content()
    assert '{"type":"input","seq":1,"data":[7,0,0,3]}' in str(sent)
    width = await play.evaluate("document.documentElement.scrollWidth")
    assert width <= play.viewport_size["width"], "nothing is to be scrolled sideways"


async def test_what_is_out_of_bounds_is_not_sent(play: Page) -> None:
    await connect(play)
    await field(play, "buttons").fill("128")
    await play.click("#send")
    await expect(play.locator("#input-problem")).to_contain_text("buttons")
    assert await play.locator("#frames .up", has_text='"input"').count() == 0
    await field(play, "buttons").fill("127")
    await play.click("#send")
    await expect(leaf(play, "buttons")).to_have_text("127")
    await expect(play.locator("#input-problem")).to_have_text("")


async def test_everything_is_done_with_the_keyboard(play: Page) -> None:
    await play.locator("#connect").focus()
    await play.keyboard.press("Enter")
    await expect(play.locator("#leave")).to_be_enabled()
    await field(play, "x").focus()
    await play.keyboard.press("ArrowUp")
    await play.keyboard.press("Enter")
    await expect(leaf(play, "x")).to_have_text("1")
    summary = play.locator("#view summary").first
    await summary.focus()
    await play.keyboard.press("Enter")
    await expect(leaf(play, "x")).to_be_hidden()
    await play.locator("#leave").focus()
    await play.keyboard.press("Enter")
    await expect(play.locator("#join")).to_be_enabled()
    await expect(play.locator("#view")).to_contain_text("The seat is gone: left")


async def test_every_field_and_button_has_a_name(play: Page) -> None:
    unnamed = await play.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, a")]
        .filter((one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel))
        .map((one) => one.outerHTML)"""
    )
    assert unnamed == []


async def test_a_bad_network_is_felt(play: Page) -> None:
    await play.fill("#latency", "300")
    await connect(play)
    await expect(play.locator("#ping")).to_be_visible()
    shown = str(await play.locator("#ping").text_content())
    assert int(shown.removesuffix(" ms")) >= 300
    await play.click("#connect")
    await play.fill("#latency", "20000")
    await play.click("#connect")
    assert await play.evaluate("!document.querySelector('#latency').validity.valid")
    await expect(play.locator("#status")).to_have_text("not connected")


async def test_events_and_a_second_player(play: Page, stage: Stage) -> None:
    await connect(play)
    async with play.context.expect_page() as opening:
        await play.click("#second")
    other = await opening.value
    await expect(other.locator("#player")).to_have_value("bot-0001")
    await connect(other)
    await expect(play.locator("#events")).to_contain_text("player_joined")
    await expect(play.locator("#events")).to_contain_text("bot-0001")
    await other.close()


async def test_the_view_stands_still_while_it_is_frozen(play: Page) -> None:
    await connect(play)
    await play.click("#freeze")
    await field(play, "x").fill("9")
    await play.click("#send")
    await play.check("#all-frames")
    await expect(play.locator("#frames")).to_contain_text('"acks":[1]')
    await expect(leaf(play, "x")).to_have_text("0")
    await play.click("#freeze")
    await play.click("#send")
    await expect(leaf(play, "x")).to_have_text("9")


async def test_the_copied_python_plays(play: Page) -> None:
    await field(play, "x").fill("42")
    await play.click("#copy-python")
    await expect(play.locator("#copied")).to_have_text("Python copied.")
    program = str(await play.evaluate("navigator.clipboard.readText()"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ, PYTHONUNBUFFERED="1"),
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            async for line in process.stdout:
                if b"[42, " in line:  # what is printed is what came
                    break
            else:
                pytest.fail("it ended before its input was seen")
    finally:
        process.kill()
        await process.wait()


async def test_the_copied_javascript_plays(play: Page) -> None:
    await field(play, "y").fill("43")
    await play.click("#copy-js")
    program = str(await play.evaluate("navigator.clipboard.readText()"))
    seen = play.wait_for_event("console", lambda message: message.type == "log", timeout=READY_MS)
    await asyncio.gather(seen, play.evaluate(f"() => {{ (async () => {{ {program} }})(); }}"))


async def test_a_changed_schema_brings_a_new_form(play: Page, stage: Stage) -> None:
    class Wider(msgspec.Struct):
        word: str = "hello"

    class NewEcho(Echo):
        Input = Wider

    await connect(play)
    stage.rooms.games["echo"] = NewEcho()
    # What a reload does: the next frame is whole.
    [session] = stage.gate._sessions.values()
    session.plays(NewEcho())
    await field(play, "x").wait_for(state="detached")
    await expect(field(play, "word")).to_have_value("hello")
    await expect(play.locator("#events")).to_contain_text("the form is new")


FORMS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "integer", "exclusiveMinimum": 3}, 4),
    ({"type": "number", "minimum": 0.5}, 0.5),
    ({"type": "boolean", "default": True}, True),
    ({"enum": ["b", "a"], "default": "a"}, "a"),
    ({"enum": [1, 2]}, 1),
    ({"const": "move"}, "move"),
    ({"type": "string", "maxLength": 5, "default": "hi"}, "hi"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, None),
    ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, ""),
    ({"type": "array", "items": {"type": "integer"}, "default": []}, []),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {}),
    ({"type": "array", "prefixItems": [{"$ref": "#/$defs/P"}]}, [{"x": 0}]),
    ({}, None),
    (
        {
            "type": "object",
            "properties": {"p": {"$ref": "#/$defs/P"}, "n": {"type": "integer", "default": 3}},
            "required": ["p"],
        },
        {"p": {"x": 0}, "n": 3},
    ),
]


async def test_a_form_begins_with_a_value_that_fits(play: Page) -> None:
    defs = {"P": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}
    read = await play.evaluate(
        """async ([schemas, defs]) => {
          const { SchemaForm } = await import("/playground/form.js");
          return schemas.map((schema) => new SchemaForm(schema, defs).read());
        }""",
        [[schema for schema, _ in FORMS], defs],
    )
    assert read == [value for _, value in FORMS]


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"type": "integer", "minimum": 1, "maximum": 6}, "7"),
    ({"type": "integer"}, "1.5"),
    ({"type": "integer"}, ""),
    ({"type": "string", "minLength": 2}, ""),
    ({"type": "string", "pattern": "^[a-z]+$"}, "A1"),
    ({"type": "array", "items": {}}, "[1,"),
]


async def test_a_form_refuses_what_does_not_fit(play: Page) -> None:
    refused = await play.evaluate(
        """async (misfits) => {
          const { SchemaForm, FieldProblem } = await import("/playground/form.js");
          return misfits.map(([schema, typed]) => {
            const form = new SchemaForm(schema, {});
            document.body.append(form.element);
            form.element.querySelector("input, textarea").value = typed;
            try { form.read(); } catch (error) { return error instanceof FieldProblem; }
            finally { form.element.remove(); }
            return false;
          });
        }""",
        MISFITS,
    )
    assert refused == [True] * len(MISFITS)
