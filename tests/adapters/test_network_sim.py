"""Simulated bad connections: in order, nothing lost, and as late as was said. In virtual time."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.adapters.network_sim import (
    INBOUND_BYTES_MAX,
    RESEND_MS,
    Conditions,
    Lane,
    NetworkSimulation,
    SimulatedTransport,
)
from tests.adapters.ws_peer import BINARY, FakeGate, Harness, config, frame, http_request, until
from tests.sim.loop import run

CONDITIONS = st.builds(
    Conditions,
    latency_ms=st.floats(0, 2_000),
    jitter_ms=st.floats(0, 2_000),
    stall_percent=st.floats(0, 100),
)
GAPS = st.lists(st.floats(0, 0.5), min_size=1, max_size=80)
EPSILON_S = 1e-6


# ── when chunks arrive ───────────────────────────────────────────────────────────────────────────


@given(conditions=CONDITIONS, gaps=GAPS, seed=st.integers(0, 2**32))
def test_chunks_keep_their_order_and_come_within_what_was_said(
    conditions: Conditions, gaps: list[float], seed: int
) -> None:
    lane = Lane(conditions, Random(seed))
    least_s = conditions.latency_ms / 2000
    most_s = least_s + conditions.jitter_ms / 2000
    if conditions.stall_percent:
        most_s += conditions.stall_s
    now, last = 0.0, float("-inf")
    for gap in gaps:
        now += gap
        arrival = lane.arrival(now)
        assert arrival >= last, "a chunk has overtaken the one before it"
        assert arrival >= now + least_s - EPSILON_S
        # Late is only what is late itself, or comes behind what is.
        assert arrival <= max(last, now + most_s) + EPSILON_S
        last = arrival


@pytest.mark.parametrize("seed", range(5))
def test_delays_are_spread_as_was_said(seed: int) -> None:
    conditions = Conditions(latency_ms=100, jitter_ms=30, stall_percent=2)
    lane = Lane(conditions, Random(seed))
    chunks = 20_000
    # So far apart that none waits for the one before it.
    delays = [lane.arrival(float(second)) - second for second in range(0, 2 * chunks, 2)]
    stalled = [delay for delay in delays if delay > 0.1]
    usual = [delay for delay in delays if delay <= 0.1]
    # Binomial: 2 % of 20,000 is 400, with a standard deviation of 19.8; five of them.
    assert abs(len(stalled) - 400) < 100
    assert all(0.050 - EPSILON_S <= delay <= 0.065 + EPSILON_S for delay in usual)
    mean = sum(usual) / len(usual)
    assert abs(mean - 0.0575) < 0.0003
    for quarter in range(4):
        within = sum(0.05 + quarter * 0.00375 <= d < 0.05375 + quarter * 0.00375 for d in usual)
        assert abs(within / len(usual) - 0.25) < 0.02
    held_up = (RESEND_MS + 100) / 1000
    assert all(0.05 + held_up - EPSILON_S <= d <= 0.065 + held_up + EPSILON_S for d in stalled)


# ── a transport between two that it deceives ─────────────────────────────────────────────────────


class Real(asyncio.Transport):
    """The socket's transport: notes what is written, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[float, bytes]] = []
        self.reading = True
        self.closing = self.aborted = self.half_closed = False
        self.unsent = 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        assert not self.half_closed
        self.written.append((asyncio.get_running_loop().time(), bytes(data)))

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def write_eof(self) -> None:
        self.half_closed = True

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Inner(asyncio.Protocol):
    """The connection: notes what it is told, and when."""

    def __init__(self) -> None:
        self.got: list[tuple[float, Any]] = []

    def _note(self, what: Any) -> None:
        self.got.append((asyncio.get_running_loop().time(), what))

    def data_received(self, data: bytes) -> None:
        self._note(data)

    def eof_received(self) -> None:
        self._note("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost")

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")


def pair(conditions: Conditions, seed: int = 1) -> tuple[Real, SimulatedTransport, Inner]:
    real, inner = Real(), Inner()
    made = SimulatedTransport(real, conditions, Random(seed))
    made.set_protocol(inner)
    return real, made, inner


@given(
    conditions=CONDITIONS,
    chunks=st.lists(
        st.tuples(st.booleans(), st.binary(min_size=1, max_size=9), st.floats(0, 0.3)), max_size=40
    ),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None)
def test_all_bytes_arrive_once_and_in_order_in_both_directions(
    conditions: Conditions, chunks: list[tuple[bool, bytes, float]], seed: int
) -> None:
    async def play() -> None:
        real, made, inner = pair(conditions, seed)
        for up, chunk, gap in chunks:
            await asyncio.sleep(gap)
            if up:
                real.protocol.data_received(chunk)
            else:
                made.write(chunk)
        real.protocol.eof_received()
        made.write_eof()
        await asyncio.sleep(60)
        up_sent = [chunk for up, chunk, _ in chunks if up]
        down_sent = [chunk for up, chunk, _ in chunks if not up]
        assert [what for _, what in inner.got] == [*up_sent, "eof"]
        assert [chunk for _, chunk in real.written] == down_sent
        assert real.half_closed
        assert real.closing, "nobody kept it open behind the end of the stream"
        assert made.get_write_buffer_size() == 0

    run(play())


def test_both_ways_take_half_of_the_latency() -> None:
    async def play() -> None:
        real, made, inner = pair(Conditions(latency_ms=100))
        began = asyncio.get_running_loop().time()
        real.protocol.data_received(b"ping")
        made.write(b"pong")
        await asyncio.sleep(1)
        assert inner.got == [(pytest.approx(began + 0.05), b"ping")]
        assert real.written == [(pytest.approx(began + 0.05), b"pong")]

    run(play())


def test_a_stall_holds_up_what_is_behind_it_and_then_all_comes_at_once() -> None:
    async def play() -> None:
        lane_seed = next(
            seed
            for seed in range(1000)
            if Lane(Conditions(stall_percent=10), Random(seed)).arrival(0) > 0
        )
        made = SimulatedTransport(Real(), Conditions(stall_percent=10), Random(lane_seed))
        inner = Inner()
        made.set_protocol(inner)
        began = asyncio.get_running_loop().time()
        for number in range(5):
            made.data_received(bytes([number]))
            await asyncio.sleep(0.01)
        assert inner.got == []
        await asyncio.sleep(5)
        assert [what for _, what in inner.got] == [bytes([number]) for number in range(5)]
        assert inner.got[0][0] == pytest.approx(began + 0.2)

    run(play())


def test_closing_comes_after_what_was_written_and_aborting_at_once() -> None:
    async def play() -> None:
        real, made, _ = pair(Conditions(latency_ms=200))
        made.write(b"last words")
        made.close()
        made.write(b"too late")
        assert made.is_closing() and not real.closing
        await asyncio.sleep(1)
        assert [chunk for _, chunk in real.written] == [b"last words"] and real.closing

        real, made, inner = pair(Conditions(latency_ms=200))
        real.protocol.data_received(b"never heard")
        made.write(b"never sent")
        made.abort()
        assert real.aborted
        real.protocol.connection_lost(OSError())
        await asyncio.sleep(1)
        assert real.written == [] and [what for _, what in inner.got] == ["lost"]

    run(play())


def test_the_end_of_a_connection_is_told_after_what_came_before_it() -> None:
    async def play() -> None:
        real, _, inner = pair(Conditions(latency_ms=200))
        real.protocol.data_received(b"last input")
        real.protocol.eof_received()
        real.protocol.connection_lost(None)
        assert inner.got == []
        await asyncio.sleep(1)
        assert [what for _, what in inner.got] == [b"last input", "eof", "lost"]

    run(play())


def test_what_is_on_its_way_fills_the_buffer_and_is_bounded() -> None:
    async def play() -> None:
        real, made, inner = pair(Conditions(latency_ms=200))
        made.set_write_buffer_limits(high=1000)
        made.write(bytes(1001))
        assert [what for _, what in inner.got] == ["pause"]
        assert made.get_write_buffer_size() == 1001
        await asyncio.sleep(1)
        assert [what for _, what in inner.got] == ["pause", "resume"]
        real.unsent = 1001
        real.protocol.pause_writing()
        assert inner.got[-1][1] == "pause"

        real.protocol.data_received(bytes(INBOUND_BYTES_MAX + 1))
        assert not real.reading
        await asyncio.sleep(1)
        assert real.reading

    run(play())


def test_reading_that_the_connection_has_paused_stays_paused() -> None:
    async def play() -> None:
        real, made, _ = pair(Conditions(latency_ms=200))
        real.protocol.data_received(b"x")
        made.pause_reading()
        await asyncio.sleep(1)
        assert not real.reading and not made.is_reading()
        made.resume_reading()
        assert real.reading

    run(play())


# ── who gets it ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "query",
    ["latency_ms=-1", "latency_ms=nan", "jitter_ms=1e9", "stall_percent=101", "stall_percent=x"],
)
def test_conditions_out_of_bounds_are_refused(query: str) -> None:
    with pytest.raises(ValueError):
        NetworkSimulation(Conditions()).asked(query)


def test_what_a_client_does_not_ask_for_is_as_by_default() -> None:
    network = NetworkSimulation(Conditions(latency_ms=100, jitter_ms=30))
    assert network.asked("") == Conditions(latency_ms=100, jitter_ms=30)
    asked = network.asked("ticket=t1&jitter_ms=0&stall_percent=2.5")
    assert asked == Conditions(latency_ms=100, stall_percent=2.5)


def test_a_perfect_connection_is_left_as_it_is() -> None:
    real = Real()
    assert NetworkSimulation(Conditions()).between(real, Conditions()) is real


@pytest.mark.parametrize("network", [None, NetworkSimulation(Conditions())])
async def test_a_client_chooses_only_where_that_is_allowed(
    network: NetworkSimulation | None,
) -> None:
    harness = Harness(FakeGate(), config(), network=network)
    await harness.start()
    try:
        path = "/v1/play?latency_ms=2&jitter_ms=2"
        peer = await harness.upgraded(path=path)
        await until(lambda: harness.gate.sessions)
        [session] = harness.gate.sessions
        # Without a file descriptor nobody reads or writes past the simulated transport.
        assert (session.connection.line.fd == -1) is (network is not None)
        for number in range(50):
            await peer.send(frame(BINARY, bytes([number])))
        assert [(await peer.frame())[1] for _ in range(50)] == [bytes([n]) for n in range(50)]
        if network is not None:
            answer = await harness.ask(http_request("/v1/play?latency_ms=99999"))
            assert (answer.status, answer.code) == (400, "bad_conditions")
    finally:
        for peer in harness.peers:
            peer.writer.transport.abort()
        await harness.server.close()
