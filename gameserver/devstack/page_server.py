"""The page of the development stack, and what its demo needs. None of it exists in production.

    GET  /                 the files of web/, never cached
    GET  /console          to the operators' console
    GET  /config.json      {"ws_url","api_url","dev":true,"demo":{"username","password"},
                           "operator":{…}}
    POST /dev/tokens       ?count=N (≤ 20,000): {"tokens":[…]}, each of another bot player, the
                           next call's of others again; &first=K: those of the players from K on
    POST /dev/bots         ?count=N&game=G&mode=M (≤ 64 bots, 4 runs at once): sends a swarm for a
                           while

It listens on 127.0.0.1 only, and what POST does is refused to pages from elsewhere.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from gameserver.devstack.bots import BotRuns, TooManyRuns
from gameserver.devstack.settings import Settings
from gameserver.devstack.tokens import TokenMint, bot_name, bot_player

CONSOLE_PATH = "/console/index.html"
TOKENS_MAX = 20_000
BOTS_MAX = 64
PLAYERS_MAX = 100_000
TOKEN_LIFETIME_S = 12 * 3600
_NAME = re.compile(r"^[a-z0-9_-]{1,64}$")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BotTokens:
    """Hands out tokens of bot players 1, 2, 3 …, so that no two swarms play as the same player;
    after ``PLAYERS_MAX`` it begins again."""

    def __init__(self, mint: TokenMint) -> None:
        self._mint = mint
        self._next = 1

    def take(self, count: int, *, first: int | None = None) -> list[int]:
        """The numbers of ``count`` players: the next ones, or those from ``first`` on."""
        start = self._next if first is None else first
        numbers = [(start - 1 + index) % PLAYERS_MAX + 1 for index in range(count)]
        if first is None:
            self._next = numbers[-1] + 1
        return numbers

    def sign(self, numbers: list[int]) -> list[str]:
        """Their tokens. A signature takes about a millisecond: for a thread of its own."""
        return [
            self._mint.token(
                bot_player(number), username=bot_name(number), expires_in_s=TOKEN_LIFETIME_S
            )
            for number in numbers
        ]


class PageServer:
    """``app()`` is to be served on the page's port."""

    def __init__(
        self,
        settings: Settings,
        *,
        web_directory: Path,
        mint: TokenMint,
        demo: dict[str, str],
        bots: BotRuns,
        operator: dict[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._web = web_directory
        self._tokens = BotTokens(mint)
        self._demo = demo
        self._operator = operator
        self._bots = bots

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._index)
        app.router.add_get("/config.json", self._config)
        for path in ("/console", "/console/"):
            app.router.add_get(path, self._to_console)
        app.router.add_post("/dev/tokens", self._mint_tokens)
        app.router.add_post("/dev/bots", self._send_bots)
        if self._web.is_dir():
            app.router.add_static("/", self._web)
        app.on_shutdown.append(self._shut_down)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        # The host's name is checked too: a foreign page can make its own name mean 127.0.0.1.
        own = self._settings.origins
        origin = request.headers.get("Origin", own[0])
        if f"http://{request.host}" not in own or origin not in own:
            raise web.HTTPForbidden(text=f"Open {own[0]}/ instead; other origins are refused.\n")
        response = await handler(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _index(self, request: web.Request) -> web.StreamResponse:
        page = self._web / "index.html"
        if not await asyncio.to_thread(page.is_file):
            return web.Response(status=404, text=f"There is no page: {page} is missing.\n")
        return web.FileResponse(page)

    async def _to_console(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(CONSOLE_PATH)

    async def _config(self, request: web.Request) -> web.Response:
        config: dict[str, Any] = {
            "ws_url": self._settings.ws_url,
            "api_url": self._settings.api_url,
            "dev": True,
            "demo": self._demo,
        }
        if self._operator is not None:
            config["operator"] = self._operator
        return web.json_response(config)

    async def _mint_tokens(self, request: web.Request) -> web.Response:
        count = _bounded(request, "count", default=1, greatest=TOKENS_MAX)
        first = None
        if "first" in request.query:
            first = _bounded(request, "first", default=1, greatest=PLAYERS_MAX)
        numbers = self._tokens.take(count, first=first)
        tokens = await asyncio.to_thread(self._tokens.sign, numbers)
        return web.json_response({"tokens": tokens})

    async def _send_bots(self, request: web.Request) -> web.Response:
        count = _bounded(request, "count", default=7, greatest=BOTS_MAX)
        game, mode = request.query.get("game", "arena"), request.query.get("mode", "")
        for name, text in (("game", game), ("mode", mode)):
            if text and not _NAME.match(text):
                raise web.HTTPBadRequest(text=f"{name}: letters, digits, _ and - only.\n")
        try:
            run = await self._bots.send(count=count, game=game, mode=mode)
        except TooManyRuns as error:
            raise web.HTTPTooManyRequests(text=f"{error}\n") from None
        shown = {"bots": count, "duration_s": run.duration_s, "run": run.number}
        return web.json_response(shown, status=202)

    async def _shut_down(self, app: web.Application) -> None:
        await self._bots.close()


def _bounded(request: web.Request, name: str, *, default: int, greatest: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= greatest:
        raise web.HTTPBadRequest(text=f"{name} is a whole number from 1 to {greatest}.\n")
    return int(text)
