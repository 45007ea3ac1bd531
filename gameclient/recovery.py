"""What a client does after a failure, and how long it waits before: pure."""

from __future__ import annotations

from enum import Enum, auto

from gameserver.wire.close_codes import ADVICE, CloseCode
from gameserver.wire.to_client import ErrorCode

BASE_S = 0.25
CAP_S = 10.0
MAINTENANCE_S = 10.0
"""An operator's maintenance lasts minutes at least."""

_RETRY_STATUS = frozenset({408, 425, 429})
"""The 4xx after which the same handshake may succeed (RFC 9110, 6585, 8470)."""
_HOPELESS = frozenset(
    {
        ErrorCode.UNKNOWN_GAME,
        ErrorCode.UNKNOWN_MODE,
        ErrorCode.REFUSED,
        ErrorCode.BAD_MESSAGE,
        ErrorCode.NOT_INVITED,
        ErrorCode.BAD_CODE,
        ErrorCode.TOO_MANY_GUESSES,
        ErrorCode.BANNED,
    }
)
"""Refusals of a join that the same join would meet again."""


class Next(Enum):
    """What to do."""

    GIVE_UP = auto()
    RESUME = auto()  # try again, and come back to the match
    START_OVER = auto()  # try again without the match
    RECONNECT = auto()  # leave this connection first, then as ``RESUME``


def after_close(*, status: int | None, code: int | None, renews: bool = False) -> Next:
    """``status``: of a refused handshake. ``code``: the server's close code; a connection that
    ended without one, or with one that is not ours, is worth another try. ``renews``: the client
    can have a new token."""
    if status == 401 and renews:
        return Next.RESUME
    if status is not None and 400 <= status < 500 and status not in _RETRY_STATUS:
        return Next.GIVE_UP
    if code is None or code not in ADVICE:
        return Next.RESUME
    advice = ADVICE[CloseCode(code)]
    if not advice.retry or (code == CloseCode.TOKEN_EXPIRED and not renews):
        return Next.GIVE_UP
    return Next.RESUME if advice.resume else Next.START_OVER


def after_refusal(code: ErrorCode, *, fixed_match: bool) -> Next:
    """After an ``Error`` to a ``Join``. ``fixed_match``: no other match will do."""
    if code in _HOPELESS:
        return Next.GIVE_UP
    if code is ErrorCode.UNKNOWN_MATCH:
        return Next.GIVE_UP if fixed_match else Next.START_OVER
    return Next.RECONNECT if code is ErrorCode.DRAINING else Next.RESUME


def wish_s(code: ErrorCode) -> float:
    """How long a refused join should wait at least: ``at_least_s`` of ``backoff_s``."""
    return MAINTENANCE_S if code is ErrorCode.MAINTENANCE else 0.0


def backoff_s(attempt: int, *, jitter: float, at_least_s: float = 0.0) -> float:
    """Seconds to wait after the failed ``attempt`` (1 is the first), between half and the whole of
    a doubling bound, so that clients which failed together do not come back together.

    ``jitter``: from 0 to 1. ``at_least_s`` (a server's wish) is kept and spread upwards.
    """
    bound: float = min(CAP_S, BASE_S * 2.0 ** min(attempt - 1, 16))
    return max(bound * (0.5 + jitter / 2), at_least_s * (1 + jitter / 4))
