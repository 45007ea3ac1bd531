"""The smallest bytes that still fail, as far as a bounded number of tries finds them."""

from __future__ import annotations

from collections.abc import Callable

TRIES_MAX = 400


def minimised(data: bytes, fails: Callable[[bytes], bool], *, tries_max: int = TRIES_MAX) -> bytes:
    """``data`` without the parts that do not matter (Zeller's delta debugging, on bytes), then
    with as many zeros as may be. ``fails`` is asked at most ``tries_max`` times."""
    tries = 0

    def still(candidate: bytes) -> bool:
        nonlocal tries
        tries += 1
        return tries <= tries_max and fails(candidate)

    size = max(1, len(data) // 2)
    while data and tries < tries_max:
        at, shorter = 0, False
        while at < len(data) and tries < tries_max:
            candidate = data[:at] + data[at + size :]
            if still(candidate):
                data, shorter = candidate, True
            else:
                at += size
        if size == 1 and not shorter:
            break
        size = size if shorter and size == 1 else max(1, size // 2)
    for at in range(len(data)):
        if tries >= tries_max:
            break
        candidate = data[:at] + b"0" + data[at + 1 :]
        if data[at] != 0x30 and still(candidate):
            data = candidate
    return data
