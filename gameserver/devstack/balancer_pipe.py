"""The two ends of one balanced connection; bytes go through unread.

    client ◄── Client ──peer── End ──► node

What one side has not taken stops the reading of the other (``pause_writing``), so that a pipe holds
no more than two transports' buffers. Before both ends stand, the first bytes of an end are kept and
it is read no further.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

BUFFER_BYTES_HIGH = 65_536


class End(asyncio.Protocol):
    """One of the two; the plain class is the end at the node."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._peer: End | None = None
        self._early: list[bytes] = []

    def join(self, peer: End) -> None:
        """From now on what comes here goes there."""
        self._peer = peer
        if peer.transport is not None:
            peer.transport.writelines(self._early)
        self._early.clear()
        if self.is_open and self.transport is not None:
            self.transport.resume_reading()

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = transport  # type: ignore[assignment]
        transport.set_write_buffer_limits(high=BUFFER_BYTES_HIGH)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        peer = self._peer
        if peer is None:
            self._early.append(data)
            if self.transport is not None:
                self.transport.pause_reading()
        elif peer.transport is not None:
            peer.transport.write(data)

    def eof_received(self) -> bool:
        """A node that ends its side has no use for more, so both ends close; see ``Client``."""
        return False

    def pause_writing(self) -> None:
        if self._peer is not None and self._peer.is_open and self._peer.transport is not None:
            self._peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._peer is not None and self._peer.is_open and self._peer.transport is not None:
            self._peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self._peer is None or self._peer.transport is None:
            return
        if error is None:
            self._peer.transport.close()  # after what is still to be written
        else:
            self._peer.transport.abort()


class Chooser(Protocol):
    """Says where a client goes."""

    async def connect(self, door: str) -> tuple[End, Callable[[], None]] | None:
        """An end at a node, and what to call when it is gone; ``None`` where no node takes it."""


class Client(End):
    """The end at the client, who is given a node as soon as he comes."""

    def __init__(self, chooser: Chooser, door: str) -> None:
        super().__init__()
        self._chooser = chooser
        self._door = door
        self._gone: Callable[[], None] | None = None
        self._choosing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._choosing = asyncio.get_running_loop().create_task(self._choose())

    def eof_received(self) -> bool:
        """A client may end its side and still wait for the answer."""
        peer = self._peer
        if peer is None or not peer.is_open or peer.transport is None:
            return False
        if peer.transport.can_write_eof():
            peer.transport.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._gone is not None:
            self._gone()
            self._gone = None
        elif self._choosing is not None:
            self._choosing.cancel()

    async def _choose(self) -> None:
        assert self.transport is not None
        chosen = await self._chooser.connect(self._door)
        if chosen is None:
            self.transport.abort()
            return
        node, self._gone = chosen
        node.join(self)
        self.join(node)
        if not node.is_open:
            self.transport.close()
