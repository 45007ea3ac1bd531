"""How a connection ended, told from what the protocol has seen: pure."""

from __future__ import annotations

import msgspec
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from gameserver.wire.close_codes import CloseCode

RETRY_AFTER_S_MAX = 60.0


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection ended. ``error`` is the kind to count it under, empty if we asked for it.
    ``code``: the server's close code, if it sent one; ``status``: that of a refused handshake."""

    error: str
    code: int | None = None
    status: int | None = None
    retry_after_s: float = 0.0


def ending_of(protocol: ClientProtocol, *, was_open: bool, asked_to_close: bool) -> Ending:
    """``was_open``: the handshake was done; ``asked_to_close``: the client wanted the end."""
    refusal = protocol.handshake_exc
    if not was_open:
        if isinstance(refusal, InvalidStatus):
            status = refusal.response.status_code
            return Ending(
                error=f"handshake_{status}",
                status=status,
                retry_after_s=_retry_after_s(refusal.response),
            )
        if asked_to_close:
            return Ending(error="")
        dropped = refusal is None or isinstance(refusal.__cause__, EOFError)
        return Ending(error="handshake_dropped" if dropped else "handshake_invalid")
    if isinstance(protocol.parser_exc, Exception) and not isinstance(protocol.parser_exc, EOFError):
        return Ending(error="protocol:websocket")
    if protocol.close_rcvd is not None:
        if asked_to_close and not protocol.close_rcvd_then_sent:
            return Ending(error="")  # what came is the echo of our own
        code = protocol.close_rcvd.code
        return Ending(error=f"close:{close_name(code)}", code=code)
    return Ending(error="" if asked_to_close else "close:abnormal")


def close_name(code: int) -> str:
    """``slow_consumer`` for 4004; the number itself for a code that is not ours."""
    try:
        return CloseCode(code).name.lower()
    except ValueError:
        return str(code)


def _retry_after_s(response: Response) -> float:
    """The ``Retry-After`` header in seconds (RFC 9110, 10.2.3), without its date form."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_S_MAX) if text.isascii() and text.isdigit() else 0.0
