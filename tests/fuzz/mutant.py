"""Defects that a campaign has to find, each a lost limit or a wrong word, by name:
``python -m tests.fuzz --mutation NAME``. A server runs with one as ``python -m tests.fuzz.mutant
NAME``, and behind that its own module and arguments."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from typing import Any

from gameserver.adapters import handshake, ws_connection, ws_opening
from gameserver.wire import codec


def _reserved_bits() -> None:
    """The fast path takes frames with an extension's bit."""
    right = ws_connection.parse_small

    def wrong(buffer: Any, offset: int, **more: Any) -> Any:
        first = buffer[offset] & 0xBF
        patched = bytes(buffer[:offset]) + bytes((first,)) + bytes(buffer[offset + 1 :])
        return right(patched, offset, **more)

    ws_connection.parse_small = wrong


def _unmasked() -> None:
    """Its own frames are taken back, as if they were a client's."""
    right = ws_connection.parse_small

    def wrong(buffer: Any, offset: int, **more: Any) -> Any:
        length = buffer[offset + 1] if len(buffer) - offset > 1 else 128
        if buffer[offset] == 0x82 and length <= min(125, len(buffer) - offset - 2):
            return bytes(buffer[offset + 2 : offset + 2 + length]), offset + 2 + length
        return right(buffer, offset, **more)

    ws_connection.parse_small = wrong


def _payload_limit() -> None:
    """Messages of any size are taken."""
    right = ws_connection.WsConnection.__init__

    def wrong(self: Any, transport: Any, new_protocol: Any, **more: Any) -> None:
        def unlimited() -> Any:
            protocol = new_protocol()
            protocol.max_message_size = None
            return protocol

        more["limits"] = _copy(more["limits"], payload_bytes_max=2**30)
        right(self, transport, unlimited, **more)

    ws_connection.WsConnection.__init__ = wrong  # type: ignore[method-assign]


def _copy(limits: Any, **changes: Any) -> Any:
    made = object.__new__(type(limits))
    for name in type(limits).__slots__:
        setattr(made, name, changes.get(name, getattr(limits, name)))
    return made


def _header_limit() -> None:
    """A head may be as long as it likes."""
    right = ws_opening.WsOpening._read

    def wrong(self: Any, seen: int) -> None:
        if b"\r\n\r\n" in self._head:
            right(self, seen)

    ws_opening.WsOpening._read = wrong  # type: ignore[method-assign]


def _mute() -> None:
    """What is refused is cut off without a word."""
    right = ws_connection.WsConnection.fail

    def wrong(self: Any, code: Any, reason: str = "") -> None:
        self.abort() if code in (1002, 1007) else right(self, code, reason)

    ws_connection.WsConnection.fail = wrong  # type: ignore[method-assign]
    take = ws_connection.WsConnection._take_slowly

    def taken(self: Any, data: Any, offset: int) -> int:
        end = take(self, data, offset)
        if not self._open:
            self.abort()
        return end

    ws_connection.WsConnection._take_slowly = taken  # type: ignore[method-assign]


def _unforeseen() -> None:
    """A message of an unknown kind is an exception of the server's."""
    right = codec.ClientDecoder.decode

    def wrong(self: Any, payload: bytes) -> Any:
        if payload[:2] == b"\x92\x63" or payload[:2] in (b"\x91\x63", b"[3"):
            raise KeyError(payload[:2])
        return right(self, payload)

    codec.ClientDecoder.decode = wrong  # type: ignore[method-assign]


def _echo() -> None:
    """A refusal repeats the header that it refuses."""
    right = handshake.examine

    def wrong(protocol: Any, head: bytes) -> Any:
        found = right(protocol, head)
        if isinstance(found, handshake.Answer) and found.code == "bad_request":
            text = head.decode("latin-1").encode("ascii", "replace").decode()
            return handshake.msgspec.structs.replace(found, message=text)
        return found

    handshake.examine = wrong


def _leak() -> None:
    """A socket whose handshake was refused stays open, and counted."""

    def wrong(self: Any, answer: Any) -> None:
        self._stop_admitting()
        self._stop_timer()
        self._state = ws_opening._State.ANSWERED
        self._transport.write(answer.encode())

    ws_opening.WsOpening._answer = wrong  # type: ignore[method-assign]
    ws_opening.WsOpening.eof_received = lambda self: True  # type: ignore[method-assign,assignment,return-value]


def _usual() -> None:
    """The worker's compiled way reads one number wrongly."""
    from persistence_worker import intake

    right: Any = intake._read_usual
    if right is None:
        return

    def wrong(body: str, make: Any, other: Any) -> Any:
        return right(body.replace('"epoch":7', '"epoch":8'), make, other)

    intake._read_usual = wrong


def _cut() -> None:
    """A delta of a large table leaves its last entry out."""
    from gameserver.wire import cut

    class Wrong:
        def __init__(self, whole: bytes, tables: Any) -> None:
            self.whole, self.right = whole, cut.PlainCut(whole, tables)

        def changes(self, base: Any) -> Any:
            made = self.right.changes(base.right)
            return made[:-1] if made and len(made) > 60 else made

    cut.Cut = Wrong  # type: ignore[misc,assignment]


MUTATIONS: dict[str, Callable[[], None]] = {
    "reserved_bits": _reserved_bits,
    "unmasked": _unmasked,
    "payload_limit": _payload_limit,
    "header_limit": _header_limit,
    "mute": _mute,
    "unforeseen": _unforeseen,
    "echo": _echo,
    "leak": _leak,
    "usual": _usual,
    "cut": _cut,
}


def apply(name: str) -> None:
    """From now on this process has the defect."""
    MUTATIONS[name]()


if __name__ == "__main__":
    apply(sys.argv.pop(1))
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
