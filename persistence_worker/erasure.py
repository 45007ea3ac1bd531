"""What becomes of a player who was erased: pure.

    id ── HMAC-SHA-256 with a secret that is not in the database ──► erased-<32 hex digits>

The pseudonym stands in the place of the id everywhere, so that matches, standings and the others'
results stay whole; it leads back to nobody, because who has an id to try still lacks the secret.
What is sealed in the player's own events becomes null.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from gameserver.wire import envelope
from gameserver.wire import event_record as wire
from persistence_worker.intake import Event

PREFIX = "erased-"
KEY_CHARS_MIN = 32
_HASH_CHARS = 32
_PSEUDONYM = re.compile(rf"{PREFIX}[0-9a-f]{{{_HASH_CHARS}}}")
_STRING = re.compile(r'"((?:[^"\\]|\\.){1,128})"')
_PLAYER = b',"player":'
"""From here on a record's bytes tell of persons; what is before is the match's."""
_SEALED = re.compile(r'"gs1\.[A-Za-z0-9_-]+"')
_IDS_HELD = 65_536

Pseudonyms = Mapping[str, str]
"""By the ids that they replace."""


class Pseudonymizer:
    """Makes pseudonyms; ``key`` is the secret of the settings."""

    def __init__(self, key: str) -> None:
        secret = key.encode()
        self.of = lru_cache(maxsize=_IDS_HELD)(
            lambda player: PREFIX + hmac.digest(secret, player.encode(), "sha256").hex()[:32]
        )
        """The pseudonym of a player's id."""


def is_pseudonym(player: str | None) -> bool:
    """Whether an id is what is left of an erased player."""
    return player is not None and _PSEUDONYM.fullmatch(player) is not None


def mentioned(events: Iterable[Event]) -> set[str]:
    """Every text in ``events`` that may be a player's id."""
    found: set[str] = set()
    for event in events:
        if b"\\" in event.raw and event.record.player is not None:
            found.add(event.record.player)  # by its characters, not as it is escaped
        found.update(_STRING.findall(event.raw[event.raw.index(_PLAYER) :].decode()))
    return found


def without(event: Event, erased: Pseudonyms) -> Event:
    """The event as it is stored when some of its players were erased. Its digest stays, so that
    it is still told from another content when it comes again."""
    if not any(_quoted(player).encode() in event.raw for player in erased):
        return event
    own = event.record.player in erased
    if not own and not any(_quoted(player).encode() in event.data for player in erased):
        return event
    record = msgspec.structs.replace(
        event.record, data=msgspec.json.decode(_renamed(event, erased))
    )
    fact = event.fact
    if own and record.player is not None:
        left = {name: _left(value) for name, value in record.data.items()}
        if isinstance(fact, wire.PlayerJoined):
            left["name"] = None
            fact = msgspec.structs.replace(fact, name="")
        record = msgspec.structs.replace(record, player=erased[record.player], data=left, key=None)
    if isinstance(fact, wire.MatchEnded):
        fact = msgspec.convert(record.data, wire.MatchEnded)
    data = msgspec.json.encode(record.data)
    return msgspec.structs.replace(event, row=None, fact=fact, stated=record, text=data)


def _renamed(event: Event, erased: Pseudonyms) -> str:
    text = event.data.decode()
    for player, pseudonym in erased.items():
        text = text.replace(_quoted(player), _quoted(pseudonym))
    return text


def _left(value: Any) -> Any:
    return None if envelope.field_key(value) is not None else value


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def without_in_body(body: str, player: str, pseudonym: str) -> str | None:
    """The body of a message as it may be kept; ``None`` where the player is not in it. What is no
    record loses all that is sealed: nobody can say whose it is."""
    if _quoted(player) not in body:
        return None
    try:
        raws = wire.decode_bundle(body)
    except wire.BadBody:
        return _SEALED.sub("null", body.replace(_quoted(player), _quoted(pseudonym)))
    kept = [_without_in_record(raw, player, pseudonym) for raw in raws]
    return wire.encode_bundle(kept)


def _without_in_record(raw: bytes, player: str, pseudonym: str) -> bytes:
    text = raw.decode("utf-8", "backslashreplace")
    if _quoted(player) not in text:
        return raw
    try:
        own = wire.decode_record(raw).player == player
    except wire.BadBody:
        own = True
    renamed = text.replace(_quoted(player), _quoted(pseudonym))
    if not own:
        return renamed.encode()
    cleared = _SEALED.sub("null", renamed)
    try:
        record = wire.decode_record(cleared.encode())
    except wire.BadBody:
        return cleared.encode()
    data = dict(record.data)
    if record.kind == wire.PLAYER_JOINED:
        # As text, because that is what the kind demands.
        data["name"] = ""
    return wire.encode_record(msgspec.structs.replace(record, data=data, key=None))
