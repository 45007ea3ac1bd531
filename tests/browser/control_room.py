"""A whole system with two nodes, the page's server, and what fills a console: bots, letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.wall_clock import WallClock
from gameserver.config import Config
from gameserver.devstack.bots import BotRuns
from gameserver.devstack.page_server import CONSOLE_PATH, PageServer
from gameserver.devstack.process import LOOPBACK
from gameserver.devstack.run import WEB
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Extra, Stack
from gameserver.ids import MatchId
from gameserver.listing import Listed, Visibility
from gameserver.metrics import Metrics
from gameserver.ports import NodeInfo
from persistence_worker.messages import Outgoing
from persistence_worker.sqs import SqsQueue, open_client
from tests.browser.bots import Bots
from tests.e2e.conftest import rows

PHANTOM = "phantom"
NODE = {
    "GAMESERVER_PLAINTEXT_AT_REST": "true",  # so that a test can write a node's list
    "GAMESERVER_KMS_KEY_ID": "",
    "GAMESERVER_EMPTY_MATCH_MS": "60000",
    "GAMESERVER_GRACE_MS": "2000",
}
WORKER = {
    "WORKER_WATCH_S": "1",
    "WORKER_ORDERS_EVERY_MS": "100",
    "WORKER_REDRIVE_EVERY_S": "0",  # what is redriven is redriven by the console
    "WORKER_RECEIVE_WAIT_S": "1",
}


class ControlRoom:
    """``async with ControlRoom(directory) as room``: open ``room.url``."""

    def __init__(self, directory: Path) -> None:
        self.stack = Stack(
            on_free_ports(directory, nodes=2),
            extra=Extra(gameserver=NODE, worker=WORKER),
            fsync=False,
        )
        self.url = f"{self.stack.settings.page_url}{CONSOLE_PATH}"
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.stack.start, progress=lambda name: None)
        settings, cognito = self.stack.settings, self.stack.moto.cognito()
        page = PageServer(
            settings,
            web_directory=WEB,
            mint=cognito.mint,
            demo={"username": cognito.demo_username, "password": cognito.demo_password},
            bots=BotRuns(settings),
            operator={"username": cognito.admin_username, "password": cognito.admin_password},
        )
        self._runner = web.AppRunner(page.app(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, settings.ports["page"]).start()
        self.bots = Bots(settings.ws_url, cognito)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.bots.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.to_thread(self.stack.kill)  # Nothing of it is looked at any more.

    async def bot(self) -> int:
        """The number of one more player, who has a seat."""
        self.bots.call(1, game="arena", mode="standard")
        await self.bots.seated(self.bots.called)
        return self.bots.called

    async def put_letters(self, bodies: Sequence[str], *, reason: str, detail: str = "") -> None:
        """Make dead letters."""
        attributes = {"reason": reason, "detail": detail}
        async with open_client(
            endpoint_url=self.stack.sqs.endpoint_url,
            region=self.stack.settings.region,
            connections_max=1,
            timeout_s=10,
            wait_s=1,
        ) as client:
            queue = SqsQueue(client, self.stack.dead_letters_url, timeout_s=10)
            letters = [Outgoing(body=body, attributes=attributes) for body in bodies]
            assert await queue.send(letters) == []

    async def rows(self, query: str, *, until: int = 1) -> list[Any]:
        """Of the database, once there are so many."""
        return [*await rows(self.stack.postgres_dsn, query, until=until)]

    @asynccontextmanager
    async def crowded(self, matches: int) -> AsyncIterator[None]:
        """As if one more node had so many matches. It drains, so that nobody is sent there."""
        config = Config(
            redis_url=self.stack.valkey.url,
            cognito_issuer="-",
            cognito_client_ids=("-",),
            plaintext_at_rest=True,
        )
        async with RedisDirectory.connect(config, clock=WallClock(), metrics=Metrics()) as known:
            listed = [_listed(number) for number in range(matches)]
            await known.show(PHANTOM, listed, ttl_ms=600_000)
            await known.beat(
                NodeInfo(
                    name=PHANTOM,
                    state="draining",
                    load=0.1,
                    sessions=0,
                    matches=matches,
                    players=0,
                    open=[],
                ),
                ttl_ms=600_000,
            )
            try:
                yield
            finally:
                await known.leave(PHANTOM)


def _listed(number: int) -> Listed:
    return Listed(
        MatchId(f"{number:026d}"),
        "arena",
        "standard",
        number % 9,
        8,
        0,
        number * 3,
        "running",
        PHANTOM,
        1_700_000_000_000 + number,
        f"Room {number}",
        Visibility.PUBLIC,
    )
