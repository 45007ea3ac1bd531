"""The life of a session, as a table.

OPEN ──join──► JOINING ──seated──► SEATED ──unseated──► OPEN
                  └──refused──► OPEN
any ──close──► CLOSED
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a session stands."""

    OPEN = auto()  # authenticated, in no match
    JOINING = auto()  # waiting for a match's answer
    SEATED = auto()  # in a match: inputs are taken
    CLOSED = auto()  # the connection is closing or gone


class Change(Enum):
    """What can happen to a session."""

    JOIN = auto()
    SEATED = auto()
    REFUSED = auto()
    UNSEATED = auto()
    CLOSE = auto()


TRANSITIONS: dict[tuple[State, Change], State] = {
    (State.OPEN, Change.JOIN): State.JOINING,
    (State.JOINING, Change.SEATED): State.SEATED,
    (State.JOINING, Change.REFUSED): State.OPEN,
    (State.SEATED, Change.UNSEATED): State.OPEN,
    (State.OPEN, Change.CLOSE): State.CLOSED,
    (State.JOINING, Change.CLOSE): State.CLOSED,
    (State.SEATED, Change.CLOSE): State.CLOSED,
}


class IllegalChange(RuntimeError):
    """A change that the table does not hold: a defect of the caller."""


def after(state: State, change: Change) -> State:
    """The state after ``change``; raises ``IllegalChange``."""
    try:
        return TRANSITIONS[state, change]
    except KeyError:
        raise IllegalChange(f"{change.name} in state {state.name}") from None
