"""The own player, ahead of the server, and in agreement with it: pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

State = dict[str, Any]
Step = Callable[[State, Any], State]
"""The state after one input, by the game's rules; the given one is left alone."""


class _Sent:
    __slots__ = ("after", "input", "seq")

    def __init__(self, seq: int, given: Any, after: State | None) -> None:
        self.seq = seq
        self.input = given
        self.after = after


class Predictor:
    """Inputs are applied at once; those that the server has not applied yet are applied again to
    what it says.

    A difference that is left (the rules held a surprise) fades within about three times
    ``fade_ms``; one above ``snap`` is taken at once. ``fields``: the numbers that are drawn.
    """

    def __init__(
        self,
        step: Step,
        *,
        fields: Sequence[str] = ("x", "y"),
        snap: float = math.inf,
        fade_ms: float = 80.0,
        pending_max: int = 64,
    ) -> None:
        self._step = step
        self._fields = tuple(fields)
        self._snap = snap
        self._fade_ms = fade_ms
        self._pending: deque[_Sent] = deque(maxlen=pending_max)
        self._last: _Sent | None = None
        self._before: State | None = None
        self.state: State | None = None
        """After all inputs; ``None`` while unknown."""
        self._error: dict[str, float] = dict.fromkeys(self._fields, 0.0)

    def reset(self) -> None:
        """Another match, or the same one after a gap."""
        self._pending.clear()
        self._last = None
        self.rest()

    def rest(self) -> None:
        """There is nothing to predict for now (dead, in a menu); inputs go on being noted."""
        self.state = self._before = None
        self._error = dict.fromkeys(self._fields, 0.0)
        for each in self._pending:
            each.after = None
        if self._last is not None:
            self._last.after = None

    def apply(self, seq: int, given: Any) -> None:
        """An input was sent."""
        if not seq:
            return
        if self.state is not None:
            self._before = self.state
            self.state = self._step(self.state, given)
        self._pending.append(_Sent(seq, given, self.state))

    def confirm(self, truth: State, ack: int, *, ahead: int = 0) -> float:
        """A frame says ``truth``, in which inputs up to ``ack`` are applied, and beyond them
        ``ahead`` steps that the server took on the last one's word, because the next was late.
        Returns how far that is from what was predicted."""
        while self._pending and self._pending[0].seq <= ack:
            self._last = self._pending.popleft()
        base = self._certain(truth, ack, ahead)
        before: State | None = None
        state = base
        for each in self._pending:
            before = state
            state = each.after = self._step(state, each.input)
        predicted, before_then = self.state, self._before
        self.state = state
        self._before = state if before is None else before
        if predicted is None:
            return 0.0
        off = {name: predicted[name] - state[name] for name in self._fields}
        distance = math.hypot(*off.values())
        if distance > self._snap:
            self._before = state
            self._error = dict.fromkeys(self._fields, 0.0)
            return distance
        if distance > 0:
            # The drawn place goes on from where it is: only what it fades towards has changed.
            for name in self._fields:
                self._error[name] += off[name]
        if before is None and before_then is not None:
            # All have been confirmed, and the last step is still being drawn.
            self._before = {**state, **{name: before_then[name] - off[name] for name in off}}
        return distance

    def drawn(self, share: float, elapsed_ms: float) -> State | None:
        """What to draw, ``share`` (0 to 1) of a step after the last input, ``elapsed_ms`` after the
        picture before; ``None`` while unknown."""
        if self.state is None:
            return None
        fade = math.exp(-elapsed_ms / self._fade_ms)
        t = min(1.0, max(0.0, share))
        found = dict(self.state)
        before = self.state if self._before is None else self._before
        for name in self._fields:
            self._error[name] *= fade
            found[name] = before[name] + (self.state[name] - before[name]) * t + self._error[name]
        return found

    def _certain(self, truth: State, ack: int, ahead: int) -> State:
        """What is certain of ``truth``: without the steps that were taken ahead."""
        last = self._last
        if last is None or last.seq != ack:
            return truth
        base = truth
        if ahead > 0 and last.after is not None:
            expected = last.after
            for _ in range(ahead):
                expected = self._step(expected, last.input)
            base = {
                **truth,
                **{
                    name: last.after[name] + (truth[name] - expected[name]) for name in self._fields
                },
            }
        last.after = base
        return base
