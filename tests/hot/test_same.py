"""The compiled loops against the plain ones: whatever players send, everybody is told the same.

A whole match in virtual time, with real sockets, runs once with each. The bytes that every client
received must be equal, and so must the counts.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver import hot
from gameserver.hot import plain_beat
from gameserver.match import play as rules
from gameserver.metrics import COUNTERS
from gameserver.wire import from_client
from gameserver.wire.codec import Format, encode_client
from tests.conftest import needs_compiled
from tests.fakes.clock import LoopClock
from tests.hot.parts import MASK, Player, client_frame
from tests.match.games import Do
from tests.match.house import House
from tests.sim.loop import run

TICK_S = 0.05
SETTINGS: dict[str, Any] = {
    "inputs_per_tick_max": 3,
    "messages_per_s": 40,
    "messages_burst": 60,
    "payload_bytes_max": 600,
    "buffer_bytes_high": 4096,
}


@dataclass
class Send:
    """``player`` sends ``data`` before the next tick."""

    player: int
    data: bytes


@dataclass
class Pass:
    """Time goes by; only then do those who read slowly empty their sockets."""

    ticks: int
    read: bool = True


@dataclass
class Told:
    """What came of a run."""

    bytes: list[bytearray] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    closed: list[bool] = field(default_factory=list)


async def play(
    module: ModuleType,
    script: list[Send | Pass],
    *,
    formats: tuple[Format, ...],
    small_buffers: bool,
) -> Told:
    patch = pytest.MonkeyPatch()
    patch.setattr(rules, "Beat", module.Beat)
    told = Told([bytearray() for _ in formats])
    players: list[Player] = []
    try:
        async with House(**SETTINGS) as house:
            for number, format in enumerate(formats):
                pair = socket.socketpair()
                if small_buffers:
                    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                player = Player(
                    f"p{number}",
                    house.service,
                    house.config,
                    house.metrics,
                    LoopClock(asyncio.get_running_loop().time),
                    format=format,
                    pair=pair,
                )
                player.sock.setblocking(False)
                players.append(player)
                await player.join("count")
            for step in script:
                if isinstance(step, Send):
                    players[step.player].sock.send(step.data)
                    continue
                for _ in range(step.ticks):
                    await asyncio.sleep(TICK_S)
                    for number, player in enumerate(players):
                        if step.read:
                            told.bytes[number] += player.receive()
            await asyncio.sleep(1)
            for number, player in enumerate(players):
                told.bytes[number] += player.receive()
                told.closed.append(player.transport.closing)
            told.counts = {name: getattr(house.metrics, name) for name in COUNTERS}
    finally:
        patch.undo()
        for player in players:
            player.close()
    return told


def both(
    script: list[Send | Pass],
    *,
    formats: tuple[Format, ...] = (Format.MSGPACK,) * 3,
    small_buffers: bool = False,
) -> Told:
    needs_compiled(hot.COMPILED)
    first, second = [
        run(play(module, script, formats=formats, small_buffers=small_buffers))
        for module in (plain_beat, hot)
    ]
    assert first == second
    return first


def inputs(first: int, count: int, what: str = "add") -> bytes:
    return b"".join(
        client_frame(
            encode_client(from_client.Input(seq, None), Format.MSGPACK, Do(what, seq))  # type: ignore[arg-type]
        )
        for seq in range(first, first + count)
    )


PING = client_frame(encode_client(from_client.Ping(1.5), Format.MSGPACK))
ODD = [
    client_frame(b""),
    client_frame(b"\xc1"),
    client_frame(b"\x00" * 125),
    client_frame(b"\x00" * 126),
    client_frame(b"\x00" * 601),
    client_frame(b"hello", first=0x81),
    client_frame(b"part", first=0x02),
    client_frame(b"rest", first=0x80),
    client_frame(b"", first=0x89),
    client_frame(b"\x03\xe8", first=0x88),
    b"\x82\x01x",
    inputs(5, 1)[:-3],
    b"\x82\x85" + MASK,
    client_frame(encode_client(from_client.Leave(3), Format.MSGPACK)),
]

actions = st.one_of(
    st.builds(
        Send,
        st.integers(0, 2),
        st.one_of(
            st.builds(inputs, st.integers(0, 30), st.integers(1, 6)),
            st.builds(inputs, st.integers(0, 30), st.just(1), st.sampled_from(["emit", "nothing"])),
            st.sampled_from([PING, *ODD]),
            st.binary(max_size=12),
        ),
    ),
    st.builds(Pass, st.integers(1, 3)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=25))
def test_whatever_is_sent(script: list[Send | Pass]) -> None:
    both(script)


def test_an_input_a_tick_is_taken_by_the_usual_way() -> None:
    script: list[Send | Pass] = []
    for seq in range(1, 20):
        script += [Send(player, inputs(seq, 1)) for player in range(3)]
        script.append(Pass(1))
    told = both(script)
    assert told.counts["inputs_received"] == 57
    assert told.counts["fast_frames"] >= 57
    assert told.counts["slow_frames"] == 0
    assert told.counts["messages_bad"] == 0


def test_who_leaves_takes_no_input_of_others_along() -> None:
    """A seat is given up in the middle of a round of reading."""
    leave = client_frame(encode_client(from_client.Leave(3), Format.MSGPACK))
    told = both([Pass(1), Send(0, inputs(1, 1)), Send(1, leave), Send(2, inputs(1, 2)), Pass(2)])
    assert told.counts["inputs_received"] == 3


def test_more_than_a_read_holds_and_more_than_a_step_takes() -> None:
    told = both([Send(0, inputs(1, 40)), Pass(3), Send(0, inputs(41, 1)), Pass(2)])
    assert told.counts["inputs_received"] == 3 + 1
    assert told.counts["inputs_dropped"] == 37


def test_over_the_rate_limit() -> None:
    script: list[Send | Pass] = []
    for seq in range(1, 300, 3):
        script += [Send(0, inputs(seq, 3)), Pass(1)]
    told = both(script)
    assert told.counts["messages_rate_limited"] > 10


def test_formats_side_by_side_and_json_is_shown_too() -> None:
    script: list[Send | Pass] = [Send(0, inputs(1, 1)), Pass(20), Send(2, PING), Pass(3)]
    told = both(script, formats=(Format.MSGPACK, Format.JSON, Format.MSGPACK))
    assert b'"delta"' in told.bytes[1]


def test_slow_readers_get_the_newest_and_hold_up_nobody() -> None:
    script: list[Send | Pass] = []
    for seq in range(1, 200):
        script += [Send(0, inputs(seq, 1, "emit" if seq % 8 == 0 else "add")), Pass(1, read=False)]
    told = both(script, small_buffers=True)
    assert told.counts["ticks"] >= 199


def test_who_is_gone_is_noticed() -> None:
    """The client's end is closed: the server reads the end, or its write fails."""

    async def gone(module: ModuleType) -> tuple[int, bool]:
        patch = pytest.MonkeyPatch()
        patch.setattr(rules, "Beat", module.Beat)
        try:
            async with House() as house:
                clock = LoopClock(asyncio.get_running_loop().time)
                player = Player("p", house.service, house.config, house.metrics, clock)
                await player.join("count")
                await asyncio.sleep(1)
                ticks = house.metrics.ticks
                player.sock.close()
                await asyncio.sleep(1)
                closing = player.transport.closing
                player.close()
                return house.metrics.ticks - ticks, closing
        finally:
            patch.undo()

    needs_compiled(hot.COMPILED)
    assert run(gone(plain_beat)) == run(gone(hot)) == (20, True)
