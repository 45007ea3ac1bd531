"""Sockets are tested on both event loops: production runs on uvloop, simulation on asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
import uvloop

from gameserver import hot
from gameserver.adapters.network_sim import Conditions, NetworkSimulation
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


READINGS = {
    "woken": None,
    "polled": plain.collect,
    "polled_by_hot": hot.collect,
    "woken_tls": None,
    "polled_tls": plain.collect,
    "polled_by_hot_tls": hot.collect,
    "simulated": None,
}
OVER_TLS = tuple(reading for reading in READINGS if reading.endswith("tls"))
READ_BY = {
    "test_ws_frames": tuple(READINGS),  # behind a simulated network too: bytes are bytes
    "test_ws_handshake": ("woken", "woken_tls"),
    "test_ws_tls": OVER_TLS,
    "test_interop": ("woken", "polled", "polled_by_hot"),
}
"""What is sent must mean the same, whether the loop reads the socket or a match at its ticks, and
with TLS as without."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "reading" in metafunc.fixturenames:
        module = metafunc.module.__name__.rpartition(".")[2]
        metafunc.parametrize("reading", READ_BY.get(module, ("woken",)))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its certificate in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest_asyncio.fixture
async def serve(reading: str, certificate: Path) -> AsyncIterator[Callable[..., Any]]:
    """``await serve(**settings)`` starts a server; all are closed after the test."""
    harnesses: list[Harness] = []

    async def start(gate: FakeGate | None = None, **settings: Any) -> Harness:
        if reading in OVER_TLS:
            settings |= {"tls_cert_file": str(certificate), "tls_key_file": str(certificate)}
        network = None
        if reading.startswith("simulated"):
            network = NetworkSimulation(Conditions(latency_ms=2, jitter_ms=4), seed=1)
        harness = Harness(
            gate or FakeGate(), config(**settings), collect=READINGS[reading], network=network
        )
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
