"""What a scenario does to its bots in the middle of a run: pure values.

at_s   seconds after the ramp at which it begins
share  of the bots, spread evenly over their numbers, the same for the same share
spread_s  the chosen bots follow each other over so many seconds; 0: all at once
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

MALFORMED_MAX = 100

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Span = Annotated[float, Meta(ge=0.1, le=3_600)]


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True):
    """What all have in common. ``ends_s``: when the last bot is through with it."""

    at_s: Seconds

    @property
    def ends_s(self) -> float:
        return self.at_s


class BotStep(Step, frozen=True, kw_only=True):
    """One that befalls bots."""

    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    spread_s: Seconds = 0.0

    @property
    def ends_s(self) -> float:
        return self.at_s + self.spread_s


class Reconnect(BotStep, frozen=True, kw_only=True, tag="reconnect"):
    """Their connections are cut without a word; they come back as they would after any loss."""


class Rejoin(BotStep, frozen=True, kw_only=True, tag="rejoin"):
    """They leave their matches and ask for a place in one again."""


class ReadSlowly(BotStep, frozen=True, kw_only=True, tag="read_slowly"):
    """They read nothing for ``for_s`` seconds, and go on sending. What they see late by that is
    not counted as latency or as a stall."""

    for_s: Span

    @property
    def ends_s(self) -> float:
        return self.at_s + self.spread_s + self.for_s


class SendMalformed(BotStep, frozen=True, kw_only=True, tag="send_malformed"):
    """Each sends ``messages`` messages at once that no client should send."""

    messages: Annotated[int, Meta(ge=1, le=MALFORMED_MAX)] = 1


class Deploy(Step, frozen=True, kw_only=True, tag="deploy"):
    """Runs the command of ``--deploy`` while the load goes on, or waits for SIGUSR1 without one.
    It has failed if it takes longer than ``within_s``."""

    within_s: Span

    @property
    def ends_s(self) -> float:
        return self.at_s + self.within_s


Happening = Reconnect | Rejoin | ReadSlowly | SendMalformed | Deploy


def name_of(step: Step) -> str:
    """As a scenario writes it, for people: ``read slowly``."""
    return str(step.__struct_config__.tag).replace("_", " ")


def chosen(step: BotStep, numbers: list[int], *, bots: int) -> Iterator[tuple[int, float]]:
    """Which of ``numbers`` it befalls, as indices into them, each with its time after the ramp."""
    for index, number in enumerate(numbers):
        if int((number + 1) * step.share) > int(number * step.share):
            yield index, step.at_s + step.spread_s * number / bots
