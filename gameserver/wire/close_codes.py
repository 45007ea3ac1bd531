"""Why the server closes a connection, and what a client should do about it.

1000-1999 are RFC 6455's, 4000-4999 ours. The close reason is the code's name in lower case,
or a short sentence where that says more, so that a client without this table can show it.
"""

from enum import IntEnum
from typing import NamedTuple


class CloseCode(IntEnum):
    """Close codes the server sends."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    RESTART = 1012
    TRY_LATER = 1013
    BAD_MESSAGES = 4000
    TOKEN_EXPIRED = 4001
    TOKEN_REVOKED = 4002
    REPLACED = 4003
    SLOW_CONSUMER = 4004
    RATE_LIMITED = 4005
    IDLE = 4006
    KICKED = 4007
    BANNED = 4008
    ALREADY_CONNECTED = 4009


class Advice(NamedTuple):
    """``retry``: connect again by yourself (with jitter). ``resume``: and ask for the gap."""

    retry: bool
    resume: bool
    meaning: str


ADVICE: dict[CloseCode, Advice] = {
    CloseCode.NORMAL: Advice(False, False, "closed as asked"),
    CloseCode.PROTOCOL_ERROR: Advice(False, False, "the WebSocket protocol was violated"),
    CloseCode.INVALID_DATA: Advice(False, False, "a text frame is not UTF-8"),
    CloseCode.POLICY: Advice(False, False, "not allowed"),
    CloseCode.TOO_BIG: Advice(False, False, "a message is over the size limit"),
    CloseCode.INTERNAL_ERROR: Advice(True, True, "an error of the server"),
    CloseCode.RESTART: Advice(True, True, "this node is going away; another takes you"),
    CloseCode.TRY_LATER: Advice(True, True, "overloaded; come back after a pause"),
    CloseCode.BAD_MESSAGES: Advice(False, False, "too many messages that cannot be understood"),
    CloseCode.TOKEN_EXPIRED: Advice(True, True, "get a new token, then connect again"),
    CloseCode.TOKEN_REVOKED: Advice(False, False, "signed out; log in again"),
    CloseCode.REPLACED: Advice(False, False, "the same player connected elsewhere"),
    CloseCode.SLOW_CONSUMER: Advice(True, True, "the connection could not keep up"),
    CloseCode.RATE_LIMITED: Advice(True, True, "too many messages; slow down"),
    CloseCode.IDLE: Advice(True, True, "no answer to pings"),
    CloseCode.KICKED: Advice(False, False, "removed by an operator"),
    CloseCode.BANNED: Advice(False, False, "banned by an operator; the reason says until when"),
    CloseCode.ALREADY_CONNECTED: Advice(
        False, False, "the same player is connected already; close that connection first"
    ),
}
