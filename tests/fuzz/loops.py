"""The two loops of ``hot`` beside each other: a script of what players send, as bytes.

player or pause 1 byte, length 2 bytes, what is sent …, again and again
"""

from __future__ import annotations

import random

from gameserver.wire.codec import Format
from tests.fuzz import frames, mutate
from tests.hot import test_same
from tests.hot.test_same import Pass, Send

PLAYERS = 3
PAUSE = 3
SENT_MAX = 4000
"""Less than a socket holds, so that sending never waits."""


def script(chance: random.Random) -> bytes:
    """Some sends and pauses; most of what is sent is what players send."""
    made = b""
    for _ in range(chance.choice((2, 5, 12))):
        if chance.random() < 0.3:
            made += bytes((PAUSE, 0, 0))
            continue
        sent = _sent(chance)[:SENT_MAX]
        made += bytes((chance.randrange(PLAYERS),)) + len(sent).to_bytes(2, "big") + sent
    return made


def _sent(chance: random.Random) -> bytes:
    match chance.randrange(5):
        case 0 | 1:
            return test_same.inputs(chance.randrange(30), chance.choice((1, 1, 3, 20)))
        case 2:
            known = test_same.inputs(chance.randrange(30), chance.choice((1, 2, 20)))
            return mutate.mutated(chance, known, test_same.ODD)
        case 3:
            return chance.choice(test_same.ODD)
    return frames.stream(chance, Format.MSGPACK, payload_max=600)


def steps(case: bytes) -> list[Send | Pass]:
    """The script of a case, whatever its bytes are."""
    found: list[Send | Pass] = []
    while len(case) >= 3:
        who, end = case[0] % (PAUSE + 1), 3 + int.from_bytes(case[1:3], "big")
        sent, case = case[3:end][:SENT_MAX], case[end:]
        found.append(Pass(1) if who == PAUSE or not sent else Send(who, sent))
    return found


def judge(case: bytes) -> str | None:
    """Everybody is told the same by both."""
    try:
        test_same.both(steps(case))
    except BrokenPipeError:
        return None  # Its connection was closed over what it had sent.
    except AssertionError as error:
        return f"compiled and plain loops differ: {error!s:.400}"
    return None
