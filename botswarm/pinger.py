"""Asks the server now and then whether it is there, and how long the answer takes."""

from __future__ import annotations

import random
from typing import Protocol

from botswarm.stats import Stats
from botswarm.wheel import Timer, Wheel
from gameserver.wire import from_client, to_client

PING_S = 5.0


class Line(Protocol):
    """What a pinger needs of its bot."""

    def ping(self, message: from_client.Ping) -> None:
        """Send it."""

    def unanswered(self) -> None:
        """No answer in time."""


class Pinger:
    """Of one bot, on one connection after the other."""

    __slots__ = ("_answer_s", "_chance", "_is_late", "_line", "_sent", "_stats", "_timer", "_wheel")

    def __init__(
        self, line: Line, *, wheel: Wheel, stats: Stats, chance: random.Random, answer_s: float
    ) -> None:
        self._line = line
        self._wheel = wheel
        self._stats = stats
        self._chance = chance
        self._answer_s = answer_s
        self._sent = 0.0
        self._is_late = False
        self._timer = Timer(self._due)

    def start(self, now: float) -> None:
        """Ping from now on, on a new connection."""
        self._sent = 0.0
        self._is_late = False
        self._set(now)

    def stop(self) -> None:
        """The connection is gone or about to go."""
        self._timer.cancel()

    def hold(self) -> None:
        """Nothing is read for a while, so that an answer under way will be late."""
        self._timer.cancel()
        self._is_late = self._sent > 0

    def go_on(self, now: float) -> None:
        """After ``hold``: wait for that answer, or ask again after a while."""
        if self._sent:
            self._wheel.set(self._timer, now + self._answer_s)
        else:
            self._set(now)

    def answered(self, message: to_client.Pong, now: float, *, measured: bool) -> bool:
        """Whether this is the answer that is waited for. ``measured``: it was read when it came."""
        if not self._sent or abs(message.sent - self._sent) > 1e-6:
            return False
        if measured and not self._is_late:
            self._stats.ping.record(int((now - self._sent) * 1e6))
        self._sent = 0.0
        self._is_late = False
        self._set(now)
        return True

    def _set(self, now: float) -> None:
        self._wheel.set(self._timer, now + PING_S * self._chance.uniform(0.5, 1.5))

    def _due(self, now: float) -> None:
        if self._sent:
            self._line.unanswered()
            return
        self._sent = now
        self._wheel.set(self._timer, now + self._answer_s)
        self._line.ping(from_client.Ping(now))
