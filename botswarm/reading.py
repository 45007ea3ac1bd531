"""How the bots' sockets are read: pure.

``woken``: the event loop reads a socket as soon as something has come. Latencies are exact, and
every snapshot costs a wake-up.

``polled``: the loop does not watch the socket; it is read once in a while, right before the bot's
next input is sent. That is far cheaper, but what is read has waited up to ``POLL_S``. So an evenly
spread sample of the bots stays woken, and latencies are taken from that sample alone.
"""

from __future__ import annotations

from enum import StrEnum

WOKEN_MAX = 500
"""``auto``: a process with more bots than this polls."""
MEASURED = 64
"""At least so many bots of a process that polls stay woken, if it has as many."""
POLL_S = 0.2
"""The longest time between two reads of a polled socket. Bots that seldom send stay woken."""


class Reading(StrEnum):
    """What was asked for."""

    AUTO = "auto"
    WOKEN = "woken"
    POLLED = "polled"


def polls(reading: Reading, *, bots: int, tls: bool) -> bool:
    """Whether a process of so many bots polls. With TLS the bytes belong to the transport."""
    if tls:
        return False
    return reading is Reading.POLLED or (reading is Reading.AUTO and bots > WOKEN_MAX)


def is_measured(index: int, bots: int) -> bool:
    """Whether bot ``index`` of the ``bots`` of a process that polls belongs to the sample."""
    return index % max(1, bots // MEASURED) == 0


def measured_count(bots: int) -> int:
    """How many ``is_measured``."""
    step = max(1, bots // MEASURED)
    return (bots + step - 1) // step


def inputs_per_read(*, period_s: float, tick_rate: int, needs_view: bool) -> int:
    """Before every how manieth input a polled socket is read; 0: it is not to be polled.

    A bot that decides by what it sees reads each tick of its match.
    """
    longest_s = POLL_S
    if needs_view and tick_rate:
        longest_s = min(POLL_S, 1 / tick_rate)
    return int(longest_s / period_s + 1e-6)
