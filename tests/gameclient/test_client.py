"""The client library against a small server that speaks the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import TypeVar

import msgspec
import pytest

from gameclient import Ended, Event, Frame, GameClient, JoinRefused, Left, Lost, Pacer
from gameclient.happening import News, Overrun
from gameserver.games.echo import EchoInput, EchoView
from gameserver.wire import to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format
from tests.botswarm.polling import until
from tests.botswarm.server import Peer, Server

T = TypeVar("T")

PATIENCE_S = 20


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


async def next_of(client: GameClient, kind: type[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        async for happening in client:
            if isinstance(happening, kind):
                return happening
    raise AssertionError("it is over")


async def acknowledged(client: GameClient, seq: int) -> Frame:
    while True:
        frame = await next_of(client, Frame)
        assert client.joined is not None
        if frame.acks[client.joined.seat] >= seq:
            return frame


@pytest.mark.parametrize("format", Format)
async def test_joins_plays_and_leaves(server: Server, format: Format) -> None:
    async with GameClient(server.url, token="token-ada", format=format, view=EchoView) as client:
        joined = await client.join("echo")
        assert (joined.game, joined.seat) == ("echo", 0)
        seq = client.input(EchoInput(1, 2, 3, 4))
        frame = await acknowledged(client, seq)
        assert isinstance(frame.view, EchoView)
        value = frame.view.players[0]
        assert (value.x, value.y, value.z) == (1, 2, 3)
        assert (await next_of(client, Event)).kind == "beat"
        client.leave()
        await until(lambda: server.leaves)
        assert client.input(EchoInput(0, 0, 0, 0)) == 0
        assert client.clock.rtt_ms is not None
    with pytest.raises(StopAsyncIteration):
        while True:
            await anext(client)


async def test_a_lost_connection_is_resumed_and_inputs_are_sent_again(server: Server) -> None:
    async with GameClient(server.url, token="token-ada") as client:
        joined = await client.join("echo")
        await acknowledged(client, client.input(EchoInput(1, 1, 1, 1)))
        first = await next_of(client, Event)
        await server.peers[0].ws.close(CloseCode.SLOW_CONSUMER)
        assert (await next_of(client, Lost)).reason == "close:slow_consumer"
        seq = client.input(EchoInput(7, 7, 7, 7))
        assert seq == 2 and not client.seated
        again = await next_of(client, to_client.Joined)
        assert (again.match, again.seat) == (joined.match, joined.seat)
        resume = server.joins[-1].resume
        assert resume is not None and resume.seq >= first.seq
        frame = await acknowledged(client, seq)
        assert frame.view["players"][0][0] == 7


async def test_a_node_that_goes_away_is_left_at_the_time_it_gave(server: Server) -> None:
    async with GameClient(server.url, token="token-ada") as client:
        await client.join("echo")
        await server.peers[0].send(to_client.Reconnect(30, "draining"))
        assert (await next_of(client, Lost)).retry_in_s < 0.02
        await next_of(client, to_client.Joined)
        assert server.connections == 2


async def test_a_refused_seat_is_told(server: Server) -> None:
    async def refuse(peer: Peer, join: object) -> bool:
        ref = server.joins[-1].ref
        await peer.send(to_client.Error(to_client.ErrorCode.REFUSED, "not today", ref))
        return True

    server.on_join = refuse
    async with GameClient(server.url, token="token-ada") as client:
        with pytest.raises(JoinRefused, match="not today"):
            await client.join("echo")


async def test_a_new_token_is_fetched_where_the_old_one_is_not_accepted(server: Server) -> None:
    asked: list[bool] = []

    async def token(fresh: bool) -> str:
        asked.append(fresh)
        return "token-ada" if fresh else "stale"

    async with GameClient(server.url, token=token) as client:
        await client.join("echo")
    assert asked == [False, True]


async def test_who_is_not_wanted_is_told(server: Server) -> None:
    server.statuses = [(HTTPStatus.FORBIDDEN, {})]
    async with GameClient(server.url, token="token-ada") as client:
        with pytest.raises(Ended) as caught:
            await client.join("echo")
        assert caught.value.ending.status == 403
    async with GameClient(server.url, token="nobody") as client:
        with pytest.raises(Ended):
            await client.join("echo")


async def test_a_full_server_is_asked_again(server: Server) -> None:
    server.statuses = [(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "0"})]
    async with GameClient(server.url, token="token-ada") as client:
        await client.join("echo")
        assert isinstance(await anext(client), Lost)


async def test_a_client_has_a_name_of_its_own_and_hears_a_notification_once(server: Server) -> None:
    async with GameClient(server.url, token="token-ada") as client:
        await client.join("echo")
        path = server.peers[0].ws.request.path
        assert "client=" in path
        for id in ("a", "a", "b"):
            await server.peers[0].send(to_client.Notification(id, "gift", None, {}, 5))
        told = [(await next_of(client, to_client.Notification)).id for _ in range(2)]
        assert told == ["a", "b"]
        await server.peers[0].ws.close(CloseCode.SLOW_CONSUMER)
        await next_of(client, to_client.Joined)
        assert server.peers[-1].ws.request.path == path


async def test_the_end_of_a_match_is_told() -> None:
    async with (
        Server(match_ticks=20) as server,
        GameClient(server.url, token="token-ada") as client,
    ):
        joined = await client.join("echo")
        while (await next_of(client, Event)).kind != "match_ended":
            pass
        assert await next_of(client, Left) == Left(joined.match, "ended")
        assert (await client.join("echo")).match != joined.match


async def test_a_kicked_player_does_not_come_back(server: Server) -> None:
    async with GameClient(server.url, token="token-ada") as client:
        await client.join("echo")
        await server.peers[0].ws.close(CloseCode.KICKED)
        with pytest.raises(Ended, match="kicked"):
            await next_of(client, Lost)


async def test_only_the_newest_frame_waits() -> None:
    news = News()
    frames = [Frame(epoch=1, tick=tick, server_ms=0, acks=[], view=None) for tick in range(3)]
    event = Event(seq=1, tick=1, kind="k", player=None, data=None)
    for happening in (frames[0], frames[1], event, frames[1], frames[2]):
        news.put(happening)
    assert [await news.take() for _ in range(3)] == [frames[1], event, frames[2]]


async def test_who_does_not_listen_is_cut_off() -> None:
    news = News()
    for seq in range(5_000):
        news.put(Event(seq=seq, tick=1, kind="k", player=None, data=None))
    with pytest.raises(Overrun):
        while True:
            await news.take()


async def test_a_pacer_neither_drifts_nor_catches_up_for_ever() -> None:
    now = [0.0]
    due: list[float] = []
    pacer = Pacer(0.05, due.append, now=lambda: now[0])
    pacer.start()
    for now[0] in (0.049, 0.05, 0.14, 0.201):
        pacer.run()
    assert [round(at, 6) for at in due] == [0.05, 0.1, 0.15, 0.2]
    now[0] = 5.0
    pacer.run()
    assert len(due) == 5
    pacer.stop()
    now[0] = 6.0
    pacer.run()
    assert len(due) == 5


def test_frames_are_values() -> None:
    frame = Frame(epoch=1, tick=1, server_ms=0, acks=[], view=None)
    with pytest.raises(AttributeError):
        frame.tick = 2
    assert msgspec.structs.replace(frame, tick=2) != frame
