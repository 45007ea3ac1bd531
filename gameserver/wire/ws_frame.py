"""WebSocket frames by hand, for the hot path (RFC 6455, section 5.2).

     0               1               2               3
    |F|R|R|R| opcode|M| length 7    | length 16 or 64 if 126 or 127 …
    |I|S|S|S|   4   |A|             |
    |N|V|V|V|       |S|             | masking key 4 bytes if M=1, then the payload
    | |1|2|3|       |K|             |

Everything unusual goes through ``websockets.server.ServerProtocol``. ``parse_small`` may be asked
only where the stream stands at the first byte of a frame and no fragmented message is under way
(``protocol.current_size is None``). A ServerProtocol that was given part of a frame waits for the
rest inside of it, which cannot be seen from its buffer: so give it whole frames only, cut by
``frame_size``, or everything from an oversized frame on, which it refuses at once.
"""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled extension
    from websockets.utils import apply_mask

__all__ = (
    "BINARY",
    "HEADER_BYTES_MAX",
    "TEXT",
    "apply_mask",
    "client_frame",
    "frame_size",
    "parse_small",
    "server_frame",
    "server_payload",
)

TEXT = 0x1
BINARY = 0x2
HEADER_BYTES_MAX = 14

_FIN = 0x80
_MASKED = 0x80
_UINT16_MAX = 0xFFFF

Buffer = bytes | bytearray | memoryview


def server_frame(payload: bytes, *, text: bool) -> bytes:
    """A complete unmasked frame."""
    return _header(_FIN | (TEXT if text else BINARY), len(payload), 0) + payload


def server_payload(frame: bytes) -> bytes:
    """What ``server_frame`` was given."""
    length = frame[1]
    return frame[2 if length < 126 else 4 if length == 126 else 10 :]


def client_frame(payload: bytes, mask: bytes, *, text: bool) -> bytes:
    """A complete masked frame; ``mask`` is 4 unpredictable bytes."""
    header = _header(_FIN | (TEXT if text else BINARY), len(payload), _MASKED)
    return header + mask + apply_mask(payload, mask)


def _header(first: int, length: int, masked: int) -> bytes:
    if length < 126:
        return bytes((first, masked | length))
    if length <= _UINT16_MAX:
        return bytes((first, masked | 126)) + length.to_bytes(2, "big")
    return bytes((first, masked | 127)) + length.to_bytes(8, "big")


def parse_small(
    buffer: Buffer, offset: int, *, payload_max: int, opcode: int
) -> tuple[bytes, int] | None:
    """The payload of the frame at ``offset`` and where the next one starts.

    Only a complete, unfragmented, masked frame of ``opcode`` with a minimal length of 16 bits at
    most, no extension bits and at most ``payload_max`` bytes; text must be UTF-8. ``None`` for
    everything else, also for a frame that is not all there yet.
    """
    available = len(buffer) - offset
    if available < 6 or buffer[offset] != _FIN | opcode:
        return None
    length = buffer[offset + 1] - _MASKED
    if length < 126:
        if length < 0:
            return None
        start = offset + 6
    elif length == 126 and available >= 8:
        length = buffer[offset + 2] << 8 | buffer[offset + 3]
        if length < 126:
            return None
        start = offset + 8
    else:
        return None
    end = start + length
    if length > payload_max or end > len(buffer):
        return None
    mask = buffer[start - 4 : start]
    if not isinstance(mask, bytes):
        mask = bytes(mask)
    payload = apply_mask(buffer[start:end], mask)
    if opcode == TEXT:
        try:
            payload.decode()
        except UnicodeDecodeError:
            return None
    return payload, end


def frame_size(buffer: Buffer, offset: int) -> int | None:
    """How many bytes the frame at ``offset`` takes by its header, of whatever kind it is; ``None``
    while the header is not all there (at most ``HEADER_BYTES_MAX`` bytes are needed)."""
    available = len(buffer) - offset
    if available < 2:
        return None
    second = buffer[offset + 1]
    length = second & 0x7F
    header = 6 if second & _MASKED else 2
    if length < 126:
        return header + length
    extra = 2 if length == 126 else 8
    if available < 2 + extra:
        return None
    return header + extra + int.from_bytes(buffer[offset + 2 : offset + 2 + extra], "big")
