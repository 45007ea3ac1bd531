"""Inputs on their way: numbered, kept until they are acknowledged, sent again after a resume."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

WAITING_MAX = 64
"""So many inputs wait for their acknowledgement, unless another number is given."""


class Waiting(NamedTuple):
    """An input whose fate is unknown. ``at_s``: when it was made."""

    seq: int
    data: Any
    at_s: float


class InputBuffer:
    """Of more than ``size_max`` waiting inputs the oldest are forgotten."""

    __slots__ = ("_waiting", "seq", "size_max")

    def __init__(self, *, size_max: int = WAITING_MAX) -> None:
        self.size_max = size_max
        self._waiting: deque[Waiting] = deque(maxlen=size_max)
        self.seq = 0
        """Of the newest."""

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, data: Any, at_s: float) -> int:
        """Number an input and keep it."""
        self.seq += 1
        self._waiting.append(Waiting(self.seq, data, at_s))
        return self.seq

    def acknowledge(self, seq: int) -> None:
        """All up to ``seq`` are applied."""
        while self._waiting and self._waiting[0].seq <= seq:
            self._waiting.popleft()

    def refuse(self, seq: int) -> None:
        """This one was refused."""
        self._keep([each for each in self._waiting if each.seq != seq])

    def resume(
        self, seq: int, *, since_s: float = float("-inf"), count_max: int = WAITING_MAX
    ) -> list[Waiting]:
        """A seat was taken again, of which the server knows inputs up to ``seq``: the ones after
        it, to be sent again. Older ones, and more than ``count_max``, are forgotten."""
        self.acknowledge(seq)
        self._keep([each for each in self._waiting if each.at_s >= since_s][-count_max:])
        self.seq = max(self.seq, seq)
        return list(self._waiting)

    def begin(self, seq: int) -> None:
        """Another seat: number on from ``seq``."""
        self._waiting.clear()
        self.seq = seq

    def _keep(self, waiting: list[Waiting]) -> None:
        self._waiting.clear()
        self._waiting.extend(waiting)
