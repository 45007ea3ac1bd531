"""What is fuzzed in this process: how a case is made, and what must hold for any bytes at all.

A judge returns what is wrong, or ``None``; an exception that leaves it is wrong as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from gameserver.adapters import handshake
from gameserver.adapters.handshake import Answer, GameProtocol
from gameserver.game.contract import AnyGame
from gameserver.games.arena import Arena
from gameserver.games.echo import Echo
from gameserver.games.liars_dice import LiarsDice
from gameserver.wire import codec
from gameserver.wire import cut as wire_cut
from gameserver.wire.codec import BadMessage, Format
from gameserver.wire.cut import PlainCut
from persistence_worker import copying, intake
from persistence_worker.intake import Event, Item
from tests.fuzz import bodies, connections, frames, loops, requests, views

HEAD_MAX = 16_384
STATUSES = frozenset({200, 400, 401, 403, 404, 405, 426, 431, 505})
GAMES: tuple[AnyGame | None, ...] = (None, Arena(), LiarsDice(), Echo())
FORMATS = tuple(Format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that takes bytes."""

    name: str
    made: Callable[[random.Random], bytes]
    judge: Callable[[bytes], str | None]


# ── the worker's intake, compiled and plain ──────────────────────────────────────────────────────


def told(body: str, way: Any) -> list[Any]:
    """All that intake makes of a body, by one of its two ways."""
    usual, intake._read_usual = intake._read_usual, way
    try:
        found = intake.read(body)
        parts: list[Any] = [_everything(item) for item in found.events]
        return parts + [(bad.kind, bad.raw, bad.detail) for bad in found.bad]
    finally:
        intake._read_usual = usual


def _everything(item: Item) -> Any:
    if not isinstance(item, Event):
        return item
    row = b"".join(copying.rows([item]))
    names = ("id", "key", "at_ms", "raw", "digest", "record", "data", "sealed_key", "fact")
    return [row, *(getattr(item, name) for name in names)]


def judge_usual(case: bytes) -> str | None:
    """Compiled and plain find the same."""
    body = bodies.as_text(case)
    compiled, plain = told(body, intake._read_usual), told(body, None)
    return None if compiled == plain else f"compiled {compiled!r:.300} plain {plain!r:.300}"


# ── deltas of views, compiled and plain ──────────────────────────────────────────────────────────


def judge_cut(case: bytes) -> str | None:
    """Views that an encoder has made give the same delta; others at most ``ValueError``."""
    old, new = views.parted(case)
    compiled = _changes(wire_cut.Cut, old, new)
    if isinstance(compiled, bytes) and len(compiled) >= len(new):
        return "a delta that is longer than its view"
    if not (_is_encoded(old) and _is_encoded(new)):
        return None
    plain = _changes(PlainCut, old, new)
    if isinstance(plain, ValueError) or compiled == plain:
        return None
    return f"compiled {compiled!r:.200} plain {plain!r:.200}"


def _changes(kind: Any, old: bytes, new: bytes) -> bytes | ValueError | None:
    tables = views.ENCODED_TABLES
    try:
        made: bytes | None = kind(new, tables).changes(kind(old, tables))
        return made
    except ValueError as error:
        return error


def _is_encoded(view: bytes) -> bool:
    try:
        return wire_cut._encode(wire_cut.msgspec.msgpack.decode(view)) == view
    except (ValueError, TypeError, RecursionError, OverflowError):
        return False


# ── messages and requests ────────────────────────────────────────────────────────────────────────


def made_message(chance: random.Random) -> bytes:
    """The first byte says which decoder."""
    which = chance.randrange(len(GAMES) * len(FORMATS))
    return bytes((which,)) + frames.message(chance, FORMATS[which % len(FORMATS)])


def judge_message(case: bytes) -> str | None:
    """A message is refused with ``BadMessage``, or means the same when it is encoded again."""
    which, payload = case[0] if case else 0, case[1:]
    format = FORMATS[which % len(FORMATS)]
    decoder = codec.decoder_for(GAMES[which // len(FORMATS) % len(GAMES)], format)
    try:
        message = decoder.decode(payload)
    except BadMessage as bad:
        return None if len(str(bad)) <= codec.ERROR_CHARS_MAX + 40 else "a long explanation"
    # A game's input goes in as a value: only the game's own type says how it is encoded.
    data = getattr(message, "data", None)
    typed = data if isinstance(data, msgspec.Struct) else None
    again = decoder.decode(codec.encode_client(message, format, typed))
    return None if again == message else f"{message!r:.200} became {again!r:.200}"


def judge_handshake(case: bytes) -> str | None:
    """An opening or an answer with a status of ours, and nothing of the request in it."""
    marked = case.replace(b"Bearer ", b"Bearer " + SECRET)
    head = marked[: marked.find(b"\r\n\r\n") + 4 or None][:HEAD_MAX]
    protocol = GameProtocol(
        origins=[None, "https://play.example.org"], subprotocols=[each.value for each in Format]
    )
    found = handshake.examine(protocol, head)
    if not isinstance(found, Answer):
        return None
    if found.status not in STATUSES or (found.status != 200 and not found.code):
        return f"status {found.status}, code {found.code!r}"
    return "a credential in the answer" if SECRET in found.encode() else None


SECRET = b"s3cret-of-one"


# ── frames ───────────────────────────────────────────────────────────────────────────────────────


def made_frames(chance: random.Random) -> bytes:
    """The first byte says which format and how it is cut."""
    which = chance.randrange(256)
    format = FORMATS[which % len(FORMATS)]
    return bytes((which,)) + frames.stream(chance, format, payload_max=connections.PAYLOAD_MAX)


def judge_frames(case: bytes) -> str | None:
    """A connection takes what ``ServerProtocol`` takes, however the bytes are cut."""
    which, raw = case[0] if case else 0, case[1:]
    return connections.judge(raw, FORMATS[which % len(FORMATS)], random.Random(which))


TARGETS = {
    one.name: one
    for one in (
        Target(name="usual", made=bodies.body, judge=judge_usual),
        Target(name="cut", made=views.pair, judge=judge_cut),
        Target(name="hot", made=loops.script, judge=loops.judge),
        Target(name="frames", made=made_frames, judge=judge_frames),
        Target(name="message", made=made_message, judge=judge_message),
        Target(name="handshake", made=requests.handshake, judge=judge_handshake),
    )
}
COMPILED = ("usual", "cut", "hot")
"""Those that run compiled code, where memory is at stake."""
