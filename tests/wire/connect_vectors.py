"""Test vectors of how a client connects, is turned away and is told of errors. Written by
``python -m tests.wire.vectors``.

    handshake.json   [{name, target, headers, status, code, subprotocol}, …]
    refused.json     [{name, format, hex | text, code, ref}, …]    what a server answers with Error
    tolerated.json   [{name, format, hex | text, type}, …]         what a client must bear
    close_codes.json [{code, name, retry, resume, meaning}, …]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gameserver.adapters.handshake import Answer, GameProtocol, examine
from gameserver.wire.close_codes import ADVICE
from gameserver.wire.codec import BadMessage, Format, decoder_for
from tests.wire.values import FORMATS, MoveGame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""RFC 6455's own example, whose answer is s3pPLMBiTxaQ9kYGzzhZRbK+xOo=."""

Vectors = Iterator[dict[str, Any]]

_UPGRADE = {
    "Host": "play.example.org",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
_MSGPACK = {"Sec-WebSocket-Protocol": Format.MSGPACK.value}
_BEARER = {"Authorization": "Bearer header.claims.signature"}

_HANDSHAKES: dict[str, tuple[str, dict[str, str | None]]] = {
    "native client": ("/v1/play", {**_MSGPACK, **_BEARER}),
    "native client in JSON": (
        "/v1/play",
        {"Sec-WebSocket-Protocol": Format.JSON.value, **_BEARER},
    ),
    "no subprotocol means msgpack": ("/v1/play", _BEARER),
    "browser": (
        "/v1/play",
        {
            "Sec-WebSocket-Protocol": f"{Format.MSGPACK}, bearer.header.claims.signature",
            "Origin": "https://play.example.org",
        },
    ),
    "ticket": ("/v1/play?ticket=one-time", _MSGPACK),
    "no credential": ("/v1/play", _MSGPACK),
    "two credentials": ("/v1/play?ticket=one-time", {**_MSGPACK, **_BEARER}),
    "a token in the URL": ("/v1/play?token=header.claims.signature", _MSGPACK),
    "another scheme": ("/v1/play", {**_MSGPACK, "Authorization": "Basic QTpC"}),
    "unknown subprotocol": ("/v1/play", {"Sec-WebSocket-Protocol": "chat", **_BEARER}),
    "a page from elsewhere": (
        "/v1/play",
        {**_MSGPACK, **_BEARER, "Origin": "https://elsewhere.example"},
    ),
    "another path": ("/v1/else", {**_MSGPACK, **_BEARER}),
    "no upgrade": ("/v1/play", {**_MSGPACK, **_BEARER, "Upgrade": None}),
    "another version": ("/v1/play", {**_MSGPACK, **_BEARER, "Sec-WebSocket-Version": "8"}),
}


def request(target: str, headers: dict[str, str]) -> bytes:
    """The bytes of a handshake."""
    lines = [f"GET {target} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(target: str, headers: dict[str, str]) -> tuple[int, str, str | None]:
    """What the server says before it looks at the credential: status, code, subprotocol."""
    protocol = GameProtocol(
        origins=[None, "https://play.example.org"], subprotocols=[each.value for each in Format]
    )
    found = examine(protocol, request(target, headers))
    if isinstance(found, Answer):
        return found.status, found.code, None
    return 101, "", found.response.headers.get("Sec-WebSocket-Protocol")


def handshakes() -> Vectors:
    """The vectors of ``handshake.json``."""
    for name, (target, extra) in _HANDSHAKES.items():
        headers = {key: value for key, value in {**_UPGRADE, **extra}.items() if value is not None}
        status, code, subprotocol = answer(target, headers)
        yield {
            "name": name,
            "target": target,
            "headers": headers,
            "status": status,
            "code": code,
            "subprotocol": subprotocol,
        }


_REFUSED: dict[Format, dict[str, str]] = {
    Format.MSGPACK: {
        "empty": "",
        "not an array": "07",
        "unknown message": "9163",
        "cut off": "9201",
        "bytes left over": "91030707",
        "surplus field": "94030102c0",
        "input of the wrong type": "930205c3",
        "input out of bounds": "930205" + "83a2647802a2647900a466697265c2",
        "input number 0": "930200" + "83a2647801a2647900a466697265c2",
        "ref out of bounds": "9203cf0000000100000000",
        "text that is not UTF-8": "9301" + "01a1ff",
    },
    Format.JSON: {
        "empty": "",
        "not an object": "[3, 1]",
        "unknown message": '{"type": "dance"}',
        "cut off": '{"type": "leave"',
        "surplus field": '{"type": "leave", "ref": 1, "why": "bored"}',
        "no type": '{"ref": 1}',
        "input out of bounds": '{"type": "input", "seq": 5, "data": {"dx": 2, "dy": 0}}',
        "input number 0": '{"type": "input", "seq": 0, "data": {"dx": 1, "dy": 0}}',
        "not a number": '{"type": "ping", "sent": NaN}',
    },
}

_TOLERATED: dict[Format, dict[str, tuple[str, str]]] = {
    Format.MSGPACK: {
        "surplus element": ("9309a573746f726502", "paused"),
        "unknown message": ("92ccc801", "#200"),
    },
    Format.JSON: {
        "surplus field": ('{"type": "paused", "reason": "store", "since": 3}', "paused"),
        "unknown message": ('{"type": "weather", "rain": true}', "weather"),
    },
}


def _shown(format: Format, payload: str) -> dict[str, str]:
    return {"text" if format is Format.JSON else "hex": payload}


def refused() -> Vectors:
    """The vectors of ``refused.json``: of a game whose input is ``{dx, dy, fire}``, -1 to 1."""
    for format in FORMATS:
        for name, payload in _REFUSED[format].items():
            raw = payload.encode() if format is Format.JSON else bytes.fromhex(payload)
            try:
                decoder_for(MoveGame(), format).decode(raw)
            except BadMessage as error:
                code, ref = error.code.value, error.ref
            else:
                raise AssertionError(f"{name} is accepted")
            yield {
                "name": name,
                "format": format,
                **_shown(format, payload),
                "code": code,
                "ref": ref,
            }


def tolerated() -> Vectors:
    """The vectors of ``tolerated.json``."""
    for format in FORMATS:
        for name, (payload, kind) in _TOLERATED[format].items():
            yield {"name": name, "format": format, **_shown(format, payload), "type": kind}


def close_codes() -> Vectors:
    """The vectors of ``close_codes.json``."""
    for code, advice in ADVICE.items():
        yield {
            "code": int(code),
            "name": code.name.lower(),
            "retry": advice.retry,
            "resume": advice.resume,
            "meaning": advice.meaning,
        }


FILES = {
    "handshake.json": handshakes,
    "refused.json": refused,
    "tolerated.json": tolerated,
    "close_codes.json": close_codes,
}
