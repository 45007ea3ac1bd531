"""Defects that a campaign has to find, each a lost limit or a wrong word, by name:
``python -m tests.fuzz --mutation NAME``. A server runs with one as ``python -m tests.fuzz.mutant
NAME``, and behind that its own module and arguments."""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Callable
from typing import Any

from gameserver.adapters import handshake, ws_connection, ws_opening
from gameserver.wire import codec

Put = Callable[[Any, str, Any], None]
"""``setattr``, or one that is undone at a test's end."""


def _reserved_bits(put: Put) -> None:
    """The fast path takes frames with an extension's bit."""
    right = ws_connection.parse_small

    def wrong(buffer: Any, offset: int, **more: Any) -> Any:
        first = buffer[offset] & 0xBF
        patched = bytes(buffer[:offset]) + bytes((first,)) + bytes(buffer[offset + 1 :])
        return right(patched, offset, **more)

    put(ws_connection, "parse_small", wrong)


def _unmasked(put: Put) -> None:
    """Its own frames are taken back, as if they were a client's."""
    right = ws_connection.parse_small

    def wrong(buffer: Any, offset: int, **more: Any) -> Any:
        length = buffer[offset + 1] if len(buffer) - offset > 1 else 128
        if buffer[offset] == 0x82 and length <= min(125, len(buffer) - offset - 2):
            return bytes(buffer[offset + 2 : offset + 2 + length]), offset + 2 + length
        return right(buffer, offset, **more)

    put(ws_connection, "parse_small", wrong)


def _payload_limit(put: Put) -> None:
    """Messages of any size are taken."""
    right = ws_connection.WsConnection.__init__

    def wrong(self: Any, transport: Any, new_protocol: Any, **more: Any) -> None:
        def unlimited() -> Any:
            protocol = new_protocol()
            protocol.max_message_size = None
            return protocol

        more["limits"] = _copy(more["limits"], payload_bytes_max=2**30)
        right(self, transport, unlimited, **more)

    put(ws_connection.WsConnection, "__init__", wrong)


def _copy(limits: Any, **changes: Any) -> Any:
    made = object.__new__(type(limits))
    for name in type(limits).__slots__:
        setattr(made, name, changes.get(name, getattr(limits, name)))
    return made


def _header_limit(put: Put) -> None:
    """A head may be as long as it likes."""
    right = ws_opening.WsOpening._read

    def wrong(self: Any, seen: int) -> None:
        if b"\r\n\r\n" in self._head:
            right(self, seen)

    put(ws_opening.WsOpening, "_read", wrong)


def _mute(put: Put) -> None:
    """What is refused is cut off without a word."""
    right = ws_connection.WsConnection.fail

    def wrong(self: Any, code: Any, reason: str = "") -> None:
        self.abort() if code in (1002, 1007) else right(self, code, reason)

    put(ws_connection.WsConnection, "fail", wrong)
    take = ws_connection.WsConnection._take_slowly

    def taken(self: Any, data: Any, offset: int) -> int:
        end = take(self, data, offset)
        if not self._open:
            self.abort()
        return end

    put(ws_connection.WsConnection, "_take_slowly", taken)


def _unforeseen(put: Put) -> None:
    """A message of an unknown kind is an exception of the server's."""
    right = codec.ClientDecoder.decode

    def wrong(self: Any, payload: bytes) -> Any:
        if payload[:2] == b"\x92\x63" or payload[:2] in (b"\x91\x63", b"[3"):
            raise KeyError(payload[:2])
        return right(self, payload)

    put(codec.ClientDecoder, "decode", wrong)


def _echo(put: Put) -> None:
    """A refusal repeats the header that it refuses."""
    right = handshake.examine

    def wrong(protocol: Any, head: bytes) -> Any:
        found = right(protocol, head)
        if isinstance(found, handshake.Answer) and found.code == "bad_request":
            text = head.decode("latin-1").encode("ascii", "replace").decode()
            return handshake.msgspec.structs.replace(found, message=text)
        return found

    put(handshake, "examine", wrong)


def _leak(put: Put) -> None:
    """A socket whose handshake was refused stays open, and counted."""

    def wrong(self: Any, answer: Any) -> None:
        self._stop_admitting()
        self._stop_timer()
        self._state = ws_opening._State.ANSWERED
        self._transport.write(answer.encode())

    put(ws_opening.WsOpening, "_answer", wrong)
    put(ws_opening.WsOpening, "eof_received", lambda self: True)


def _cross(put: Put) -> None:
    """A ping is answered with what the last one held, whosever it was."""
    right, last = ws_connection.WsConnection._take_frame, [b""]

    def wrong(self: Any, frame: Any) -> None:
        if frame.opcode == 0x9:
            self._transport.write(bytes((0x8A, len(last[0]))) + last[0])
            last[0] = bytes(frame.data)
        right(self, frame)

    put(ws_connection.WsConnection, "_take_frame", wrong)


def _hoard(put: Put) -> None:
    """What comes before an upgrade is kept for ever."""
    right, kept = ws_opening.WsOpening.data_received, list[bytes]()

    def wrong(self: Any, data: bytes) -> None:
        kept.append(bytes(data) * 300)
        right(self, data)

    put(ws_opening.WsOpening, "data_received", wrong)


def _on_odd_messages(put: Put, do: Callable[[], None]) -> None:
    right = codec.ClientDecoder._explain

    def wrong(self: Any, payload: bytes, error: Exception) -> Any:
        do()
        return right(self, payload, error)

    put(codec.ClientDecoder, "_explain", wrong)


def _stall(put: Put) -> None:
    """A bad message keeps the event loop busy for half a minute."""
    _on_odd_messages(put, lambda: time.sleep(30))


def _die(put: Put) -> None:
    """A bad message ends the process, as a wrong access to memory would."""
    _on_odd_messages(put, lambda: os.abort())


def _usual(put: Put) -> None:
    """The worker's compiled way reads one number wrongly."""
    from persistence_worker import intake

    right: Any = intake._read_usual
    if right is None:
        return

    def wrong(body: str, make: Any, other: Any) -> Any:
        return right(body.replace('"epoch":7', '"epoch":8'), make, other)

    put(intake, "_read_usual", wrong)


def _cut(put: Put) -> None:
    """A delta of a large table leaves its last entry out."""
    from gameserver.wire import cut

    class Wrong:
        def __init__(self, whole: bytes, tables: Any) -> None:
            self.whole, self.right = whole, cut.PlainCut(whole, tables)

        def changes(self, base: Any) -> Any:
            made = self.right.changes(base.right)
            return made[:-1] if made and len(made) > 60 else made

    put(cut, "Cut", Wrong)


MUTATIONS: dict[str, Callable[[Put], None]] = {
    "reserved_bits": _reserved_bits,
    "unmasked": _unmasked,
    "payload_limit": _payload_limit,
    "header_limit": _header_limit,
    "mute": _mute,
    "unforeseen": _unforeseen,
    "echo": _echo,
    "leak": _leak,
    "cross": _cross,
    "hoard": _hoard,
    "stall": _stall,
    "die": _die,
    "usual": _usual,
    "cut": _cut,
}


def apply(name: str, put: Put = setattr) -> None:
    """From now on this process has the defect."""
    MUTATIONS[name](put)


if __name__ == "__main__":
    apply(sys.argv.pop(1))
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
