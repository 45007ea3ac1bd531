"""What a run is told to do: made by the command line, sent to each process of the swarm."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from botswarm.happening import Happening
from botswarm.reading import Reading
from gameserver.wire.codec import Format

BOTS_MAX = 200_000
RATE_MAX = 1_000.0
SECONDS_MAX = 86_400.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``rate``: inputs per second and bot, 0 = the match's own tick rate. ``brain``:
    ``full`` decodes every view and decides by it, ``scripted`` sends valid random inputs.
    ``reading``: see ``botswarm.reading``. ``pause_s``: longer waits for a frame are kept;
    0: none."""

    url: str
    bots: Annotated[int, Meta(ge=1, le=BOTS_MAX)]
    game: str
    mode: str = ""
    match: str = ""
    rate: Annotated[float, Meta(ge=0, le=RATE_MAX)] = 0.0
    duration_s: float = 30.0
    ramp_s: float = 1.0
    finish_s: float = 0.0
    seed: int = 1
    format: Format = Format.MSGPACK
    brain: str = "full"
    reading: Reading = Reading.AUTO
    rejoin: bool = True
    record_events: bool = False
    ca_file: str = ""
    pause_s: float = 0.0
    happenings: list[Happening] = []


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One process' part of a run: the bots with these numbers, each with its token.

    The numbers of a process are spread over the whole range, so that the ramp is even.
    """

    settings: Settings
    numbers: list[int]
    tokens: list[str]


def shares(settings: Settings, tokens: list[str], *, processes: int) -> list[Share]:
    """Split a run over ``processes``; needs as many tokens as bots."""
    if len(tokens) < settings.bots:
        raise ValueError(f"{settings.bots} bots need as many tokens; there are {len(tokens)}")
    numbers = range(settings.bots)
    return [
        Share(
            settings=settings,
            numbers=list(numbers[index::processes]),
            tokens=tokens[index : settings.bots : processes],
        )
        for index in range(min(processes, settings.bots))
    ]
