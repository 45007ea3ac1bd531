"""What ends is freed at once, without the help of the garbage collector.

Full collections are rare on purpose (``adapters/gc_policy``): a cycle per session would pile up.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect

from gameserver.adapters import gc_policy
from gameserver.adapters.handshake import GameProtocol
from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.adapters.ws_connection import WsConnection
from gameserver.adapters.ws_server import WsServer
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.session.gate import SessionGate
from gameserver.session.outgoing import Outgoing
from gameserver.session.session import Session
from gameserver.wire import codec, from_client
from gameserver.wire.codec import Format
from tests.fakes.memory_operating import MemoryBans
from tests.fakes.memory_revocations import MemoryRevocations
from tests.session.parts import FakeMatches, FakeVerifier, identity

KINDS = (Session, Outgoing, WsConnection, GameProtocol)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def alive() -> dict[str, int]:
    found = dict.fromkeys((kind.__name__ for kind in KINDS), 0)
    for thing in gc.get_objects():
        if type(thing) in KINDS:
            found[type(thing).__name__] += 1
    return found


async def come_and_go(port: int) -> None:
    url = f"ws://127.0.0.1:{port}/v1/play"
    async with connect(url, additional_headers={"Authorization": "Bearer x"}) as socket:
        await socket.recv()
        join = codec.encode_client(from_client.Join(ref=1, game="echo"), Format.MSGPACK)
        await socket.send(join)
        await socket.recv()


async def scenario() -> tuple[dict[str, int], dict[str, int]]:
    matches = FakeMatches()
    gate = SessionGate(
        config=Config(ws_host="127.0.0.1", ws_port=0),
        verifier=FakeVerifier(identity(expires_in_s=10**9)),
        tickets=None,  # type: ignore[arg-type]
        matches=matches,
        clock=WallClock(),
        entropy=SystemEntropy(),
        metrics=Metrics(),
        revocations=MemoryRevocations(),
        bans=MemoryBans(),
    )
    server = WsServer(Config(ws_host="127.0.0.1", ws_port=0), gate, Metrics())
    port = await server.start()
    before = alive()
    await asyncio.gather(*(come_and_go(port) for _ in range(8)))
    matches.subscriber = None  # a match lets go of who has left
    async with asyncio.timeout(60):
        while gate.sessions or server.connections:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    after = alive()
    await server.close()
    return before, after


async def test_sessions_and_connections_leave_no_cycle(no_collector: None) -> None:
    before, after = await scenario()
    assert after == before


async def test_survivors_are_frozen_and_collected_when_the_last_player_goes() -> None:
    players, thresholds = 1, gc.get_threshold()
    gc_policy.start()
    keeping = asyncio.create_task(gc_policy.keep(lambda: players == 0))
    try:
        assert gc.get_threshold()[2] == gc_policy.NEVER
        assert gc.get_freeze_count() > 0
    finally:
        keeping.cancel()
        gc.unfreeze()
        gc.set_threshold(*thresholds)
