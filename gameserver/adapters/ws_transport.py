"""What every WebSocket transport of ours needs at its end."""

from __future__ import annotations

import asyncio


def half_close(transport: asyncio.Transport) -> None:
    """Say that nothing more comes. Closing at once could reset the connection, and what was
    written last would be lost on its way."""
    if not transport.can_write_eof():
        transport.close()  # TLS has a shutdown of its own
        return
    try:
        transport.write_eof()
    except OSError:
        # The peer has gone already; asyncio says so here, uvloop does not.
        transport.abort()
