"""Where a bot is on its way, and what it waits for there."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """A bot's state."""

    IDLE = auto()
    DIALING = auto()
    WELCOMING = auto()
    JOINING = auto()
    PLAYING = auto()
    WAITING = auto()  # before the next dial or, still connected, the next join
    CLOSING = auto()
    DONE = auto()


OVERDUE = {
    Phase.DIALING: "timeout:handshake",
    Phase.WELCOMING: "timeout:welcome",
    Phase.JOINING: "timeout:join",
}
"""The error of an answer that does not come."""
