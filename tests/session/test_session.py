"""A session between fakes: what each message does in each state, and what is never done."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.errors import IdentityUnavailable, StoreUnavailable, TokenRefused
from gameserver.game.contract import LeaveReason
from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format, decode_server, encode_value
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.to_client import ErrorCode
from tests.session.parts import GAMES, REFUSED, Bench, FakeVerifier, identity

ECHO = GAMES["echo"]
FORMATS = [Format.MSGPACK, Format.JSON]


def echo_input() -> object:
    from gameserver.games.bots import BOTS

    made = BOTS["echo"](1).decide(echo_frame_view(), "p1", 0)
    assert made is not None
    return made


def echo_frame_view() -> object:
    from gameserver.game.contract import Setup
    from gameserver.game.random import SeededRandom

    mode = next(iter(ECHO.modes))
    state = ECHO.start(
        Setup(
            mode=mode,
            players_max=ECHO.modes[mode].players_max,
            options=ECHO.modes[mode].options,
            random=SeededRandom(1),
        )
    )
    return ECHO.view(state)


def frame(tick: int) -> Frame:
    return Frame.of(epoch=1, tick=tick, server_ms=0, acks=[0], view=echo_frame_view())


@pytest.mark.parametrize("format", FORMATS)
async def test_welcome_comes_first(format: Format) -> None:
    bench = Bench(format=format)
    [welcome] = bench.connection.messages()
    assert isinstance(welcome, to_client.Welcome)
    assert (welcome.session, welcome.player, welcome.games) == ("s1", "p1", ["echo"])


@pytest.mark.parametrize("format", FORMATS)
async def test_join_input_leave(format: Format) -> None:
    bench = Bench(format=format)
    bench.connection.messages()
    bench.send(from_client.Join(ref=7, game="echo"))
    await bench.settle()
    [joined] = bench.connection.messages()
    assert isinstance(joined, to_client.Joined)
    assert joined.ref == 7

    given = echo_input()
    bench.send(from_client.Input(1, encode_value(given, format)), given)
    assert bench.matches.handle.inputs == [(1, given)]

    bench.send(from_client.Leave(ref=8))
    assert bench.matches.handle.left is LeaveReason.LEFT
    assert bench.connection.messages() == [to_client.Left(8, "m1", "left")]


async def test_ping_returns_what_was_sent() -> None:
    bench = Bench()
    bench.connection.messages()
    bench.send(from_client.Ping(12.5))
    [pong] = bench.connection.messages()
    assert isinstance(pong, to_client.Pong)
    assert pong.sent == 12.5


BAD_ORDER = [
    ("leave before join", from_client.Leave(ref=3), ErrorCode.NOT_JOINED, 3),
]


@pytest.mark.parametrize(("name", "message", "code", "ref"), BAD_ORDER)
async def test_messages_in_the_wrong_state(
    name: str, message: from_client.FromClient, code: ErrorCode, ref: int
) -> None:
    bench = Bench()
    bench.connection.messages()
    bench.send(message)
    [error] = bench.connection.messages()
    assert isinstance(error, to_client.Error)
    assert (error.code, error.ref) == (code, ref)


async def test_input_before_join_is_refused() -> None:
    bench = Bench()
    bench.connection.messages()
    given = echo_input()
    bench.send(from_client.Input(5, encode_value(given, Format.MSGPACK)), given)
    [error] = bench.connection.messages()
    assert isinstance(error, to_client.Error)
    assert error.code is ErrorCode.NOT_JOINED
    assert bench.matches.handle.inputs == []


async def test_second_join_is_refused_while_joining_and_while_seated() -> None:
    bench = Bench()
    bench.connection.messages()
    bench.send(from_client.Join(ref=1, game="echo"))
    bench.send(from_client.Join(ref=2, game="echo"))
    await bench.settle()
    bench.send(from_client.Join(ref=3, game="echo"))
    errors = [m for m in bench.connection.messages() if isinstance(m, to_client.Error)]
    assert [(e.code, e.ref) for e in errors] == [
        (ErrorCode.ALREADY_JOINED, 2),
        (ErrorCode.ALREADY_JOINED, 3),
    ]
    assert bench.matches.seated == 1


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (REFUSED, ErrorCode.MATCH_FULL),
        (StoreUnavailable("redis"), ErrorCode.UNAVAILABLE),
        (RuntimeError("a defect"), ErrorCode.UNAVAILABLE),
    ],
)
async def test_a_refused_join_leaves_the_session_open(refusal: Exception, code: str) -> None:
    bench = Bench()
    bench.connection.messages()
    bench.matches.refusal = refusal
    bench.send(from_client.Join(ref=4, game="echo"))
    await bench.settle()
    [error] = bench.connection.messages()
    assert isinstance(error, to_client.Error)
    assert (error.code, error.ref) == (code, 4)
    bench.matches.refusal = None
    await bench.seated()
    assert bench.matches.seated == 1


async def test_a_seat_won_after_the_connection_went_is_detached() -> None:
    bench = Bench()
    bench.send(from_client.Join(ref=1, game="echo"))
    bench.session.closed()
    await bench.settle()
    assert bench.matches.handle.detached
    assert bench.closed == [bench.session]


async def test_closing_keeps_the_seat_for_the_grace_period() -> None:
    bench = Bench()
    await bench.seated()
    bench.session.closed()
    assert bench.matches.handle.detached
    assert bench.matches.handle.left is None


async def test_rejected_inputs_are_answered_and_do_not_close() -> None:
    bench = Bench(bad_messages_max=2)
    await bench.seated()
    bench.matches.handle.answer = ErrorCode.TOO_MANY_INPUTS
    given = echo_input()
    for seq in range(1, 6):
        bench.send(from_client.Input(seq, encode_value(given, Format.MSGPACK)), given)
    codes = {m.code for m in bench.connection.messages() if isinstance(m, to_client.Error)}
    assert codes == {ErrorCode.TOO_MANY_INPUTS}
    assert bench.connection.closed_with is None


async def test_garbage_is_answered_then_closes() -> None:
    bench = Bench(bad_messages_max=3)
    bench.connection.messages()
    for _ in range(3):
        bench.session.received(b"\xc1garbage")
    errors = bench.connection.messages()
    assert [e.code for e in errors if isinstance(e, to_client.Error)] == ["bad_message"] * 3
    bench.session.received(b"\xc1garbage")
    assert bench.connection.closed_with is CloseCode.BAD_MESSAGES


async def test_messages_over_the_rate_are_dropped_then_close() -> None:
    bench = Bench(messages_per_s=1, messages_burst=5, bad_messages_max=3)
    bench.connection.messages()
    for _ in range(5):
        bench.send(from_client.Ping(1))
    assert len(bench.connection.messages()) == 5
    for _ in range(3):
        bench.send(from_client.Ping(1))
    errors = bench.connection.messages()
    assert {e.code for e in errors if isinstance(e, to_client.Error)} == {"rate_limited"}
    assert bench.connection.closed_with is None
    bench.send(from_client.Ping(1))
    assert bench.connection.closed_with is CloseCode.RATE_LIMITED


async def test_a_flood_of_bad_messages_is_not_answered_one_by_one() -> None:
    bench = Bench(bad_messages_max=1000, messages_burst=1000)
    bench.connection.messages()
    for _ in range(500):
        bench.session.received(b"")
    assert 1 <= len(bench.connection.messages()) <= 20


async def test_frames_are_whole_first_then_differences() -> None:
    bench = Bench()
    await bench.seated()
    assert bench.matches.subscriber is bench.session
    bench.session.frame(frame(1))
    bench.session.frame(frame(2))
    first, second = bench.connection.messages()
    assert isinstance(first, to_client.Snapshot)
    assert isinstance(second, to_client.Delta | to_client.Snapshot)
    if isinstance(second, to_client.Delta):
        assert second.base == 1


async def test_a_slow_socket_gets_only_the_newest_frame() -> None:
    bench = Bench()
    await bench.seated()
    bench.session.frame(frame(1))
    bench.connection.writable = False
    for tick in range(2, 9):
        bench.session.frame(frame(tick))
    assert [m.tick for m in bench.connection.messages()] == [1]
    bench.connection.writable = True
    bench.session.became_writable()
    [late] = bench.connection.messages()
    assert late.tick == 8
    assert not isinstance(late, to_client.Delta) or late.base == 1
    assert bench.metrics.snapshots_replaced == 6


async def test_reliable_messages_wait_in_order_then_close_the_slow_consumer() -> None:
    bench = Bench(reliable_queue_max=4)
    await bench.seated()
    bench.connection.writable = False
    for seq in range(1, 5):
        bench.session.announce(Broadcast.event(seq, 1, "kill", None, {}))
    assert bench.connection.closed_with is None
    bench.connection.writable = True
    bench.session.became_writable()
    assert [m.seq for m in bench.connection.messages()] == [1, 2, 3, 4]

    bench.connection.writable = False
    for seq in range(5, 10):
        bench.session.announce(Broadcast.event(seq, 1, "kill", None, {}))
    assert bench.connection.closed_with is CloseCode.SLOW_CONSUMER
    assert bench.metrics.slow_consumers == 1
    assert bench.matches.handle.detached


async def test_the_match_ends_and_the_next_one_can_be_joined() -> None:
    bench = Bench()
    await bench.seated()
    bench.session.left("ended")
    assert bench.connection.messages() == [to_client.Left(0, "m1", "ended")]
    bench.session.frame(frame(9))
    assert bench.connection.messages() == []
    await bench.seated()
    bench.session.frame(frame(1))
    [whole] = bench.connection.messages()
    assert isinstance(whole, to_client.Snapshot)


async def test_the_session_ends_with_its_token() -> None:
    bench = Bench(expires_in_s=0.02)
    async with asyncio.timeout(60):
        await bench.connection.gone.wait()
    assert bench.connection.closed_with is CloseCode.TOKEN_EXPIRED


async def test_refresh_prolongs_the_session() -> None:
    bench = Bench(expires_in_s=0.05, verifier=FakeVerifier(identity("p1", expires_in_s=7200)))
    bench.connection.messages()
    bench.send(from_client.Refresh(ref=5, token="new"))
    await bench.settle()
    [refreshed] = bench.connection.messages()
    assert refreshed == to_client.Refreshed(5, identity("p1", expires_in_s=7200).expires_ms)
    await asyncio.sleep(0.1)
    assert bench.connection.closed_with is None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (TokenRefused("expired", "the token has expired"), ErrorCode.BAD_TOKEN),
        (identity("somebody-else"), ErrorCode.BAD_TOKEN),
        (IdentityUnavailable("no keys"), ErrorCode.UNAVAILABLE),
    ],
)
async def test_a_refused_refresh_changes_nothing(answer: object, code: ErrorCode) -> None:
    bench = Bench(verifier=FakeVerifier(answer))  # type: ignore[arg-type]
    before = bench.session.identity
    bench.connection.messages()
    bench.send(from_client.Refresh(ref=6, token="x"))
    await bench.settle()
    [error] = bench.connection.messages()
    assert isinstance(error, to_client.Error)
    assert (error.code, error.ref) == (code, 6)
    assert bench.session.identity is before


async def test_moving_away_says_when_to_leave_and_lets_play_until_then() -> None:
    bench = Bench()
    await bench.seated()
    bench.session.move_away(after_ms=100, reason="replaced")
    assert bench.connection.messages() == [to_client.Reconnect(100, "replaced")]
    assert bench.connection.closed_with is None
    async with asyncio.timeout(60):
        await bench.connection.gone.wait()
    assert bench.connection.closed_with is CloseCode.RESTART
    assert bench.matches.handle.detached


async def test_nothing_is_heard_or_said_after_the_end() -> None:
    bench = Bench()
    await bench.seated()
    bench.session.close(CloseCode.KICKED)
    written = len(bench.connection.written)
    bench.send(from_client.Ping(1))
    bench.session.frame(frame(1))
    bench.session.announce(Broadcast.event(1, 1, "kill", None, {}))
    bench.session.left("ended")
    bench.session.became_writable()
    assert len(bench.connection.written) == written


def test_decode_server_reads_what_the_session_writes() -> None:
    # Guards the helper above: a message list that is always empty would prove nothing.
    encoded = Broadcast(to_client.Pong(1.0, 2)).encoded(Format.JSON)
    assert decode_server(encoded[2:], Format.JSON) == to_client.Pong(1.0, 2)


async def test_inputs_in_flight_when_the_match_ends_are_no_mistake() -> None:
    bench = Bench(bad_messages_max=1)
    await bench.seated()
    bench.session.left("ended")
    bench.connection.messages()
    given = echo_input()
    for seq in range(1, 6):
        bench.send(from_client.Input(seq, encode_value(given, Format.MSGPACK)), given)
    assert bench.connection.messages() == []
    assert bench.connection.closed_with is None
    assert bench.metrics.inputs_dropped == 5


async def test_the_match_polls_the_connection_while_it_runs() -> None:
    bench = Bench()
    await bench.seated()
    bench.session.polled(True)
    assert bench.connection.is_polled
    assert bench.session.line is bench.connection.line
    bench.session.left("ended")
    assert not bench.connection.is_polled
    await bench.seated()
    bench.session.polled(True)
    bench.session.close(CloseCode.KICKED)
    assert not bench.connection.is_polled
