"""The page's server, without the stack behind it."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import jwt
import pytest
from aiohttp import web

from gameserver.devstack import page_server
from gameserver.devstack.bots import RUNS_MAX, BotRuns
from gameserver.devstack.settings import on_free_ports


class WaitingRuns(BotRuns):
    """Swarms that wait instead of playing: what they would run is kept."""

    def __init__(self, settings) -> None:
        super().__init__(settings)
        self.commands: list[list[str]] = []

    def _run(self, number, **options):
        run = super()._run(number, **options)
        self.commands.append(run.swarm._argv)
        run.swarm._argv = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
        return run


class Page:
    def __init__(self, client, settings, bots) -> None:
        self.get, self.post = client.get, client.post
        self.settings, self.bots = settings, bots


@pytest.fixture
async def page(tmp_path, cognito):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<title>Arena</title>")
    (tmp_path / "secret").write_text("not for the page")
    settings = on_free_ports(tmp_path)
    bots = WaitingRuns(settings)
    server = page_server.PageServer(
        settings,
        web_directory=tmp_path / "web",
        mint=cognito.mint,
        demo={"username": "demo", "password": "word"},
        bots=bots,
        operator={"username": "operator", "password": "words"},
    )
    runner = web.AppRunner(server.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings.ports["page"]).start()
    async with aiohttp.ClientSession(settings.page_url) as client:
        yield Page(client, settings, bots)
    await runner.cleanup()


async def test_the_page_and_nothing_above_it(page):
    async with page.get("/") as answer:
        assert "Arena" in await answer.text()
        assert answer.headers["Cache-Control"] == "no-store"
    async with page.get("/%2e%2e/secret") as answer:
        assert answer.status in (403, 404)


async def test_the_configuration(page):
    async with page.get("/config.json") as answer:
        config = await answer.json()
    assert config == {
        "ws_url": page.settings.ws_url,
        "api_url": page.settings.api_url,
        "dev": True,
        "demo": {"username": "demo", "password": "word"},
        "operator": {"username": "operator", "password": "words"},
    }


async def test_the_console_has_a_short_address(page):
    for path in ("/console", "/console/"):
        async with page.get(path, allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["Location"] == page_server.CONSOLE_PATH


async def tokens_of(page, query):
    async with page.post(f"/dev/tokens?{query}") as answer:
        assert answer.status == 200
        tokens = (await answer.json())["tokens"]
    return [jwt.decode(token, options={"verify_signature": False})["username"] for token in tokens]


async def test_every_token_is_of_another_player(page):
    assert await tokens_of(page, "count=2") == ["bot-0001", "bot-0002"]
    assert await tokens_of(page, "count=2") == ["bot-0003", "bot-0004"]
    assert await tokens_of(page, "count=2&first=1") == ["bot-0001", "bot-0002"]
    assert await tokens_of(page, "count=1") == ["bot-0005"]
    assert await tokens_of(page, "count=2&first=100000") == ["bot-100000", "bot-0001"]


@pytest.mark.parametrize(
    "path",
    [
        "/dev/tokens?count=0",
        "/dev/tokens?count=20001",
        "/dev/tokens?count=x",
        "/dev/bots?count=65",
        "/dev/bots?game=%2e%2e/x",
        "/dev/bots?mode=--help%20x",
    ],
)
async def test_what_is_out_of_bounds_is_refused(page, path):
    async with page.post(path) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("headers", [{"Origin": "http://elsewhere.example"}, {"Host": "evil"}])
async def test_pages_from_elsewhere_are_refused(page, headers):
    async with page.post("/dev/tokens", headers=headers) as answer:
        assert answer.status == 403


async def test_swarms_are_few_and_end_with_the_server(page):
    for _ in range(RUNS_MAX):
        async with page.post("/dev/bots?count=3&game=arena&mode=duel") as answer:
            assert answer.status == 202
            assert (await answer.json())["bots"] == 3
    async with page.post("/dev/bots?count=3") as answer:
        assert answer.status == 429
    command = page.bots.commands[0]
    assert command[1:3] == ["-m", "botswarm"]
    assert command[command.index("--mode") + 1] == "duel"
    assert command[command.index("--tokens") + 1].endswith("/dev/tokens")
    swarms = [run.swarm for run in page.bots._runs.values()]
    await asyncio.to_thread(swarms[0].stop)
    async with page.post("/dev/bots") as answer:
        assert answer.status == 202
    await page.bots.close()
    assert not any(swarm.is_running() for swarm in swarms)
