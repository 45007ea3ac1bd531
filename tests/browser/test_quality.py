"""How good the page is: own movement on a bad network, drawing, start, accessibility.

What is measured is kept in ``artifacts/page-quality.json``.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import ARTIFACTS
from tests.browser.looks import look
from tests.browser.page import join, login, seen, wait_for
from tests.browser.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

BAD_NETWORK = "latency_ms=100&jitter_ms=100&stall_percent=2"
"""A round trip of 150 ± 50 ms; a chunk that is held up comes 300 ms later."""
CORRECTION_PX_MAX = 5
PLAYED_S = 8
ENTITIES = 100

DRAW = """async (entities) => {
  const { ArenaScene } = await import("/arena/scene.js");
  const { Pacer } = await import("/sdk/index.js");
  document.body.dataset.screen = "other";
  document.querySelector("#game").style.display = "block";
  const scene = new ArenaScene(document.querySelector("#arena"));
  const rows = ["#".repeat(40), ...Array(22).fill("#" + ".".repeat(38) + "#"), "#".repeat(40)];
  const map = [256, rows];
  const fighters = Math.round(entities * 0.6);
  const started = performance.now();
  let tick = 0;
  const push = () => {
    tick += 1;
    const players = {};
    const bullets = {};
    for (let i = 0; i < fighters; i++) {
      const x = 1000 + ((i * 937 + tick * 40) % 8000);
      const y = 600 + ((i * 389) % 4800);
      players[i] = [x, y, (i * 64 + tick * 9) % 1024, 100 - (i % 90), i, i, i % 3];
    }
    for (let i = 0; i < entities - fighters; i++) {
      const fired = tick - (tick % 15);
      bullets[i + 100 * fired] = [3000 + i * 90, 3000, (i * 97) % 1024, fired, 99];
    }
    scene.push({
      epoch: 1, tick, serverMs: 1e12 + tick * 50, acks: [],
      view: { map, players, bullets, pickups: {}, ends_tick: 0, kills: 0 },
    }, performance.now());
  };
  scene.reset(-1);
  for (let i = 0; i < fighters; i++) scene.names.set(i, `player ${i}`);
  const pacer = new Pacer(50, push);
  pacer.start();
  const between = [];
  const drawing = [];
  let before = null;
  while (performance.now() - started < 3000) {
    const now = await new Promise((done) => { requestAnimationFrame(done); });
    const from = performance.now();
    scene.draw(now, 0);
    drawing.push(performance.now() - from);
    if (before !== null) between.push(now - before);
    before = now;
  }
  pacer.stop();
  const sorted = (list) => [...list].sort((a, b) => a - b);
  const at = (list, share) => sorted(list)[Math.floor(share * (list.length - 1))];
  const told = (list) => ({ p50: at(list, 0.5), p95: at(list, 0.95), p99: at(list, 0.99) });
  return { entities, frames: between.length, frame_ms: told(between), drawing_ms: told(drawing) };
}"""


def report(name: str, figures: Any) -> None:
    """Keep figures for whoever looks at the artefacts."""
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / "page-quality.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, name: figures}, indent=1) + "\n")


async def walk_about(page: Page, seconds: float, *, seed: int) -> None:
    """Press and release keys at random times."""
    chance, held, left = random.Random(seed), set[str](), seconds * 1000
    while left > 0:
        key = chance.choice(["KeyW", "KeyA", "KeyS", "KeyD"])
        if key in held:
            await page.keyboard.up(key)
        else:
            await page.keyboard.down(key)
        held ^= {key}
        wait_ms = chance.uniform(60, 450)
        left -= wait_ms
        await page.wait_for_timeout(wait_ms)
    for key in held:
        await page.keyboard.up(key)


async def test_own_movement_is_not_put_right_on_a_bad_network(page: Page, stage: Stage) -> None:
    async def settings(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        told["ws_url"] += f"/v1/play?{BAD_NETWORK}"
        await route.fulfill(json=told)

    await page.route("**/config.json", settings)
    await page.reload()
    await login(page)
    await join(page, "standard")
    await wait_for(page, "it.pingMs > 90")
    await page.evaluate("window.__arena.corrections.length = 0")
    await walk_about(page, PLAYED_S, seed=1)
    now = await seen(page)
    corrections = sorted(now["corrections"])
    assert len(corrections) > PLAYED_S * 20 / 2, "the fighter was hardly seen"
    p99 = corrections[int(0.99 * (len(corrections) - 1))]
    report(
        "corrections_px",
        {
            "network": BAD_NETWORK,
            "frames": len(corrections),
            "corrected": sum(each > 0 for each in corrections),
            "p50": corrections[len(corrections) // 2],
            "p99": p99,
            "max": corrections[-1],
            "fps": now["fps"],
        },
    )
    assert p99 <= CORRECTION_PX_MAX
    assert page.console.errors == []


async def test_a_hundred_entities_are_drawn(page: Page) -> None:
    figures = await page.evaluate(DRAW, ENTITIES)
    await page.screenshot(path=ARTIFACTS / "browser-hundred-entities.png")
    report("hundred_entities", figures)
    assert figures["frames"] > 10
    assert page.console.errors == []


async def test_the_page_is_soon_there(page: Page) -> None:
    await expect(page.locator("#login-button")).to_be_enabled()
    figures = await page.evaluate(
        """() => {
          const mark = performance.getEntriesByName("interactive")[0];
          const files = performance.getEntriesByType("resource");
          return {
            interactive_ms: mark.startTime, files: files.length,
            bytes: files.reduce((sum, each) => sum + each.decodedBodySize, 0),
          };
        }"""
    )
    report("start", figures)
    assert 0 < figures["files"] < 60


async def test_everybody_can_use_it(browser: Browser, stage: Stage) -> None:
    context = await browser.new_context(reduced_motion="reduce", has_touch=True)
    page = await context.new_page()

    await page.goto(stage.page_url)
    await expect(page.locator("#login-button")).to_be_enabled()
    await look(page, "login")
    await login(page)
    await look(page, "lobby")
    await join(page, "standard")
    stage.bots.call(3, game="arena", mode="standard")
    await wait_for(page, "it.players === 4")
    await expect(page.locator("#feed li").first).to_be_visible()
    await look(page, "game")
    stage.rooms.finish((await seen(page))["match"])
    await wait_for(page, "it.matchOver")
    await expect(page.locator("#again")).to_be_enabled()
    await look(page, "over")
    await page.goto(f"{stage.page_url}/playground.html")
    await expect(page.locator("#connect")).to_be_enabled()
    await look(page, "playground")
    await context.close()
