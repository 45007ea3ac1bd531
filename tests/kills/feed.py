"""Good events and poison for a worker that is killed: pure, and the same for the same seed.

Poison lies between good records in the same messages, so that a worker that gives up a message
gives up good events with it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from bench.match_events import stream
from gameserver.wire import event_record as wire
from persistence_worker.intake import Event, prepare

MIX = "as played"
PER_MESSAGE = 40
REFUSED = "refused_by_the_table"
"""A kind that a constraint of the table does not allow."""


class Feed(msgspec.Struct, kw_only=True):
    """``bodies`` are the messages; ``good`` is stored in the end, ``poison`` parked: the record's
    bytes, or a whole body, with the reason. Of each of ``forks`` one is stored, one parked."""

    bodies: list[str]
    good: dict[str, Event]
    poison: dict[bytes, str]
    forks: list[tuple[Event, Event]]


def make(events: int, *, poison_share: float, seed: int) -> Feed:
    """At least so many good events of whole matches, and poison beside them."""
    chance = random.Random(seed)
    feed = Feed(bodies=[], good={}, poison={}, forks=[])
    records: list[bytes] = []
    for raw in stream(MIX, events, seed=seed):
        event = prepare(raw)
        feed.good[event.record.id] = event
        records.append(raw)
        if chance.random() < poison_share:
            records += _poison(feed, event, chance)
        if len(records) >= PER_MESSAGE:
            feed.bodies.append(wire.encode_bundle(records))
            records = []
    feed.bodies.append(wire.encode_bundle(records))
    chance.shuffle(feed.bodies)
    return feed


def _poison(feed: Feed, event: Event, chance: random.Random) -> Iterator[bytes]:
    kind = chance.choice(["body", "fork", *_BAD])
    if kind == "body":
        body = f"neither JSON nor a bundle: {chance.getrandbits(64):x}"
        feed.poison[body.encode()] = "bad_body"
        feed.bodies.append(body)
        return
    number = len(feed.poison) + len(feed.forks)
    if kind == "fork":
        # Of the game's own events, so that it does not matter which of both comes first.
        one, other = (_like(event, match="fork", seq=number + 1, points=n) for n in (1, 2))
        feed.forks.append((prepare(one), prepare(other)))
        feed.bodies.append(wire.encode_bundle([other]))
        yield one
        return
    reason, changes = _BAD[kind]
    fields = msgspec.json.decode(_like(event, match="poison", seq=number + 1, points=1))
    bad = msgspec.json.encode({**fields, **changes})
    feed.poison[bad] = reason
    yield bad


def _like(event: Event, *, match: str, seq: int, points: int) -> bytes:
    return wire.encode_record(
        msgspec.structs.replace(
            event.record,
            id=f"{match}/{seq}",
            match=match,
            seq=seq,
            kind="scored",
            player="p",
            data={"points": points},
        )
    )


_STARTED = {"players_max": 2**31, "seed": 1, "node": "n"}
_BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "wrong type": ("bad_record", {"tick": "soon"}),
    "no such field": ("bad_record", {"colour": "red"}),
    "record too big": ("bad_record", {"data": {"x": "y" * wire.RECORD_BYTES_MAX}}),
    "U+0000": ("bad_data", {"data": {"text": "a\0b"}}),
    "number too big": ("bad_data", {"kind": wire.MATCH_STARTED, "data": _STARTED}),
    "time too late": ("bad_data", {"at_ms": 253_402_300_800_000}),
    "data of another kind": ("bad_data", {"kind": wire.MATCH_ENDED}),
    "refused by PostgreSQL": ("rejected", {"kind": REFUSED}),
}
"""What is wrong: the reason, and the fields that are changed."""
