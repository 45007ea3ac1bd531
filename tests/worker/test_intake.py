"""Bad bodies: each gets its answer, and its neighbours are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gameserver.wire import event_record as wire
from persistence_worker import intake
from tests.worker.builders import bundle, ended, raw, record, story


def changed(**changes: Any) -> bytes:
    """A good record's JSON with some keys changed; "-" removes one."""
    fields = json.loads(raw("m1", 2))
    fields.update(changes)
    return json.dumps({key: value for key, value in fields.items() if value != "-"}).encode()


def nested(depth: int) -> bytes:
    return raw("m1", 2).replace(b'{"points":2}', b'{"a":' + b"[" * depth + b"]" * depth + b"}")


BODIES = [
    ("", "bad_body"),
    ("hello", "bad_body"),
    ("null", "bad_body"),
    ("[]", "bad_body"),
    ("{}", "bad_body"),
    ('{"v":1}', "bad_body"),
    ('{"v":2,"records":[]}', "bad_body"),
    ('{"v":"1","records":[]}', "bad_body"),
    ('{"v":1,"records":{}}', "bad_body"),
    ('{"v":1,"records":[],"more":1}', "bad_body"),
    ('{"v":1,"records":[', "bad_body"),
    ('{"v":1,"records":[]}x', "bad_body"),
    ("\ud800", "bad_body"),
    ('{"v":1,"records":["\udfff"]}', "bad_body"),
    ("[" * 100_000, "bad_body"),
    ('{"v":1,"records":[' + "[" * 100_000 + "}]}", "bad_body"),
    ('{"v":1,"records":[{"a":"\\ud800"},,]}', "bad_body"),
    ('{"v":1,"records":["\\ud800"]]}', "bad_body"),
    ("\x00" * 1000, "bad_body"),
    ("9" * 1_000_000, "bad_body"),
]

RECORDS = [
    (b"null", "bad_record"),
    (b"1", "bad_record"),
    (b"[]", "bad_record"),
    (b"{}", "bad_record"),
    (changed(id="m1/3"), "bad_record"),
    (changed(id="M1/2"), "bad_record"),
    (changed(id="m1/02"), "bad_record"),
    (changed(match="../etc"), "bad_record"),
    (changed(match=""), "bad_record"),
    (changed(seq="2"), "bad_record"),
    (changed(seq=0, id="m1/0"), "bad_record"),
    (changed(seq=2**63, id=f"m1/{2**63}"), "bad_record"),
    (changed(seq=2.5), "bad_record"),
    (changed(epoch=-1), "bad_record"),
    (changed(epoch=2**53), "bad_record"),
    (changed(tick=10**40), "bad_record"),
    (changed(at_ms=None), "bad_record"),
    (changed(kind="-"), "bad_record"),
    (changed(player="-"), "bad_record"),
    (changed(kind=""), "bad_record"),
    (changed(kind="k" * 65), "bad_record"),
    (changed(player=""), "bad_record"),
    (changed(player="p" * 129), "bad_record"),
    (changed(data=[]), "bad_record"),
    (changed(data=None), "bad_record"),
    (changed(extra=1), "bad_record"),
    (changed(data={"x": "y" * 70_000}), "bad_record"),
    (changed(kind="\ud800"), "bad_record"),
    (raw("m1", 2).replace(b'{"points":2}', b'{"a":1e999}'), "bad_record"),
    (nested(30_000), "bad_record"),
    (changed(data={"x": '],"}\\', "y": "\ud800"}), "bad_record"),
    (changed(kind="a\x00b"), "bad_data"),
    (changed(game="\x00"), "bad_data"),
    (changed(player="p\x00"), "bad_data"),
    (changed(data={"x": "\x00"}), "bad_data"),
    (changed(data={"x\x00": 1}), "bad_data"),
    (changed(data={"x": [1, {"y": ["\x00"]}]}), "bad_data"),
    (changed(at_ms=253_402_300_800_000), "bad_data"),
    (changed(kind="match_started", data={}), "bad_data"),
    (changed(kind="match_started", data={"players_max": 2**31, "seed": 1, "node": ""}), "bad_data"),
    (changed(kind="match_started", data={"players_max": -1, "seed": 1, "node": ""}), "bad_data"),
    (changed(kind="player_joined", data={"name": "A", "seat": 0}), "bad_data"),
    (changed(kind="player_joined", player="p", data={"name": 1, "seat": 0}), "bad_data"),
    (changed(kind="player_joined", player="p", data={"name": "A", "seat": -1}), "bad_data"),
    (changed(kind="player_left", player="p", data={"seat": 0}), "bad_data"),
    (changed(kind="player_left", data={"reason": "left", "seat": 0}), "bad_data"),
    (changed(kind="match_ended", data={}), "bad_data"),
    (ended("m1", 2, ticks="9"), "bad_data"),
    (ended("m1", 2, ticks=2**63), "bad_data"),
    (ended("m1", 2, duration_ms=-1), "bad_data"),
    (ended("m1", 2, standings={}), "bad_data"),
    (ended("m1", 2, [("p1", 2**31, 0)]), "bad_data"),
    (ended("m1", 2, [("p1", 1, 0), ("p1", 2, 0)]), "bad_data"),
    (ended("m1", 2, [("", 1, 0)]), "bad_data"),
    (ended("m1", 2, result=[]), "bad_data"),
]

FINE = [
    changed(kind="never_heard_of"),
    changed(data={}),
    changed(data={"text": "\\u0000 is written like this", "emoji": "🎲", "big": 10**30}),
    changed(data={"x": "\\\x7f"}),
    changed(kind="player_left", player="p", data={"reason": "from the future", "seat": 0}),
    changed(kind="match_ended", data={**json.loads(ended("m1", 2))["data"], "more": 1}),
    ended("m1", 2, [("p1", 1, -1.5), ("p2", 1, 0)], result=None),
    nested(300),
]


@pytest.mark.parametrize(("body", "kind"), BODIES, ids=range(len(BODIES)))
def test_bad_bodies(body: str, kind: str) -> None:
    found = intake.read(body)
    assert found.events == []
    assert [(bad.kind.value, bad.raw) for bad in found.bad] == [(kind, None)]
    assert len(found.bad[0].detail) < 500


@pytest.mark.parametrize(("bad", "kind"), RECORDS, ids=range(len(RECORDS)))
def test_bad_records_between_good_ones(bad: bytes, kind: str) -> None:
    body = bundle(raw("m1", 1), bad, raw("m1", 3))
    found = intake.read(body)
    assert [event.key for event in found.events] == [("m1", 1), ("m1", 3)]
    assert [(each.kind.value, each.raw) for each in found.bad] == [(kind, bad)]
    assert found.bad[0].detail
    # Reduced to its bad part, the body says the same again.
    again = intake.read(bundle(bad))
    assert again.bad == found.bad
    assert again.events == []


@pytest.mark.parametrize("good", FINE, ids=range(len(FINE)))
def test_unusual_but_fine(good: bytes) -> None:
    found = intake.read(bundle(good))
    assert found.bad == []
    assert [event.key for event in found.events] == [("m1", 2)]


def test_an_empty_bundle_is_nothing() -> None:
    assert intake.read('{"v":1,"records":[]}') == intake.Intake(events=[], bad=[])


def test_what_is_read_is_what_was_written() -> None:
    found = intake.read(bundle(*story("m1")))
    assert found.bad == []
    for event, given in zip(found.events, story("m1"), strict=True):
        assert event.raw == given
        assert json.loads(event.data) == json.loads(given)["data"]
        assert event.digest == wire.digest(event.record)
    kinds = [type(event.fact).__name__ for event in found.events]
    assert kinds[:4] == ["MatchStarted", "PlayerJoined", "PlayerJoined", "PlayerLeft"]
    assert kinds[4:] == ["PlayerJoined", "PlayerLeft", *["NoneType"] * 3, "MatchEnded"]


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    fields = json.loads(raw("m1", 2))
    turned = json.dumps(dict(reversed(fields.items()))).encode()
    assert intake.prepare(turned).digest == wire.digest(record("m1", 2))
