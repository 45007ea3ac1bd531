"""Test vectors for clients in other languages: every message in both formats.

``python -m tests.wire.vectors`` writes them; ``test_vectors`` keeps them true.

    messages.json   [{name, direction, format, hex | text, fields}, …]   payloads without framing
    views.json      [{name, format, messages: [hex | text, …], views: […]}, …]
                    a client that applies messages[n] must show views[n]

and the files of ``connect_vectors`` and ``client_vectors``, and ``web/sdk/messages.js``
(``js_table``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gameserver.wire import from_client, to_client
from gameserver.wire.codec import Format, encode, encode_client, encode_value
from gameserver.wire.frame import Frame
from gameserver.wire.to_client import ErrorCode
from tests.wire import client_vectors, connect_vectors, js_table
from tests.wire.values import FORMATS, Flag, Move, Ship, View, payload_of

FOLDER = Path(__file__).parent / "vectors"

PLAYER = "7c1f8a52-40b1-70d0-a1c5-0d1be2f3a401"
MATCH = "01jz8y3m5v9k2q4t6w8x0b2d4f"
EPOCH = 1_760_000_000_123
NOW_MS = 1_760_000_042_000

FROM_CLIENT: dict[str, from_client.FromClient] = {
    "join any match of a game": from_client.Join(ref=1, game="arena"),
    "join a mode": from_client.Join(ref=2, game="arena", mode="duel"),
    "join a match": from_client.Join(ref=3, match=MATCH),
    "resume": from_client.Join(ref=4, match=MATCH, resume=from_client.Resume(EPOCH, 17)),
    "join by a code": from_client.Join(ref=7, code="ACD-EFG", password="sesame"),
    "input": from_client.Input(seq=300, data=msgspec.Raw()),
    "leave": from_client.Leave(ref=5),
    "ping": from_client.Ping(sent=1234.5),
    "refresh": from_client.Refresh(ref=6, token="header.claims.signature"),
    "watch": from_client.Watch(ref=7, match=MATCH),
    "chat": from_client.Chat(ref=8, text="gg ♥"),
    "chat to the team": from_client.Chat(ref=9, text="left!", team=True),
    "mute": from_client.Mute(ref=10, player="2b9d"),
    "vote": from_client.Vote(ref=11, what="pause", yes=False),
}
INPUT = Move(dx=1, dy=-1, fire=True)

VALUE = {"phase": "play", "clock": 60}


def _to_client(format: Format) -> dict[str, to_client.ToClient]:
    def raw(value: Any) -> msgspec.Raw:
        return encode_value(value, format)

    seat = to_client.Seat(0, PLAYER, "Ada", True)
    other = to_client.Seat(1, "2b9d", "Grace Ünicode", False)
    return {
        "welcome": to_client.Welcome(
            "s1", PLAYER, "Ada", NOW_MS, NOW_MS + 3_600_000, 20_000, 80, 16_384, ["arena", "echo"]
        ),
        "joined": to_client.Joined(
            3, MATCH, "arena", "duel", EPOCH, 840, 20, 0, 299, 17, True, [seat, other]
        ),
        "snapshot": to_client.Snapshot(EPOCH, 840, NOW_MS, [299, 12], raw(VALUE)),
        "delta": to_client.Delta(
            EPOCH,
            841,
            NOW_MS + 50,
            [300, 12],
            840,
            {"clock": raw(59)},
            {"ships": {"a": raw({"x": 1.5, "hp": 90, "name": None})}},
            {"ships": ["b"], "flags": [1, 2]},
        ),
        "delta without a change": to_client.Delta(
            EPOCH, 842, NOW_MS + 100, [300, 12], 841, {}, {}, {}
        ),
        "event of a player": to_client.Event(18, 841, "scored", PLAYER, raw({"points": 3})),
        "event of the match": to_client.Event(19, 900, "match_ended", None, raw({"ticks": 900})),
        "error": to_client.Error(to_client.ErrorCode.MATCH_FULL, "all 8 seats are taken", 3),
        "error without a ref": to_client.Error(
            to_client.ErrorCode.RATE_LIMITED, "over 80 messages a second"
        ),
        **{f"error {code}": to_client.Error(code, "words for people", 7) for code in ErrorCode},
        "pong": to_client.Pong(1234.5, NOW_MS),
        "left": to_client.Left(5, MATCH, "left"),
        "paused": to_client.Paused("store"),
        "resumed": to_client.Resumed(),
        "reconnect": to_client.Reconnect(250, "draining"),
        "refreshed": to_client.Refreshed(6, NOW_MS + 7_200_000),
        "matchmaking": to_client.Matchmaking("t1", "arena", "duel", "matched", MATCH, 0),
        "notification": to_client.Notification("0f3a", "friend_request", PLAYER, {}, NOW_MS),
        "notification with data": to_client.Notification(
            "0f3b", "party_invite", PLAYER, {"party": "p1", "size": 3, "open": True}, NOW_MS
        ),
        "notification of nobody": to_client.Notification("0f3c", "gift", None, {"é": None}, NOW_MS),
        "said": to_client.Said(7, 0, PLAYER, "Ada", "gg ♥", False, NOW_MS),
        "muted": to_client.Muted(10, ["2b9d"]),
        "voting": to_client.Voting("pause", [0, 2], [1], 3, NOW_MS + 30_000),
        "rematch": to_client.Rematch(MATCH + "u2", NOW_MS + 30_000),
    }


def _shown(payload: bytes, format: Format) -> dict[str, str]:
    return {"text": payload.decode()} if format is Format.JSON else {"hex": payload.hex()}


def _fields(value: Any, format: Format) -> Any:
    """Fields by name, with the game's values decoded."""
    if isinstance(value, msgspec.Raw):
        decode = msgspec.json.decode if format is Format.JSON else msgspec.msgpack.decode
        return decode(value)
    if isinstance(value, msgspec.Struct):
        return {name: _fields(getattr(value, name), format) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _fields(item, format) for key, item in value.items()}
    if isinstance(value, list):
        return [_fields(item, format) for item in value]
    return value


def messages() -> Iterator[dict[str, Any]]:
    """The vectors of ``messages.json``."""
    for format in FORMATS:
        for name, sent in FROM_CLIENT.items():
            fields = sent
            if isinstance(sent, from_client.Input):
                fields = from_client.Input(sent.seq, encode_value(INPUT, format))
            yield {
                "name": name,
                "direction": "from_client",
                "format": format,
                **_shown(encode_client(sent, format, INPUT), format),
                "fields": {"type": from_client.JSON_NAMES[type(sent)], **_fields(fields, format)},
            }
        for name, message in _to_client(format).items():
            yield {
                "name": name,
                "direction": "to_client",
                "format": format,
                **_shown(encode(message, format), format),
                "fields": {
                    "type": to_client.JSON_NAMES[type(message)],
                    **_fields(message, format),
                },
            }


def history() -> list[View]:
    """Views that use every part of a delta."""
    ships = {name: Ship(1.5, 100, name) for name in ("a", "b", "c")}
    flags = {1: Flag(0, 0), 2: Flag(5, 5)}
    return [
        View("lobby", None, {}, {}, {}),
        View("play", 60, {"a": 0}, ships, flags),
        View("play", 59, {"a": 0}, {**ships, "a": Ship(2.5, 90, "a")}, flags),
        View("play", 59, {"a": 1}, {"a": ships["a"], "d": Ship(0.0, 100)}, {2: Flag(5, 5)}),
        View("over", 0, {"a": 1}, {}, {}),
    ]


def views() -> Iterator[dict[str, Any]]:
    """The vectors of ``views.json``."""
    for format in FORMATS:
        base: Frame | None = None
        sent: list[str] = []
        for tick, view in enumerate(history()):
            frame = Frame.of(epoch=EPOCH, tick=tick, server_ms=NOW_MS, acks=[tick], view=view)
            payload = payload_of(frame.encoded(format, base), format)
            sent += _shown(payload, format).values()
            base = frame
        yield {
            "name": "from a snapshot through deltas",
            "format": format,
            "messages": sent,
            "views": [msgspec.to_builtins(view, str_keys=True) for view in history()],
        }


def _rounded(value: Any) -> Any:
    """Without the last bits, in which two math libraries may differ."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def written(vectors: Iterator[dict[str, Any]]) -> str:
    """The text of a vector file."""
    return json.dumps(_rounded(list(vectors)), indent=1, ensure_ascii=False) + "\n"


FILES = {
    "messages.json": messages,
    "views.json": views,
    **connect_vectors.FILES,
    **client_vectors.FILES,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, vectors in FILES.items():
        (FOLDER / name).write_text(written(vectors()), encoding="utf-8")
    js_table.PATH.write_text(js_table.written(), encoding="utf-8")


if __name__ == "__main__":
    main()
