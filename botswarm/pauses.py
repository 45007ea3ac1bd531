"""How long each bot waited for a frame of its match, and when: what a failover costs a player.

A pause lasts from one frame of a match to the next, over lost connections and other nodes too: it
ends when the bot sees its match go on. Between two matches there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

PAUSES_MAX = 200_000
"""More than this of a process are counted, not kept."""


class Pause(msgspec.Struct, frozen=True, array_like=True):
    """``ended_ms``: Unix time, ms; ``length_ms``: from frame to frame."""

    bot: int
    ended_ms: float
    length_ms: float


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a file: shorter waits than ``over_ms`` are left out. ``uncounted``: pauses
    that are not in the file."""

    over_ms: float
    bots: int
    uncounted: int


class Pauses:
    """Those of one process. ``over_s``: what is shorter is none; ``wall_s`` minus a time of the
    bots' clock is ``offset_s``."""

    def __init__(self, *, over_s: float, offset_s: float) -> None:
        self.over_s = over_s
        self.found: list[Pause] = []
        self.uncounted = 0
        self._offset_s = offset_s

    def note(self, bot: int, *, ended: float, length_s: float) -> None:
        """``ended`` is of the bots' clock."""
        if len(self.found) >= PAUSES_MAX:
            self.uncounted += 1
            return
        self.found.append(Pause(bot, (ended + self._offset_s) * 1000, length_s * 1000))


def write(path: Path, header: Header, pauses: Sequence[Pause]) -> None:
    """A line for the header, then one a pause, by time. Raises ``OSError``."""
    lines = [header, *sorted(pauses, key=lambda pause: pause.ended_ms)]
    path.write_bytes(msgspec.json.Encoder().encode_lines(lines))


def read(path: Path) -> tuple[Header, list[Pause]]:
    """What ``write`` has written. Raises ``OSError``, ``msgspec.MsgspecError``."""
    first, *others = path.read_bytes().splitlines()
    decode = msgspec.json.Decoder(Pause).decode
    return msgspec.json.decode(first, type=Header), [decode(line) for line in others]
