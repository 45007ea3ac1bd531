"""What a process of the swarm counts. Everything adds up over processes."""

from __future__ import annotations

import msgspec

from botswarm.histogram import Histogram

ERROR_KINDS_MAX = 200
"""More kinds than this fall under ``other``: a kind may hold a word that the server chose."""


class Stats(msgspec.Struct, kw_only=True):
    """Counters since the start; ``connected`` and ``playing`` are of the moment. ``measured_bots``:
    those of which latency is taken where sockets are polled; ``polled_joins``: joins after which
    they were.

    ``latency``: from sending an input to the first snapshot that acknowledges it. ``ping``: from a
    ``Ping`` to its ``Pong``. ``connect``: from the TCP connect to the end of the handshake.
    ``stall``: lengths of the gaps over 1 s between two snapshots. ``lag``: how late the event loop
    of the generator woke up. ``late``: how late at most each thing was done that its timers held,
    which are the sends above all. All in µs. ``inputs_missed``: those left out for want of time.
    """

    connected: int = 0
    playing: int = 0
    given_up: int = 0
    measured_bots: int = 0
    connects: int = 0
    handshakes: int = 0
    reconnects: int = 0
    joins: int = 0
    resumes: int = 0
    polled_joins: int = 0
    inputs: int = 0
    inputs_missed: int = 0
    snapshots: int = 0
    full_snapshots: int = 0
    events: int = 0
    matches_left: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    errors: dict[str, int] = {}
    latency: Histogram = msgspec.field(default_factory=Histogram)
    ping: Histogram = msgspec.field(default_factory=Histogram)
    connect: Histogram = msgspec.field(default_factory=Histogram)
    stall: Histogram = msgspec.field(default_factory=Histogram)
    lag: Histogram = msgspec.field(default_factory=Histogram)
    late: Histogram = msgspec.field(default_factory=Histogram)

    def error(self, kind: str, count: int = 1) -> None:
        """Count an error under ``kind``, for instance ``close:slow_consumer``."""
        errors = self.errors
        if kind not in errors and len(errors) >= ERROR_KINDS_MAX:
            kind = "other"
        errors[kind] = errors.get(kind, 0) + count

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())

    def merge(self, other: Stats) -> None:
        """Add the figures of another process."""
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, count in other.errors.items():
            self.error(kind, count)
        for name in HISTOGRAMS:
            getattr(self, name).merge(getattr(other, name))

    def copy(self) -> Stats:
        """An independent copy."""
        copied = Stats()
        copied.merge(self)
        return copied

    def since(self, earlier: Stats) -> Stats:
        """What was counted after ``earlier``, a former copy; the gauges stay as they are."""
        grown = Stats()
        for name in COUNTERS:
            before = 0 if name in GAUGES else getattr(earlier, name)
            setattr(grown, name, getattr(self, name) - before)
        for kind, count in self.errors.items():
            if count > earlier.errors.get(kind, 0):
                grown.error(kind, count - earlier.errors.get(kind, 0))
        for name in HISTOGRAMS:
            setattr(grown, name, getattr(self, name).since(getattr(earlier, name)))
        return grown


GAUGES = frozenset({"connected", "playing", "given_up", "measured_bots"})
HISTOGRAMS = ("latency", "ping", "connect", "stall", "lag", "late")
COUNTERS = tuple(
    name for name in Stats.__struct_fields__ if name not in HISTOGRAMS and name != "errors"
)


class Progress(msgspec.Struct, kw_only=True, frozen=True, tag="progress"):
    """A process' figures so far, sent about once a second. ``cpu_s``: CPU time used,
    ``at_s``: seconds since this process started its bots; ``phase``: ``ramp``, ``steady``,
    ``finish`` or ``stop``."""

    phase: str
    at_s: float
    cpu_s: float
    stats: Stats
