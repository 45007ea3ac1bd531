"""Snapshots as something that moves: the recent past, smooth between two of them. Pure."""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, Protocol, TypeVar

FRAMES_MAX = 40
"""So many frames are kept."""


class Timed(Protocol):
    """What a timeline needs of a frame."""

    @property
    def epoch(self) -> int: ...
    @property
    def tick(self) -> int: ...
    @property
    def server_ms(self) -> int: ...


F = TypeVar("F", bound=Timed)


class Moment(NamedTuple, Generic[F]):
    """Two frames and how far (0 to 1) between them it is; ``tick`` may lie between two."""

    before: F
    after: F
    share: float
    tick: float


class Timeline(Generic[F]):
    """The last frames, seen from a little behind the newest, so that there are two to draw between.

    How little is measured: the distance of two frames and twice their mean lateness, at least
    ``delay_min_ms`` and at most ``delay_max_ms``. A gap above ``gap_ms`` is not crept through.
    """

    def __init__(
        self, *, delay_min_ms: float = 100, delay_max_ms: float = 300, gap_ms: float = 400
    ) -> None:
        self._delay_min_ms = delay_min_ms
        self._delay_max_ms = delay_max_ms
        self._gap_ms = gap_ms
        self._frames: deque[F] = deque(maxlen=FRAMES_MAX)
        self.reset()

    def reset(self) -> None:
        """Another match, or the same one after a gap."""
        self._frames.clear()
        self._offset_ms: float | None = None
        self.delay_ms: float = self._delay_min_ms
        self._lateness_ms = 0.0
        self._period_ms = 0.0

    @property
    def newest(self) -> F | None:
        """The last frame that came."""
        return self._frames[-1] if self._frames else None

    def push(self, frame: F, now_ms: float) -> None:
        """A frame came at ``now_ms``, by a local clock that only goes forward."""
        last = self.newest
        if last is not None and (frame.epoch != last.epoch or frame.tick < last.tick):
            self.reset()
        sample = frame.server_ms - now_ms
        offset = self._offset_ms
        if offset is None or abs(sample - offset) > 1000:
            offset = sample
        else:
            # Server time minus local time, of the frames with the least delay.
            offset += (sample - offset) * (0.3 if sample > offset else 0.002)
        self._offset_ms = offset
        self._adapt(frame, offset - sample)
        self._frames.append(frame)

    def _adapt(self, frame: F, late_ms: float) -> None:
        """Slowly, so that nobody sees time run faster or slower; a stall is no jitter."""
        before = self.newest
        if before is None:
            return
        period_ms = frame.server_ms - before.server_ms
        if 0 < period_ms < self._gap_ms:
            if self._period_ms:
                self._period_ms += (period_ms - self._period_ms) * 0.05
            else:
                self._period_ms = period_ms
        if late_ms < 3 * self._period_ms:
            self._lateness_ms += (max(0.0, late_ms) - self._lateness_ms) * 0.05
        wanted = max(self._delay_min_ms, self._period_ms + 2 * self._lateness_ms)
        wanted = min(self._delay_max_ms, wanted)
        self.delay_ms += max(-1.0, min(1.0, wanted - self.delay_ms))

    def at(self, now_ms: float) -> Moment[F] | None:
        """What to draw now; ``None`` without a frame."""
        frames = self._frames
        if not frames or self._offset_ms is None:
            return None
        when = now_ms + self._offset_ms - self.delay_ms
        i = len(frames) - 1
        while i > 0 and frames[i - 1].server_ms > when:
            i -= 1
        after = frames[i]
        before = frames[i - 1] if i > 0 else after
        span = after.server_ms - before.server_ms
        share = (when - before.server_ms) / span if span > 0 else 1.0
        share = 1.0 if span > self._gap_ms else min(1.0, max(0.0, share))
        return Moment(before, after, share, before.tick + (after.tick - before.tick) * share)


def mix(a: float, b: float, share: float) -> float:
    """Between two numbers."""
    return a + (b - a) * share


def mix_angle(a: float, b: float, share: float, turn: float) -> float:
    """Between two angles of a circle of ``turn``, the short way."""
    way = ((b - a) + turn / 2) % turn - turn / 2
    return a + way * share
