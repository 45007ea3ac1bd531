"""Why a match stands still, and what its players are told."""

from __future__ import annotations

from enum import IntFlag


class Pause(IntFlag):
    """Why a match stands still; it may have several reasons at once."""

    LEASE = 1
    COMMIT = 2
    RELAY = 4
    HANDOVER = 8
    VOTE = 16


PAUSE_TEXTS = {
    Pause.LEASE: "store unreachable",
    Pause.COMMIT: "events wait for the store",
    Pause.RELAY: "events wait for the queue",
    Pause.VOTE: "the players have paused it",
    Pause.HANDOVER: "the match moves to another node",
}
