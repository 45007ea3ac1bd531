"""Event records: bytes that come back as they were, and clear errors for all others."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.wire import event_record
from gameserver.wire.event_record import (
    BadBody,
    EventRecord,
    decode_bundle,
    decode_record,
    digest,
    encode_bundle,
    encode_record,
)
from tests.wire.values import plain, unhurried


def record(seq: int = 1, **changes: Any) -> EventRecord:
    fields: dict[str, Any] = {
        "id": f"abc/{seq}",
        "match": "abc",
        "seq": seq,
        "epoch": 1,
        "tick": 2,
        "game": "arena",
        "mode": "duel",
        "kind": "scored",
        "player": None,
        "at_ms": 3,
        "data": {},
    }
    return EventRecord(**{**fields, **changes})


@unhurried
@given(
    datas=st.lists(st.dictionaries(st.text(max_size=5), plain, max_size=3), max_size=4),
    player=st.none() | st.text(min_size=1, max_size=128),
)
def test_a_bundle_gives_its_records_back(datas: list[dict[str, Any]], player: str | None) -> None:
    records = [record(seq, data=data, player=player) for seq, data in enumerate(datas, 1)]
    encoded = [encode_record(each) for each in records]
    body = encode_bundle(encoded)
    assert json.loads(body)["v"] == event_record.VERSION
    assert decode_bundle(body) == encoded
    assert [decode_record(each) for each in decode_bundle(body)] == records
    assert [digest(decode_record(each)) for each in encoded] == [digest(each) for each in records]


def test_equal_facts_have_equal_bytes() -> None:
    one, other = record(data={"a": 1, "b": 2}), record(data={"b": 2, "a": 1})
    assert encode_record(one) == encode_record(other)
    assert digest(one) == digest(other) != digest(record(data={"a": 1, "b": 3}))
    assert len(digest(one)) == 16


def test_a_record_over_the_limit_is_named() -> None:
    with pytest.raises(ValueError, match=r"event abc/1 \(scored\) takes \d+ bytes"):
        encode_record(record(data={"x": "y" * event_record.RECORD_BYTES_MAX}))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"v":1}',
        '{"v":2,"records":[]}',
        '{"v":"1","records":[]}',
        '{"v":1,"records":{}}',
        '{"v":1,"records":[],"x":1}',
        '{"v":1,"records":[' + "[" * 100_000,
        '{"v":1,"records":["\ud800"]}',
    ],
)
def test_a_bad_body_is_refused(body: str) -> None:
    with pytest.raises(BadBody, match=r"^body: "):
        decode_bundle(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "abc/2"},
        {"id": "other/1"},
        {"match": "ABC"},
        {"seq": 0},
        {"tick": -1},
        {"kind": ""},
        {"player": ""},
        {"data": []},
        {"extra": 1},
        {"epoch": 2**53},
    ],
)
def test_a_bad_record_is_refused(changes: dict[str, Any]) -> None:
    fields = {**msgspec.to_builtins(record()), **changes}
    with pytest.raises(BadBody, match=r"^record: "):
        decode_record(json.dumps(fields).encode())


@pytest.mark.parametrize("encoded", [b"", b"\xff", b'{"id":"\xff"}', b"{" * 100_000])
def test_bytes_that_are_no_record_are_refused(encoded: bytes) -> None:
    with pytest.raises(BadBody):
        decode_record(encoded)


def test_one_bad_record_leaves_its_neighbours_alone() -> None:
    good = encode_record(record())
    first, bad, last = decode_bundle(encode_bundle([good, b'{"id":1}', good]))
    assert decode_record(first) == decode_record(last) == record()
    with pytest.raises(BadBody):
        decode_record(bad)
