from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from botswarm import processes
from botswarm.processes import Outcome
from botswarm.reading import Reading
from botswarm.settings import Settings, shares
from tests.botswarm.server import Server

PATIENCE_S = 60
LOOK_S = 0.05
"""What a test waits for is seen so soon; people get to see figures less often."""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


class Run:
    """A swarm in this process, against ``server``."""

    def __init__(self, server: Server, reading: Reading) -> None:
        self.server = server
        self.reading = reading
        self.stop = asyncio.Event()
        self.stats: Any = None

    async def until(self, met: Callable[[Any], bool], **given: Any) -> Outcome:
        """Run until ``met(stats)``, or fail after a while."""
        settings = Settings(
            **{
                "url": self.server.url,
                "bots": 1,
                "game": "echo",
                "duration_s": PATIENCE_S,
                "ramp_s": 0.0,
                "record_events": True,
                "reading": self.reading,
                **given,
            }
        )
        tokens = [f"token-p{number}" for number in range(settings.bots)]

        def watch(overview: processes.Overview) -> None:
            self.stats = overview.stats
            if met(overview.stats):
                self.stop.set()

        return await processes.run(
            shares(settings, tokens, processes=1), watch=watch, stop=self.stop
        )


@pytest.fixture
def run(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Woken, unless the test asks for polled too by ``both_readings``; then no bot is spared."""
    monkeypatch.setattr("botswarm.swarm.PROGRESS_S", LOOK_S)
    reading = getattr(request, "param", Reading.WOKEN)
    if reading is Reading.POLLED:
        monkeypatch.setattr("botswarm.swarm.is_measured", lambda index, bots: False)
    return Run(server, reading)
