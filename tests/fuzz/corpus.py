"""What mutation starts from: the vectors of the wire, and good requests and bodies."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from gameserver.wire import event_record
from gameserver.wire.codec import Format
from tests.wire.connect_vectors import request
from tests.wire.vectors import FOLDER
from tests.worker import builders

_KEY = "A" * 22 + "." + "B" * 40
MESSAGE_FILES = ("messages.json", "refused.json", "tolerated.json")


def _file(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


@cache
def messages(format: Format) -> tuple[bytes, ...]:
    """Payloads of one format: of clients, of servers, and such as are refused."""
    return tuple(
        bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode()
        for name in MESSAGE_FILES
        for one in _file(name)
        if one["format"] == format
    )


@cache
def handshakes() -> tuple[bytes, ...]:
    """Requests for an upgrade, right and wrong."""
    return tuple(request(one["target"], one["headers"]) for one in _file("handshake.json"))


@cache
def records() -> tuple[bytes, ...]:
    """Encoded records of all kinds."""
    return (
        *builders.story("m1"),
        builders.raw("m2", 1, data={"a": [1, -20, {}, None, True], "é": "ü", "x": 0.5}),
        builders.raw("z" * 64, 2**53 - 1, "k" * 64, "p" * 128, {}),
        builders.raw("0", 1, data={"a": {"b": {"c": [[[]]]}}}),
        builders.raw("m3", 1, "player_joined", "p1", {"name": "s" * 60, "seat": 0}, key=_KEY),
        event_record.encode_record(builders.chunk()),
        event_record.encode_record(builders.chunk(number=7, ended="finished")),
    )


@cache
def bodies() -> tuple[bytes, ...]:
    """Bodies of SQS messages."""
    known = records()
    return (
        builders.bundle(*known).encode(),
        builders.bundle(*known[:3]).encode(),
        builders.bundle(known[-3]).encode(),
        builders.bundle().encode(),
        b'{"v": 1, "records": [%s]}' % known[0],
        b'{"records":[%s],"v":1}' % known[0],
    )
