"""Events of a match that wait for its next frame, to be written together with it."""

from __future__ import annotations

import msgspec
import pytest

from gameserver.metrics import Metrics
from gameserver.session.outgoing import Outgoing
from gameserver.wire import to_client
from gameserver.wire.codec import Format
from gameserver.wire.frame import Broadcast, Frame
from tests.session.parts import FakeConnection

ROOM = 3


class View(msgspec.Struct):
    n: int


class Player:
    """One session's output, of which each ``said`` empties what was written."""

    def __init__(self, format: Format = Format.MSGPACK) -> None:
        self.connection = FakeConnection(format)
        self.metrics = Metrics()
        self.outgoing = Outgoing(self.connection, reliable_max=ROOM, metrics=self.metrics)
        self.outgoing.start_frames()
        self.outgoing.ride(True)
        self._format = format

    def event(self, seq: int) -> bytes:
        return Broadcast.event(seq, 1, "kill", None, {}).encoded(self._format)

    def said(self) -> tuple[int, list[str | int]]:
        """How many writes, and in them the events' numbers and the frames."""
        writes = len(self.connection.written)
        return writes, [
            message.seq if isinstance(message, to_client.Event) else "frame"
            for message in self.connection.messages()
        ]


def frame(tick: int) -> Frame:
    return Frame.of(epoch=1, tick=tick, server_ms=0, acks=[], view=View(tick))


@pytest.fixture(params=[Format.MSGPACK, Format.JSON])
async def player(request: pytest.FixtureRequest) -> Player:
    return Player(request.param)


async def test_events_go_before_the_next_frame_in_one_write(player: Player) -> None:
    assert player.outgoing.soon(player.event(1))
    assert player.outgoing.soon(player.event(2))
    assert player.said() == (0, [])
    player.outgoing.frame(frame(2))
    assert player.said() == (1, [1, 2, "frame"])
    assert (player.metrics.reliable_sent, player.metrics.snapshots_sent) == (2, 1)
    player.outgoing.frame(frame(3))
    assert player.said() == (1, ["frame"])


async def test_the_quick_loop_leaves_out_who_has_events_waiting() -> None:
    player = Player()
    line = player.connection.line
    player.outgoing.frame(frame(1))
    assert line.showing
    player.outgoing.soon(player.event(1))
    assert not line.showing
    player.outgoing.frame(frame(2))
    assert line.showing


async def test_what_is_not_an_event_takes_them_along_at_once(player: Player) -> None:
    player.outgoing.soon(player.event(1))
    assert player.outgoing.reliable(player.event(2))
    assert player.said() == (1, [1, 2])
    assert player.metrics.reliable_sent == 2


async def test_without_a_frame_at_each_tick_nothing_waits(player: Player) -> None:
    player.outgoing.soon(player.event(1))
    player.outgoing.ride(False)
    assert player.said() == (1, [1])
    player.outgoing.soon(player.event(2))
    assert player.said() == (1, [2])


async def test_who_leaves_is_told_first(player: Player) -> None:
    player.outgoing.soon(player.event(1))
    player.outgoing.stop_frames()
    assert player.said() == (1, [1])


async def test_a_slow_socket_gets_them_in_order_when_it_takes_data_again(player: Player) -> None:
    player.outgoing.soon(player.event(1))
    player.connection.writable = False
    player.outgoing.frame(frame(2))
    player.outgoing.soon(player.event(2))
    player.outgoing.ride(False)
    assert player.said() == (0, [])
    player.connection.writable = True
    player.outgoing.flush()
    assert player.said()[1] == [1, 2, "frame"]


async def test_more_than_there_is_room_for_does_not_wait(player: Player) -> None:
    assert all(player.outgoing.soon(player.event(seq)) for seq in range(1, ROOM + 2))
    assert player.said() == (1, [1, 2, 3, 4])


async def test_more_than_a_slow_socket_has_room_for_is_refused(player: Player) -> None:
    player.connection.writable = False
    assert all(player.outgoing.soon(player.event(seq)) for seq in range(1, ROOM + 1))
    assert not player.outgoing.soon(player.event(ROOM + 1))
