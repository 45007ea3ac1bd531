"""How soon the players' page is there, and what a frame of the arena costs in it.

    python -m bench.page [--seconds N] [--loads N] [--out FILE]

Headless Chromium loads the page from a server on this machine, each time with an empty cache, and
draws an arena match with 100 entities: ``page_frames.js``. The script's time a frame is what the
page itself can keep low; the time between frames also has the rasterising in it, which a machine
without a GPU does on its cores, and whatever else the machine does. Timers of the browser have a
resolution of 0.1 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from bench import machine
from bench.leaderboard import quantile

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "results" / "page.md"
FRAMES = (Path(__file__).parent / "page_frames.js").read_text()
ENTITIES = (25, 100, 200)
TICK_HZ = 20
SIZE: ViewportSize = {"width": 1280, "height": 720}
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]

START = """() => {
  const files = performance.getEntriesByType("resource");
  return {
    interactive_ms: performance.getEntriesByName("interactive")[0].startTime,
    files: files.length,
    bytes: files.reduce((sum, each) => sum + each.decodedBodySize, 0),
  };
}"""


@asynccontextmanager
async def page_server() -> AsyncIterator[str]:
    """The files of ``web/`` with settings that lead nowhere; its URL."""

    async def settings(request: web.Request) -> web.Response:
        nowhere = {"ws_url": "ws://127.0.0.1:9", "api_url": "http://127.0.0.1:9", "dev": True}
        return web.json_response({**nowhere, "demo": {"username": "demo", "password": "demo"}})

    async def index(request: web.Request) -> web.FileResponse:
        return web.FileResponse(ROOT / "web" / "index.html")

    app = web.Application()
    app.router.add_get("/config.json", settings)
    app.router.add_get("/", index)
    app.router.add_static("/", ROOT / "web")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(browser: Browser, url: str) -> AsyncIterator[Page]:
    """The page in a context of its own, so with an empty cache, once it is interactive."""
    context = await browser.new_context(viewport=SIZE, color_scheme="dark")
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_function("performance.getEntriesByName('interactive').length > 0")
    yield page
    await context.close()


async def measure(url: str, *, seconds: float, loads: int) -> dict[str, Any]:
    """``start``: a figure of each load; ``frames``: one for each number of entities."""
    async with async_playwright() as playwright:
        executable = shutil.which("chromium") or playwright.chromium.executable_path
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        version = browser.version
        starts, frames = [], []
        for _ in range(loads):
            async with opened(browser, url) as page:
                starts.append(await page.evaluate(START))
        for entities in ENTITIES:
            async with opened(browser, url) as page:
                given = {"entities": entities, "seconds": seconds, "hz": TICK_HZ}
                frames.append(await page.evaluate(FRAMES, given))
        await browser.close()
    return {"browser": version, "start": starts, "frames": frames}


def report(found: dict[str, Any], facts: dict[str, str]) -> str:
    """The page of results."""
    starts = [each["interactive_ms"] for each in found["start"]]
    last = found["start"][-1]
    busy = found["load"] > float(facts["cores"])
    lines = [
        "# The players' page",
        "",
        "`python -m bench.page`. Headless Chromium "
        f"{found['browser']} without a GPU, {SIZE['width']} × {SIZE['height']}.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        f"- load average before: {found['load']:.2f}"
        + (": **others were at work, which times show**" if busy else ""),
        "",
        "## Until it is interactive",
        "",
        f"From a server on the machine, empty cache, {len(starts)} loads, {last['files']} files, "
        f"{last['bytes'] / 1000:.0f} kB.",
        "",
        "| ms | p50 | p90 | max | wanted |",
        "|---|---|---|---|---|",
        f"| interactive | {quantile(starts, 0.5):.0f} | {quantile(starts, 0.9):.0f} "
        f"| {max(starts):.0f} | < 1,000 |",
        "",
        "## A frame of the arena",
        "",
        "Script: messages decoded (20 a second), scores and clock, and all that is drawn. Between: "
        "from one frame to the next; 16.7 ms is 60 a second.",
        "",
        "| entities | frames | script p50 ms | p95 | p99 | max "
        "| between p50 ms | p95 | p99 | max |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found["frames"]:
        cells = [
            f"{each[name][key]:.1f}"
            for name in ("script_ms", "frame_ms")
            for key in ("p50", "p95", "p99", "max")
        ]
        lines.append(f"| {each['entities']} | {each['frames']:,} | {' | '.join(cells)} |")
    lines += ["", "Wanted at 100: script p99 < 4 ms, between p50 of 16.7 ms.", ""]
    return "\n".join(lines)


async def run(arguments: argparse.Namespace) -> None:
    load = machine.load_average()
    async with page_server() as url:
        found = await measure(url, seconds=arguments.seconds, loads=arguments.loads)
    found["load"] = load
    text = report(found, machine.facts())
    arguments.out.write_text(text)
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of frames, for each number")
    parser.add_argument("--loads", type=int, default=20)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--json", type=Path, default=None, help="also the raw figures")
    asyncio.run(run(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
