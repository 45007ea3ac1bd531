"""The step at hand: what a runner gives a game, and takes back what the game said.

    tick = StepTick.of(game, random)
    tick.reset(number, time_ms)
    game.step(state, inputs, tick)
    for emitted in tick.take(): ...
    if tick.ended is not None: ...

One object serves a match for its whole life, because a step in which nothing is said should
allocate nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gameserver.game.contract import EVENTS_PER_STEP_MAX, AnyGame, Random, Standing
from gameserver.game.validate import event_kinds
from gameserver.ids import PlayerId
from gameserver.wire.sensitive import sensitive_fields


class Emitted(NamedTuple):
    """A key event as the game stated it; ``kind`` is its tag."""

    kind: str
    event: msgspec.Struct
    player_id: PlayerId | None

    def data(self) -> dict[str, Any]:
        """The event's own fields as plain values, ready for ``EventRecord.data``."""
        fields: dict[str, Any] = msgspec.to_builtins(self.event, str_keys=True)
        del fields[self.event.__struct_config__.tag_field or "type"]
        return fields

    @property
    def sensitive(self) -> tuple[str, ...]:
        """The fields of ``data`` that are marked ``Sensitive``."""
        return sensitive_fields(type(self.event))


class Ended(NamedTuple):
    """How the game said the match ended."""

    standings: tuple[Standing, ...]
    result: msgspec.Struct | None


class StepTick:
    """Implements ``contract.Tick``. A runner reads ``events`` and ``ended`` after each call."""

    __slots__ = ("_kinds", "ended", "events", "number", "random", "seconds", "time_ms")

    def __init__(self, random: Random, *, tick_rate: int, kinds: Mapping[type[Any], str]) -> None:
        self.number = 0
        self.time_ms = 0
        self.seconds = 1 / tick_rate if tick_rate else 0.0
        self.random = random
        self.events: list[Emitted] = []
        self.ended: Ended | None = None
        self._kinds = kinds

    @classmethod
    def of(cls, game: AnyGame, random: Random) -> StepTick:
        """The tick of a match of ``game``."""
        return cls(random, tick_rate=game.tick_rate, kinds=event_kinds(type(game)))

    def reset(self, number: int, time_ms: int) -> None:
        """Begin a step. Events not taken are dropped; ``ended`` stays, for an end is final."""
        self.number = number
        self.time_ms = time_ms
        if self.events:
            self.events = []

    def take(self) -> Sequence[Emitted]:
        """The events since the last ``reset`` or ``take``, in order; the caller may keep them."""
        events = self.events
        if not events:
            return ()
        self.events = []
        return events

    def emit(self, event: msgspec.Struct, *, player_id: PlayerId | None = None) -> None:
        """See ``contract.Tick.emit``. Raises ``ValueError`` over the limit, ``TypeError`` for an
        event that is not one of the game's."""
        kind = self._kinds.get(type(event))
        if kind is None:
            raise TypeError(
                f"{type(event).__name__} is not one of the game's events "
                f"({', '.join(t.__name__ for t in self._kinds) or 'it has none'}): "
                "add it to the class attribute Event"
            )
        if len(self.events) >= EVENTS_PER_STEP_MAX:
            raise ValueError(
                f"more than {EVENTS_PER_STEP_MAX} events in one step: a key event is a fact that "
                "outlives the match; what only the players need to see belongs into the view"
            )
        self.events.append(Emitted(kind, event, player_id))

    def end(self, standings: Sequence[Standing], result: msgspec.Struct | None = None) -> None:
        """See ``contract.Tick.end``. The first call counts; a later one changes nothing, because
        a leaving player and the clock may both end a match within one step.

        Raises ``ValueError`` for a place below 1, a score that is no number, a player twice, and
        ``TypeError`` for a result with ``Sensitive`` fields: results are stored for all to see.
        """
        if result is not None and (marked := sensitive_fields(type(result))):
            raise TypeError(
                f"{type(result).__name__} has sensitive fields ({', '.join(marked)}): a result is "
                "not encrypted; emit them in an event of their own"
            )
        seen: set[PlayerId] = set()
        for standing in standings:
            if standing.player_id in seen:
                raise ValueError(f"player {standing.player_id} has two standings")
            if standing.place < 1:
                raise ValueError(f"place must be 1 or more, not {standing.place}")
            if not math.isfinite(standing.score):
                raise ValueError(f"score must be a finite number, not {standing.score}")
            seen.add(standing.player_id)
        if self.ended is None:
            self.ended = Ended(tuple(standings), result)
