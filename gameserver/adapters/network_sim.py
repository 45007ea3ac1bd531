"""Bad connections for development: latency, jitter and stalls of single sessions.

    real transport ── bytes ──► inbound lane ──(later)──► connection
                   ◄─(later)─── outbound lane ◄── bytes ──

A session sits on TCP, which neither loses nor reorders bytes. What a player feels of a lost packet
is that nothing arrives until it was sent again, and then all at once: so loss is simulated as what
it becomes, a **stall**. Each read and each write is one chunk:

    one way = latency_ms / 2  +  0 … jitter_ms / 2 (even)
              and, in stall_percent of the chunks, RESEND_MS + latency_ms more
    no chunk overtakes the one before it

It is put between a socket and its connection when that is made (``WsContext.upgrade``), and only
where asked for: connections without it run the very same code as in production.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

RESEND_MS = 200.0
"""Linux sends again what was not acknowledged after this time and a round trip (TCP_RTO_MIN)."""
INBOUND_BYTES_MAX = 262_144
"""Held for a connection; over it the socket is not read until half of it is delivered."""

Delay = Annotated[float, Meta(ge=0, le=10_000)]


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a round trip, half each way: ``latency_ms`` at least, and up to ``jitter_ms`` more."""

    latency_ms: Delay = 0.0
    jitter_ms: Delay = 0.0
    stall_percent: Annotated[float, Meta(ge=0, le=100)] = 0.0

    @property
    def is_perfect(self) -> bool:
        return not (self.latency_ms or self.jitter_ms or self.stall_percent)

    @property
    def stall_s(self) -> float:
        """What a chunk is held up by that has to be sent again."""
        return (RESEND_MS + self.latency_ms) / 1000


class Lane:
    """When the chunks of one direction arrive. Times in s."""

    __slots__ = ("_conditions", "_last", "_random")

    def __init__(self, conditions: Conditions, random: Random) -> None:
        self._conditions = conditions
        self._random = random
        self._last = float("-inf")

    def arrival(self, now: float) -> float:
        """For a chunk sent ``now``: never before the one sent before it."""
        conditions, random = self._conditions, self._random
        way_s = (conditions.latency_ms + random.random() * conditions.jitter_ms) / 2000
        if conditions.stall_percent and random.random() * 100 < conditions.stall_percent:
            way_s += conditions.stall_s
        self._last = max(self._last, now + way_s)
        return self._last


class NetworkSimulation:
    """What connections are made to suffer: ``default``, or what a client asks for in its URL."""

    def __init__(self, default: Conditions, *, seed: int | None = None) -> None:
        self._default = default
        self._random = Random(seed)

    def asked(self, query: str) -> Conditions:
        """The conditions of a URL's query: ``latency_ms=100&jitter_ms=30&stall_percent=2``; what is
        not in it is as by default. Raises ``ValueError`` for values out of bounds."""
        known = Conditions.__struct_fields__
        given = {key: value for key, value in parse_qsl(query) if key in known}
        default = {name: getattr(self._default, name) for name in known}
        # msgspec's ValidationError is a ValueError, and names the field and its bound.
        return msgspec.convert({**default, **given}, Conditions, strict=False)

    def between(self, transport: asyncio.Transport, conditions: Conditions) -> asyncio.Transport:
        """The transport that the connection gets; ``transport`` itself if nothing is wrong."""
        if conditions.is_perfect:
            return transport
        return SimulatedTransport(transport, conditions, Random(self._random.getrandbits(64)))


class _Queue:
    """Does things in order, each at its time."""

    __slots__ = ("_lane", "_loop", "_timer", "_waiting")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, action: Callable[[], None]) -> None:
        self._waiting.append((self._lane.arrival(self._loop.time()), action))
        if self._timer is None:
            self._arm()

    def drop(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._waiting[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0][0] <= self._loop.time():
            _, action = self._waiting.popleft()
            action()
        if self._waiting and self._timer is None:
            self._arm()


class SimulatedTransport(asyncio.Transport, asyncio.Protocol):
    """To the connection its transport, to the real transport its protocol."""

    def __init__(self, real: asyncio.Transport, conditions: Conditions, random: Random) -> None:
        super().__init__()
        self._real = real
        self._inbound = _Queue(Lane(conditions, random))
        self._outbound = _Queue(Lane(conditions, random))
        self._held_in = self._held_out = 0
        self._high = 65_536
        self._low = self._high // 4
        self._is_full = False
        self._is_ending = False
        self._is_reading = True
        real.set_protocol(self)

    # ── asyncio.Transport, for the connection ────────────────────────────────────────────────

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_ending:
            return
        chunk = bytes(data)
        self._held_out += len(chunk)
        self._outbound.add(lambda: self._send(chunk))
        self._watch_buffer()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self._outbound.add(self._half_close)

    def can_write_eof(self) -> bool:
        return self._real.can_write_eof()

    def close(self) -> None:
        """After what was written before, as any transport does it."""
        if not self._is_ending:
            self._is_ending = True
            self._outbound.add(self._real.close)

    def abort(self) -> None:
        self._is_ending = True
        self._inbound.drop()
        self._outbound.drop()
        self._real.abort()

    def is_closing(self) -> bool:
        return self._is_ending or self._real.is_closing()

    def pause_reading(self) -> None:
        self._is_reading = False
        self._real.pause_reading()

    def resume_reading(self) -> None:
        self._is_reading = True
        if self._held_in <= INBOUND_BYTES_MAX // 2:
            self._real.resume_reading()

    def is_reading(self) -> bool:
        return self._is_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else 65_536 if low is None else 4 * low
        self._low = low if low is not None else self._high // 4
        self._real.set_write_buffer_limits(high=high, low=low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return self._held_out + self._real.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The socket is not told: nobody may read or write past this."""
        return default if name == "socket" else self._real.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    # ── asyncio.Protocol, for the real transport ─────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        self._held_in += len(data)
        self._inbound.add(lambda: self._deliver(data))
        if self._held_in > INBOUND_BYTES_MAX:
            self._real.pause_reading()

    def eof_received(self) -> bool:
        """The real transport stays: what was sent before has not arrived yet."""
        self._inbound.add(self._deliver_eof)
        return True

    def pause_writing(self) -> None:
        self._watch_buffer()

    def resume_writing(self) -> None:
        self._watch_buffer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ending = True
        self._outbound.drop()
        self._held_out = 0
        if exc is not None:
            self._inbound.drop()
            self._protocol.connection_lost(exc)
        else:
            # What had arrived before is delivered before.
            self._inbound.add(lambda: self._protocol.connection_lost(None))

    # ── what is due ──────────────────────────────────────────────────────────────────────────

    def _send(self, chunk: bytes) -> None:
        self._held_out -= len(chunk)
        if not self._real.is_closing():
            self._real.write(chunk)
        self._watch_buffer()

    def _half_close(self) -> None:
        if not self._real.is_closing():
            try:
                self._real.write_eof()
            except OSError:
                self._real.abort()  # The peer has gone already.

    def _deliver(self, data: bytes) -> None:
        self._held_in -= len(data)
        self._protocol.data_received(data)
        if self._is_reading and self._held_in <= INBOUND_BYTES_MAX // 2:
            self._real.resume_reading()

    def _deliver_eof(self) -> None:
        if not self._protocol.eof_received():
            self.close()

    def _watch_buffer(self) -> None:
        size = self.get_write_buffer_size()
        if not self._is_full and size > self._high:
            self._is_full = True
            self._protocol.pause_writing()
        elif self._is_full and size <= self._low:
            self._is_full = False
            self._protocol.resume_writing()
