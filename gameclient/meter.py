"""Counts what connections do."""

from __future__ import annotations

from collections import Counter
from typing import Protocol


class Meter(Protocol):
    """Many connections may share one; the swarm's is ``botswarm.stats.Stats``."""

    bytes_in: int
    bytes_out: int

    def error(self, kind: str) -> None:
        """Something was not as the protocol has it."""


class Traffic:
    """The meter of a single client."""

    __slots__ = ("bytes_in", "bytes_out", "errors")

    def __init__(self) -> None:
        self.bytes_in = self.bytes_out = 0
        self.errors: Counter[str] = Counter()

    def error(self, kind: str) -> None:
        self.errors[kind] += 1
