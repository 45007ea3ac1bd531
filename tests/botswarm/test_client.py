"""Bots against a real server on a socket, which keeps the protocol or breaks it on purpose."""

from __future__ import annotations

import socket
import ssl
from http import HTTPStatus

import msgspec
import pytest
import trustme

from botswarm.ledger import EndLine, EventLine, MatchLine
from botswarm.reading import Reading
from gameserver.wire import to_client
from gameserver.wire.codec import Format
from gameserver.wire.to_client import ErrorCode
from tests.botswarm.server import Server

both_readings = pytest.mark.parametrize("run", [Reading.WOKEN, Reading.POLLED], indirect=True)


def once(fault):
    """A fault on the third tick of the first connection only."""

    async def at_third_tick(peer) -> bool:
        if peer.nth == 1 and peer.ticks == 3:
            return await fault(peer)
        return False

    return at_third_tick


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("brain", ["full", "scripted"])
async def test_bots_play(run, format, brain):
    outcome = await run.until(
        lambda stats: stats.latency.count > 50 and stats.events > 8,
        bots=4, format=format, brain=brain,
    )  # fmt: skip
    total = outcome.total
    assert total.errors == {}
    assert (total.handshakes, total.joins, total.given_up) == (4, 4, 0)
    assert (total.connected, total.playing) == (0, 0)
    assert total.snapshots > total.full_snapshots == 4
    assert 0 < total.latency.percentile(50) < 5_000_000
    assert run.server.leaves == 4
    lines = list(outcome.ledger.lines())
    assert [line.match for line in lines if isinstance(line, MatchLine)] == ["m1"]
    beats = [line for line in lines if isinstance(line, EventLine)]
    assert beats and {line.kind for line in beats} == {"beat"}
    assert max(line.clients for line in beats) == 4
    assert outcome.interrupted
    assert (total.measured_bots, total.polled_joins) == (4, 0)


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("brain", ["full", "scripted"])
async def test_bots_whose_sockets_are_polled_play(run, monkeypatch, format, brain):
    monkeypatch.setattr("botswarm.reading.MEASURED", 2)
    run.reading = Reading.POLLED
    outcome = await run.until(
        lambda stats: stats.latency.count > 50 and stats.events > 20,
        bots=6, format=format, brain=brain,
    )  # fmt: skip
    total = outcome.total
    assert total.errors == {}
    assert (total.handshakes, total.joins, total.given_up) == (6, 6, 0)
    assert (total.measured_bots, total.polled_joins) == (2, 4)
    assert total.latency.count < total.inputs / 2
    assert total.snapshots > total.full_snapshots == 6
    assert run.server.leaves == 6
    beats = [line for line in outcome.ledger.lines() if isinstance(line, EventLine)]
    assert max(line.clients for line in beats) == 6


async def test_bots_that_seldom_send_are_woken(run):
    run.reading = Reading.POLLED
    outcome = await run.until(lambda stats: stats.snapshots > 20, bots=2, rate=2.0)
    assert outcome.total.errors == {}
    assert outcome.total.polled_joins == 0


@both_readings
@pytest.mark.parametrize("rejoin", [True, False])
async def test_when_a_match_ends_the_next_is_joined(run, rejoin):
    run.server.match_ticks = 15
    outcome = await run.until(
        lambda stats: stats.matches_left >= 4, bots=2, rejoin=rejoin, duration_s=3.0
    )
    assert outcome.total.errors == {}
    ends = [line for line in outcome.ledger.lines() if isinstance(line, EndLine)]
    assert len(ends) == outcome.ledger.matches_ended >= (2 if rejoin else 1)
    assert ends[0].reason == "finished"
    assert len(ends[0].standings) == 2
    assert outcome.total.joins >= (4 if rejoin else 2)
    if not rejoin:
        assert (outcome.total.joins, outcome.interrupted) == (2, False)


@both_readings
async def test_finish_waits_for_the_end_of_the_match(run):
    run.server.match_ticks = 40
    outcome = await run.until(lambda stats: False, bots=2, duration_s=0.2, finish_s=20.0)
    assert not outcome.interrupted
    # On a busy machine the second bot may come too late for the first one's match.
    assert outcome.ledger.matches_ended == outcome.ledger.matches_joined >= 1
    assert outcome.total.errors == {}


@both_readings
async def test_a_dropped_connection_is_resumed_without_a_gap(run):
    async def drop(peer) -> bool:
        peer.ws.transport.abort()
        return True

    run.server.fault = once(drop)
    outcome = await run.until(lambda stats: stats.resumes and stats.events > 5)
    assert outcome.total.errors == {"close:abnormal": 1}
    resume = run.server.joins[1].resume
    assert resume is not None and resume.epoch == 1
    assert run.server.joins[1].match == "m1"


@both_readings
async def test_reconnect_is_followed_and_is_no_error(run):
    async def move(peer) -> bool:
        await peer.send(to_client.Reconnect(50, "drain"))
        await peer.ws.close(1012, "restart")
        return True

    run.server.fault = once(move)
    outcome = await run.until(lambda stats: stats.resumes)
    assert outcome.total.errors == {}
    assert outcome.total.reconnects == 1


@both_readings
async def test_reconnect_is_followed_though_the_server_stays_open(run):
    async def announce(peer) -> bool:
        await peer.send(to_client.Reconnect(50, "drain"))
        return False

    run.server.fault = once(announce)
    outcome = await run.until(lambda stats: stats.resumes)
    assert outcome.total.errors == {}


@both_readings
@pytest.mark.parametrize(
    ("code", "kind", "comes_back"),
    [
        (1012, "close:restart", True),
        (1011, "close:internal_error", True),
        (4004, "close:slow_consumer", True),
        (4001, "close:token_expired", False),
        (4003, "close:replaced", False),
        (1000, "close:normal", False),
    ],
)
async def test_close_codes(run, code, kind, comes_back):
    async def close(peer) -> bool:
        await peer.ws.close(code, "x")
        return True

    run.server.fault = once(close)
    outcome = await run.until(lambda stats: stats.resumes or stats.given_up)
    assert outcome.total.errors == {kind: 1}
    assert (outcome.total.resumes, outcome.total.given_up) == (comes_back, not comes_back)


def send_frame(server: Server, **changes):
    async def fault(peer) -> bool:
        await server.send_frame(peer, **changes)
        return True

    return fault


async def skip_event(server: Server, peer) -> bool:
    """Of two new events the first is left out and the second told twice."""
    server.matches[-1].emit("beat", None, {})
    peer.seq = server.matches[-1].emit("beat", None, {})
    for _ in range(2):
        await server.announce(peer, peer.seq, (0, "beat", None, {}))
    return True


async def send_raw(peer, data: bytes) -> bool:
    await peer.ws.send(data, text=False)
    return False


FAULTS = {
    "protocol:delta_base": lambda server: send_frame(server, base=-7),
    "protocol:tick_order": lambda server: send_frame(server, epoch=0),
    "protocol:acks_short": lambda server: send_frame(server, acks=[]),
    "protocol:ack_unsent": lambda server: send_frame(server, acks=[10**6]),
    "protocol:seq_gap": lambda server: lambda peer: skip_event(server, peer),
    "protocol:seq_repeat": lambda server: lambda peer: skip_event(server, peer),
    "protocol:undecodable": lambda server: lambda peer: send_raw(peer, b"\xc1nonsense"),
    "protocol:unexpected_pong": lambda server: lambda peer: say(peer, to_client.Pong(1, 1)),
    "protocol:unexpected_joined": lambda server: lambda peer: say(peer, joined()),
    "protocol:left_other_match": lambda server: (
        lambda peer: say(peer, to_client.Left(0, "other", "left"))
    ),
    "protocol:ended_unannounced": lambda server: (
        lambda peer: say(peer, to_client.Left(0, "m1", "ended"))
    ),
    "protocol:event_data": lambda server: (
        lambda peer: say(peer, to_client.Event(1, 1, "match_ended", None, msgspec.Raw(b"\x80")))
    ),
    "left:game_error": lambda server: lambda peer: say(peer, to_client.Left(0, "m1", "game_error")),
    "error:rate_limited": lambda server: (
        lambda peer: say(peer, to_client.Error(ErrorCode.RATE_LIMITED, "slow down"))
    ),
    "paused": lambda server: lambda peer: say(peer, to_client.Paused("store")),
}


async def say(peer, message) -> bool:
    await peer.send(message)
    return False


def joined() -> to_client.Joined:
    return to_client.Joined(9, "m", "echo", "standard", 1, 1, 20, 0, 0, 0, False, [])


@both_readings
@pytest.mark.parametrize("brain", ["full", "scripted"])
@pytest.mark.parametrize("kind", sorted(FAULTS))
async def test_what_the_server_does_wrong_is_counted_by_kind(run, kind, brain):
    run.server.fault = once(FAULTS[kind](run.server))
    outcome = await run.until(lambda stats: kind in stats.errors, brain=brain)
    assert outcome.total.errors[kind] == 1


async def test_a_wrong_seat_is_noticed(run):
    async def wrong(peer, message) -> bool:
        await run.server.join(peer, message, seat=5)
        return True

    run.server.on_join = wrong
    outcome = await run.until(lambda stats: stats.joins)
    assert outcome.total.errors["protocol:joined_seat"] == 1


@both_readings
async def test_a_stall_is_an_error(run):
    async def silence(peer) -> bool:
        return 3 <= peer.ticks < 65

    run.server.fault = silence
    outcome = await run.until(lambda stats: stats.stall.count)
    assert outcome.total.errors == {"stall": 1}
    assert outcome.total.stall.max > 1_000_000


async def test_a_refused_token_ends_the_bot(run):
    run.server.statuses = [(HTTPStatus.UNAUTHORIZED, {})]
    outcome = await run.until(lambda stats: False, bots=1)
    assert outcome.total.errors == {"handshake_401": 1}
    assert (outcome.total.given_up, outcome.total.connects) == (1, 1)


async def test_an_overloaded_server_is_tried_again(run):
    run.server.statuses = [(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})]
    outcome = await run.until(lambda stats: stats.joins)
    assert outcome.total.errors == {"handshake_503": 1}


async def test_a_server_that_is_not_there(run):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{reserved.getsockname()[1]}"
        outcome = await run.until(lambda stats: stats.connects > 2, url=url)
    assert set(outcome.total.errors) == {"connect_refused"}
    assert outcome.total.joins == 0


@pytest.mark.parametrize(
    ("code", "comes_back"),
    [
        (ErrorCode.UNKNOWN_MODE, False),
        (ErrorCode.REFUSED, False),
        (ErrorCode.UNAVAILABLE, True),
        (ErrorCode.MATCH_FULL, True),
        (ErrorCode.DRAINING, True),
    ],
)
async def test_refused_joins(run, code, comes_back):
    async def refuse(peer, message) -> bool:
        if len(run.server.joins) > 1:
            return False
        await peer.send(to_client.Error(code, "no", message.ref))
        return True

    run.server.on_join = refuse
    outcome = await run.until(lambda stats: stats.joins or stats.given_up)
    assert outcome.total.errors == {f"error:{code.value}": 1}
    assert (outcome.total.joins, outcome.total.given_up) == (comes_back, not comes_back)


@both_readings
async def test_a_match_that_ended_meanwhile_is_given_up_for_another(run):
    async def drop(peer) -> bool:
        peer.ws.transport.abort()
        return True

    async def forget(peer, message) -> bool:
        if message.resume is None:
            return False
        await peer.send(to_client.Error(ErrorCode.UNKNOWN_MATCH, "over", message.ref))
        return True

    run.server.fault = once(drop)
    run.server.on_join = forget
    outcome = await run.until(lambda stats: stats.joins >= 2)
    assert outcome.total.errors == {"close:abnormal": 1}
    assert [join.resume is None for join in run.server.joins] == [True, False, True]


async def test_silence_after_the_handshake_is_a_timeout(run, monkeypatch):
    monkeypatch.setattr("botswarm.client.ANSWER_S", 0.1)
    run.server.welcome = False
    outcome = await run.until(lambda stats: "timeout:welcome" in stats.errors)
    assert outcome.total.joins == 0
    run.server.welcome = True


async def test_silence_after_a_join_is_a_timeout(run, monkeypatch):
    monkeypatch.setattr("botswarm.client.ANSWER_S", 0.1)

    async def ignore(peer, message) -> bool:
        return True

    run.server.on_join = ignore
    outcome = await run.until(lambda stats: "timeout:join" in stats.errors)
    assert outcome.total.joins == 0


async def test_pings_are_answered_and_measured(run, monkeypatch):
    monkeypatch.setattr("botswarm.pinger.PING_S", 0.05)
    outcome = await run.until(lambda stats: stats.ping.count >= 3)
    assert outcome.total.errors == {}


async def test_wss(run, tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with Server(ssl=context) as server:
        run.server = server
        outcome = await run.until(
            lambda stats: stats.snapshots > 5, ca_file=str(tmp_path / "ca.pem")
        )
        assert outcome.total.errors == {}
        run.stop.clear()
        outcome = await run.until(lambda stats: stats.errors)
        assert set(outcome.total.errors) == {"tls:certificate_verify_failed"}
