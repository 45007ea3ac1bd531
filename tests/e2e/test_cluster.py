"""Two real nodes: players of one play on the other, and outlive it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Extra, Node, Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.e2e.conftest import hears_of, until


class Client:
    """Notes what it is told."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.joined: dict[str, Any] = {}
        self.frames: list[tuple[float, int, int]] = []
        self.events: list[int] = []
        self.told: list[str] = []
        self.errors: list[dict[str, Any]] = []
        self.acks: list[int] = []
        self._seq = 0

    async def join(self, **named: str) -> None:
        await self.socket.send(json.dumps({"type": "join", "ref": 1, "game": "arena"} | named))
        await until(lambda: self.joined)

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        async for text in self.socket:
            message = json.loads(text)
            kind = message["type"]
            if kind in ("snapshot", "delta"):
                self.frames.append((loop.time(), message["epoch"], message["tick"]))
                self.acks = message["acks"]
            elif kind == "event":
                self.events.append(message["seq"])
            elif kind == "joined":
                self.joined = message
            elif kind not in ("welcome", "pong"):
                self.told.append(kind)
                if kind == "error":
                    self.errors.append(message)

    async def play(self) -> None:
        while True:
            self._seq += 1
            data = [self._seq % 3 - 1, 0, 0, False]
            given = {"type": "input", "seq": self._seq, "data": data}
            await self.socket.send(json.dumps(given))
            await asyncio.sleep(0.05)

    def pauses(self) -> list[float]:
        times = [at for at, _, _ in self.frames]
        return sorted(after - before for before, after in itertools.pairwise(times))

    def rises(self) -> bool:
        seen = [(epoch, tick) for _, epoch, tick in self.frames]
        return seen == sorted(set(seen))


@asynccontextmanager
async def client(stack: Stack, node: Node, number: int) -> AsyncIterator[Client]:
    token = stack.moto.cognito().token(bot_player(number), username=bot_name(number))
    async with connect(
        f"{node.ws_url}/v1/play",
        subprotocols=["gameserver.v1.json"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Bearer {token}"},
    ) as socket:
        made = Client(socket)
        tasks = [asyncio.ensure_future(made.listen())]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _ten_frames(one: Client) -> None:
    count = len(one.frames)
    await until(lambda: len(one.frames) >= count + 10)


@pytest.mark.timeout(240)
async def test_a_session_plays_on_when_the_node_of_its_match_is_killed(
    nodes: tuple[Stack, Node, Node],
) -> None:
    await _plays_on(*nodes)


@pytest.mark.timeout(240)
async def test_so_it_does_over_a_redis_cluster(
    devstack_dir: Path, redis_cluster_url: str, redis_prefix: str
) -> None:
    extra = Extra(
        gameserver={
            "GAMESERVER_REDIS_URL": redis_cluster_url,
            "GAMESERVER_REDIS_CLUSTER": "true",
            "GAMESERVER_REDIS_PREFIX": redis_prefix,
        }
    )
    settings = on_free_ports(devstack_dir / "over-a-cluster")
    with Stack(settings, extra=extra, fsync=False) as stack:
        await asyncio.to_thread(stack.start, progress=lambda name: None)
        first = next(iter(stack.nodes.values()))
        second = stack.add_node()
        await asyncio.to_thread(stack.start, second.name)
        await _plays_on(stack, first, second)
        await asyncio.to_thread(stack.kill)


async def _plays_on(stack: Stack, first: Node, second: Node) -> None:
    async with client(stack, first, 1) as owner, client(stack, second, 2) as other:
        await owner.join(mode="crowd")
        await hears_of(stack, second, matches=1)
        await other.join(mode="crowd")
        assert other.joined["match"] == owner.joined["match"], "quick join looks at all nodes"
        playing = asyncio.ensure_future(other.play())
        await _ten_frames(other)
        await until(lambda: other.acks[other.joined["seat"]] >= 5)
        epoch = other.frames[-1][1]
        await asyncio.to_thread(stack.kill, first.name)
        await until(lambda: other.frames[-1][1] > epoch)
        acked = other.acks[other.joined["seat"]]
        await _ten_frames(other)
        playing.cancel()
        print(f"pause after SIGKILL: {max(other.pauses()):.2f} s")
        assert other.rises()
        assert other.acks[other.joined["seat"]] > acked, "inputs count again"
        assert other.events == sorted(set(other.events))
        assert set(other.told) <= {"paused", "resumed"}, other.told


@pytest.mark.timeout(240)
@pytest.mark.parametrize("settings_of_nodes", [{"GAMESERVER_LEASE_TTL_MS": "60000"}])
async def test_a_drained_node_hands_its_match_over_within_a_few_ticks(
    nodes: tuple[Stack, Node, Node],
) -> None:
    """A lease that is not given back would hold for a minute."""
    stack, first, second = nodes
    async with client(stack, first, 1) as owner, client(stack, second, 2) as other:
        await owner.join(mode="crowd")
        await hears_of(stack, second, matches=1)
        await other.join(match=owner.joined["match"], game="")
        await _ten_frames(other)
        epoch = other.frames[-1][1]
        await asyncio.to_thread(stack.stop, first.name)
        await _ten_frames(other)
        assert other.frames[-1][1] > epoch
        print(f"pause of a player elsewhere: {max(other.pauses()):.3f} s")
        assert max(other.pauses()) < 30
        assert other.rises() and other.told == []
        with pytest.raises(ConnectionClosed):
            await owner.socket.send("{}")
        assert owner.socket.close_code == 1012
        assert owner.told[-1] == "reconnect"


@pytest.mark.timeout(240)
async def test_a_node_that_slept_beyond_its_lease_does_no_harm(
    nodes: tuple[Stack, Node, Node],
) -> None:
    """SIGSTOP, the other node takes the match over, SIGCONT: a zombie for a moment."""
    stack, first, second = nodes

    def stored(match: str) -> tuple[bytes, bytes, int]:
        with redis.Redis.from_url(stack.valkey.url) as store:
            found = store.hmget(f"gs:{{m:{match}}}:s", ["fence", "owner", "version"])
        fence, owner, version = found
        return fence, owner, int(version)

    async with client(stack, first, 1) as owner, client(stack, second, 2) as other:
        await owner.join(mode="crowd")
        await hears_of(stack, second, matches=1)
        await other.join(match=owner.joined["match"], game="")
        await _ten_frames(other)
        epoch, match = other.frames[-1][1], owner.joined["match"]
        stack.pause(first.name)
        await until(lambda: other.frames[-1][1] > epoch)
        await _ten_frames(other)
        taken = await asyncio.to_thread(stored, match)
        stack.resume(first.name)
        await until(lambda: owner.frames[-1][1] > epoch)
        await _ten_frames(owner)
        await _ten_frames(other)
        now = await asyncio.to_thread(stored, match)
        assert now[:2] == taken[:2] and now[2] >= taken[2], "the new owner is not disturbed"
        for one in (owner, other):
            assert one.rises()
            assert one.events == sorted(set(one.events))
            assert set(one.told) <= {"paused", "resumed"}, one.told
