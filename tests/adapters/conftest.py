"""Sockets are tested on both event loops: production runs on uvloop, simulation on asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from gameserver import hot
from gameserver.adapters.ws_server import WsServer
from gameserver.hot import plain
from tests.adapters.ws_peer import FakeGate, Harness, config

BOTH_LOOPS = ("test_ws_", "test_interop")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name.startswith(BOTH_LOOPS):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


READINGS = {"woken": None, "polled": plain.collect, "polled_by_hot": hot.collect}
BOTH_READINGS = ("test_ws_frames", "test_interop")
"""What is sent must mean the same, whether the loop reads the socket or a match at its ticks."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "reading" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in BOTH_READINGS
        metafunc.parametrize("reading", list(READINGS) if both else ["woken"])


@pytest_asyncio.fixture
async def serve(reading: str) -> AsyncIterator[Callable[..., Any]]:
    """``await serve(**settings)`` starts a server; all are closed after the test."""
    harnesses: list[Harness] = []

    async def start(gate: FakeGate | None = None, **settings: Any) -> Harness:
        harness = Harness(gate or FakeGate(), config(**settings), collect=READINGS[reading])
        harnesses.append(harness)
        await harness.start()
        return harness

    yield start
    for harness in harnesses:
        for peer in harness.peers:
            peer.writer.transport.abort()
        await harness.server.close()
        assert isinstance(harness.server, WsServer)
        assert harness.gate.sessions_open == 0, "a session was not told of its end"
        assert not harness.gate.closed_twice
