"""What a session still has to write, and what gives way when its socket is slow.

Two kinds of output, two policies:

* Frames: only the newest matters. One slot; a newer frame replaces the one that waits. What is
  written is the difference to the frame last *written* here, so nothing is lost by skipping.
* Reliable messages: each matters, in order. A bounded queue; when it is full the consumer is too
  slow to be served, and the session closes with SLOW_CONSUMER. The client resumes from the last
  number it saw.

While the socket takes data both are empty and bytes go straight to the transport. But for events of
a match that shows a frame at each tick: they wait for the next one and are written together with it
(``soon``), because a system call costs more than anything else here.
"""

from __future__ import annotations

from collections import deque

from gameserver.metrics import Metrics
from gameserver.ports import Connection
from gameserver.wire.codec import Format
from gameserver.wire.frame import Frame


class Outgoing:
    """The output side of one session."""

    __slots__ = (
        "_connection",
        "_format",
        "_frame",
        "_line",
        "_metrics",
        "_reliable",
        "_rides",
        "_room",
        "_stopped",
        "_usual",
    )

    def __init__(self, connection: Connection, *, reliable_max: int, metrics: Metrics) -> None:
        self._connection = connection
        self._format = connection.format
        self._metrics = metrics
        self._room = reliable_max
        # Most never wait, and an empty deque takes 600 bytes.
        self._reliable: deque[bytes] | None = None
        self._rides = False
        self._frame: Frame | None = None
        self._line = connection.line
        self._line.outgoing = self
        self._stopped = True
        self._usual = connection.format is Format.MSGPACK

    def frame(self, frame: Frame) -> None:
        """Write ``frame`` now, or let it wait in place of the one that waits.

        Nearly everyone has the same base and format, for whom the frame has its bytes ready;
        where ``hot`` is compiled, it writes those itself.
        """
        if self._stopped:
            return
        connection = self._connection
        if connection.writable:
            base = self._line.base
            self._line.base = frame
            if base is frame.usual_base and self._usual:
                encoded = frame.usual
            else:
                encoded = frame.encoded(self._format, base)
            if self._reliable:
                encoded = self._take_reliable() + encoded
            connection.write(encoded)
            self._metrics.snapshots_sent += 1
            return
        if self._frame is not None:
            self._metrics.snapshots_replaced += 1
        self._frame = frame

    def reliable(self, encoded: bytes) -> bool:
        """Write a complete WebSocket frame in order; false when the queue is full."""
        if self._connection.writable:
            if self._reliable:
                encoded = self._take_reliable() + encoded
            self._connection.write(encoded)
            self._metrics.reliable_sent += 1
            return True
        return self._wait(encoded)

    def soon(self, encoded: bytes) -> bool:
        """The same, together with the next frame where one comes with each tick (``ride``), and
        there is room to wait for it."""
        if self._rides and len(self._reliable or ()) < self._room:
            return self._wait(encoded)
        return self.reliable(encoded)

    def ride(self, rides: bool) -> None:
        """Whether frames come with each tick from now on. If not, what waits for one is written."""
        self._rides = rides
        if not rides and self._reliable and self._connection.writable:
            self._connection.write(self._take_reliable())

    def _wait(self, encoded: bytes) -> bool:
        if self._reliable is not None and len(self._reliable) >= self._room:
            return False
        if self._reliable is None:
            self._reliable = deque()
        self._reliable.append(encoded)
        self._line.showing = False
        return True

    def _take_reliable(self) -> bytes:
        """All that waits, to be written now."""
        waiting, self._reliable = self._reliable or (), None
        self._metrics.reliable_sent += len(waiting)
        self._tell_line()
        return b"".join(waiting)

    def flush(self) -> None:
        """The socket takes data again: first what is reliable, then the newest frame."""
        while self._reliable and self._connection.writable:
            self._connection.write(self._reliable.popleft())
            self._metrics.reliable_sent += 1
        if not self._reliable:
            self._reliable = None
        self._tell_line()
        if self._frame is not None and self._connection.writable and not self._reliable:
            frame, self._frame = self._frame, None
            self.frame(frame)

    def start_frames(self) -> None:
        """A match is joined: write its frames, the first one whole."""
        self._stopped = False
        self._tell_line()

    def begin_anew(self) -> None:
        """The next frame is written whole, and the one that waits not at all."""
        self._frame = None
        self._line.base = None

    def stop_frames(self) -> None:
        """The match is left: no frame of it is written any more."""
        self._stopped = True
        self._frame = None
        self._line.base = None
        self.ride(False)
        self._tell_line()

    def _tell_line(self) -> None:
        self._line.showing = self._usual and not self._stopped and not self._reliable
