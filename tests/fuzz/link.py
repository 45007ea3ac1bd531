"""A raw connection to a real server: everything that it says is kept and looked at."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gameserver.wire import to_client
from gameserver.wire.codec import BadMessage, Format, decode_server

ANSWER_S = 20.0
"""Generous: the machine may be busy."""
MARK = re.compile(rb"fz[0-9a-f]{16}z")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def first_answer(data: bytes) -> tuple[Answer, bytes] | None:
    """The first whole HTTP answer in ``data``, and what follows it; raises ``ValueError`` for what
    is none."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/"):
        raise ValueError(f"no HTTP: {first!r:.80}")
    headers = {}
    for line in lines:
        name, _, text = line.partition(":")
        headers[name.strip().lower()] = text.strip()
    # The answer to a HEAD has the length of what is not sent.
    length = 0 if rest.startswith(b"HTTP/") else int(headers.get("content-length", "0"))
    if len(rest) < length:
        return None
    return Answer(int(words[1]), headers, rest[:length]), rest[length:]


class Link:
    """One TCP connection. ``ended``: ``eof`` or ``reset``, once it is over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.data = bytearray()
        """What has arrived and is not taken yet."""
        self.heard = bytearray()
        """All that has arrived."""
        self.ended = ""
        self.closed: tuple[int, str] | None = None
        """Code and reason of the server's close frame."""
        self.messages: list[to_client.ToClient] = []
        self.pongs: list[bytes] = []
        self._format = Format.MSGPACK

    @classmethod
    async def open(cls, host: str, port: int) -> Link:
        """Connect."""
        return cls(*await asyncio.open_connection(host, port))

    async def send(self, pieces: Sequence[bytes]) -> None:
        """Write; who has hung up meanwhile is not an error."""
        for piece in pieces:
            try:
                self._writer.write(piece)
                await self._writer.drain()
            except ConnectionError:
                return
            if len(pieces) > 1:
                await asyncio.sleep(0)

    def finish(self) -> None:
        """Send no more."""
        if not self._writer.is_closing() and self._writer.can_write_eof():
            try:
                self._writer.write_eof()
            except OSError:
                return

    async def close(self) -> None:
        """Be gone, with a reset where something was not read."""
        self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except OSError:
            return

    async def more(self, timeout_s: float = ANSWER_S) -> bool:
        """Wait for more bytes; ``False`` at the end, or after ``timeout_s``."""
        if self.ended:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                got = await self._reader.read(65_536)
        except TimeoutError:
            return False
        except ConnectionError:
            self.ended = "reset"
            return False
        if not got:
            self.ended = "eof"
            return False
        self.data += got
        self.heard += got
        return True

    async def until_end(self, timeout_s: float = ANSWER_S) -> bool:
        """Read to the end; whether it came in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while not self.ended and loop.time() < until:
            await self.more(max(0.01, until - loop.time()))
        return bool(self.ended)

    async def answer(self, timeout_s: float = ANSWER_S) -> Answer | None:
        """The next HTTP answer; ``None`` if none comes."""
        while True:
            found = first_answer(bytes(self.data))
            if found is not None:
                self.data[:] = found[1]
                return found[0]
            if not await self.more(timeout_s):
                return None

    # ── after an upgrade ─────────────────────────────────────────────────────────────────────

    def upgraded(self, format: Format) -> None:
        """What follows are frames."""
        self._format = format

    def take_frames(self) -> str | None:
        """Sort the whole frames that have arrived; what is wrong with one of them."""
        data, at = self.data, 0
        while len(data) - at >= 2:
            first, length, header = data[at], data[at + 1], 2
            if first & 0x70 or length & 0x80:
                return f"a frame of the server begins with {data[at : at + 2].hex()}"
            if length >= 126:
                width = 2 if length == 126 else 8
                header += width
                if len(data) - at < header:
                    break
                length = int.from_bytes(data[at + 2 : at + header], "big")
            if len(data) - at < header + length:
                break
            payload = bytes(data[at + header : at + header + length])
            at += header + length
            if (wrong := self._take(first, payload)) is not None:
                return wrong
        del data[:at]
        return None

    def _take(self, first: int, payload: bytes) -> str | None:
        match first:
            case 0x88:
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                self.closed = (code, payload[2:].decode(errors="replace"))
            case 0x8A:
                self.pongs.append(payload)
            case 0x89:
                pass
            case 0x81 | 0x82 if (first == 0x81) is (self._format is Format.JSON):
                try:
                    self.messages.append(decode_server(payload, self._format))
                except BadMessage as bad:
                    return f"the server says {payload!r:.80}: {bad}"
            case _:
                return f"a frame of the server begins with {first:#x}"
        return None

    async def wait_for(self, *kinds: type[to_client.ToClient], timeout_s: float = ANSWER_S) -> bool:
        """Wait until one of these messages has come; what came before it is dropped."""
        while True:
            self.take_frames()
            for index, message in enumerate(self.messages):
                if isinstance(message, kinds):
                    del self.messages[: index + 1]
                    return True
            if self.closed is not None or not await self.more(timeout_s):
                return False
